/**
 * `datakit watch`: a file, now and whenever it changes.
 *
 * @module
 */
import { parseArgs } from 'node:util'
import { SyncError } from '@datakit/datakit/error'
import { Slot } from '@datakit/datakit/watch'
import { watchPath } from '@datakit/datakit/watch-path'
import { watchServer, type WatchState } from '@datakit/datakit/watch-server'
import { environmentToken, openClone, syncClone, type CloneDirectory } from '../clone-directory.ts'
import { CommandError, EXIT, type Command, type Terminal } from '../command.ts'

const help = `Usage: datakit watch PATH [-C DIR] [--every SECONDS] [--offline] [--json]

Prints the file PATH of the clone at DIR (.), and again whenever it changes, here or on the server.
Values may be skipped when they follow each other quickly; the newest always comes.

  -C DIR           the clone
  --every SECONDS  how often to ask a server that does not tell by itself, or cannot be reached (10)
  --offline        watch the clone alone
  --json           print a line of JSON for each value: { "path", "commit", "text" }; no text when there is none
  --help           this text

Ends with Ctrl-C. Exit codes: 0 ended, 1 failed, 2 wrong arguments, 3 no repository.`

export const watchCommand: Command = {
  name: 'watch',
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: {
        directory: { type: 'string', short: 'C', default: '.' },
        every: { type: 'string', default: '10' },
        offline: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
      allowPositionals: true,
    })
    const seconds = Number(values.every)
    if (!(seconds >= 1))
      throw new CommandError(`Not a number of seconds: "${values.every}"`, EXIT.usage)
    const [path] = positionals
    if (path === undefined || positionals.length > 1)
      throw new CommandError('Expected one PATH', EXIT.usage)
    const clone = await openClone(values.directory)
    try {
      const polled = values.offline ? Promise.resolve() : poll(clone, terminal, seconds)
      await print(clone, path, { terminal, json: values.json })
      await polled
      return EXIT.done
    } finally {
      await clone.repository.close()
    }
  },
}

/** Pulls whenever the server tells of a change, and now and then where it does not. A problem is said once, until it is over. */
async function poll(clone: CloneDirectory, terminal: Terminal, seconds: number): Promise<void> {
  let said = ''
  const warned = new Set<string>()
  const once = (line: string): void => {
    if (!warned.has(line)) terminal.warn(line)
    warned.add(line)
  }
  const hints = new Hints()
  const hearing = hints.hear(clone, terminal.signal)
  while (!terminal.signal.aborted) {
    hints.slot.clear()
    const problem = await syncClone(clone, { ...terminal, warn: once }, { pull: true }).then(
      () => '',
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    )
    if (problem !== '' && problem !== said && !terminal.signal.aborted)
      terminal.warn(`datakit watch: ${problem}`)
    said = problem
    const isTold = hints.isOpen && problem === ''
    await hints.slot.rung(isTold ? undefined : seconds * 1000)
  }
  await hearing
}

/** What the server tells by its watch stream, where it has one. */
class Hints {
  /** Rings when there may be something to pull. */
  readonly slot = new Slot()
  /** Whether the stream is open: whoever listens need not ask. */
  isOpen = false

  /** Listens until the signal. What keeps it from that, the next pull hears too. */
  async hear({ url }: CloneDirectory, signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.slot.ring())
    if (url === undefined) return
    const onState = ({ state }: WatchState): void => {
      this.isOpen = state === 'connected'
      this.slot.ring()
    }
    const refs = ['refs/heads/*', 'refs/tags/*']
    try {
      for await (const _ of watchServer({ url, token: environmentToken(), refs, signal, onState }))
        this.slot.ring()
    } catch (error) {
      if (!(error instanceof SyncError)) throw error
      this.isOpen = false
      this.slot.ring()
    }
  }
}

interface Printing {
  readonly terminal: Terminal
  readonly json: boolean
}

async function print(
  clone: CloneDirectory,
  path: string,
  { terminal, json }: Printing,
): Promise<void> {
  const { repository, branch } = clone
  for await (const { head, entry } of watchPath(repository, { branch, path }, terminal)) {
    const body = entry === undefined ? undefined : await head?.read(path)
    const text = body === undefined ? undefined : new TextDecoder().decode(body)
    if (json) terminal.say(JSON.stringify({ path, commit: head?.oid, text }))
    else if (body === undefined) terminal.warn(`datakit watch: there is no "${path}" now`)
    else terminal.write(body)
  }
}
