/** The watch stream of a server under Node that is killed and started anew, again and again, while stock git goes on committing. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { watchServer, type ServerEvent } from '@datakit/datakit/watch-server'
import { afterAll, afterEach, expect, it } from 'vitest'
import { freePort, temporaryFolder } from '../support/servers.ts'
import { git } from '../support/stock-git.ts'

const RESTARTS = 2

const folder = temporaryFolder('watch-restart')
const main = join(import.meta.dirname, '..', '..', 'packages', 'cli', 'src', 'main.ts')
const running: ChildProcess[] = []
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL')
})
afterAll(() => folder.remove())

async function serve(port: number): Promise<ChildProcess> {
  const args = [main, 'serve', '--root', folder.path, '--port', String(port), '--json']
  const child = spawn(process.execPath, args, { env: { ...process.env, DATAKIT_TOKEN: '' } })
  running.push(child)
  await once(child.stdout, 'data')
  return child
}

it.each([true, false])(
  'is resumed, and nothing is lost: sockets %s',
  { timeout: 180_000 },
  async (sockets) => {
    const name = `config-${sockets}`
    const directory = join(folder.path, `${name}.git`)
    await git(folder.path, 'init', '--quiet', '--bare', '--initial-branch=main', directory)
    const tree = await git(directory, 'hash-object', '-t', 'tree', '-w', '--stdin')
    const made: string[] = []
    /** Commits to `main` and, every second time, to another branch, without a word to the server. */
    const commit = async (): Promise<void> => {
      const parent = made.at(-1)
      const parents = parent === undefined ? [] : ['-p', parent]
      const oid = await git(directory, 'commit-tree', tree, '-m', `${made.length}`, ...parents)
      await git(directory, 'update-ref', 'refs/heads/main', oid)
      if (made.length % 2 === 1) await git(directory, 'update-ref', 'refs/heads/other', oid)
      made.push(oid)
    }
    await commit()
    const port = await freePort()
    let server = await serve(port)

    const ended = new AbortController()
    const known = new Map<string, string>()
    const kinds: string[] = []
    const events = watchServer({
      url: `http://127.0.0.1:${port}/${name}.git`,
      sockets,
      signal: ended.signal,
    })
    const take = ({ kind, refs }: ServerEvent): void => {
      kinds.push(kind)
      if (kind === 'snapshot') known.clear()
      for (const { name: ref, from, to } of refs) {
        // Each change goes on from what was known: a gap would show.
        if (kind === 'change') expect([ref, from]).toEqual([ref, known.get(ref)])
        if (to === undefined) known.delete(ref)
        else known.set(ref, to)
      }
    }
    const listening = (async () => {
      for await (const event of events) take(event)
    })()
    const isKnown = async (): Promise<void> => {
      const wanted = Object.fromEntries(
        (await git(directory, 'for-each-ref', '--format=%(refname) %(objectname)'))
          .split('\n')
          .map((line) => line.split(' ') as [string, string]),
      )
      await expect.poll(() => Object.fromEntries(known), { timeout: 20_000 }).toEqual(wanted)
    }

    await isKnown()
    for (let restart = 0; restart < RESTARTS; restart++) {
      await commit()
      await isKnown()
      await commit()
      server.kill('SIGKILL')
      await once(server, 'exit')
      await commit()
      // What goes back while nobody serves is told as well.
      if (restart === 1) await git(directory, 'update-ref', '-d', 'refs/heads/other')
      server = await serve(port)
      await isKnown()
    }
    ended.abort()
    await listening
    console.log(`${sockets ? 'sockets' : 'stream'}: ${kinds.join(' ')}`)
  },
)
