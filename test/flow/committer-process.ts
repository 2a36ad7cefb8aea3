/**
 * A process of its own that commits to `main` of a Git directory without pause, watches what others do to it, and waits for them at
 * the end: `DIRECTORY NAME COUNT OTHER...`. Prints what it has made and what it has seen, as a line of JSON.
 *
 * @module
 */
import { Repository } from '@datakit/datakit/repository'
import { waitFor } from '@datakit/datakit/wait-for'
import { watchPath } from '@datakit/datakit/watch-path'
import { watchSteps } from '@datakit/datakit/watch-steps'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { openGitDirectory } from '@datakit/storage/git-directory'

/** What a process reports. */
export interface Report {
  /** The files that it wrote, each in a commit of its own. */
  readonly made: readonly string[]
  /** Where the branch was when it began. */
  readonly since: string
  /** Every step of the branch since it began, as `from to`. */
  readonly steps: readonly string[]
  /** The newest values of the other's file that it saw. */
  readonly seen: readonly string[]
  /** What it waited for and has got. */
  readonly waited: readonly string[]
}

const [, , directory = '', name = '', count = '0', ...others] = process.argv
const repository = await Repository.open(await openGitDirectory(directory), {
  runtime: nodeRuntime,
  identity: () => ({ name, address: `${name}@example.org` }),
})
const main = repository.branch('main')
const ended = new AbortController()
const { signal } = ended
const steps: string[] = []
const seen: string[] = []
const since = await main.oid()
if (since === undefined) throw new Error('There is no commit to begin at')

const following = (async () => {
  for await (const { from, to } of watchSteps(repository, 'main', { since, signal }))
    steps.push(`${from} ${to}`)
})()
const looking = (async () => {
  const path = `last/${others[0]}`
  for await (const { head, entry } of watchPath(repository, { branch: 'main', path }, { signal }))
    if (entry) seen.push((await head?.readText(path)) ?? '')
})()

const made: string[] = []
for (let i = 1; i <= Number(count); i++) {
  const path = `${name}/${i}`
  const outcome = await main.commit(
    async (files) => {
      await files.write(path, `${i}\n`)
      await files.write(`last/${name}`, `${i}\n`)
    },
    { message: `${name} ${i}` },
  )
  if (outcome.state !== 'committed') throw new Error(`The commit was ${outcome.state}`)
  made.push(path)
}
const all = [name, ...others]
await main.commit((files) => files.write(`done/${name}`, 'yes\n'), { message: `${name} is done` })
const waited: string[] = []
for (const other of all) {
  const at = { branch: 'main', path: `done/${other}` }
  const { path } = await waitFor(repository, at, ({ entry }) => entry !== undefined, {
    timeout: 60_000,
  })
  waited.push(path)
}
// The last step is told when it is seen, and nothing comes behind it: everybody is done.
const last = await main.oid()
while (!steps.at(-1)?.endsWith(` ${last}`)) await new Promise((resolve) => setTimeout(resolve, 20))
const newest = await (await main.head())?.readText(`last/${others[0]}`)
while (seen.at(-1) !== newest) await new Promise((resolve) => setTimeout(resolve, 20))
ended.abort()
await Promise.all([following, looking])
await repository.close()
console.log(JSON.stringify({ since, made, steps, seen, waited } satisfies Report))
