/**
 * `datakit watch`: a file, now and whenever it changes.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openClone, syncClone, type CloneDirectory } from '../clone-directory.ts'
import { CommandError, EXIT, type Command, type Terminal } from '../command.ts'

const help = `Usage: datakit watch PATH [-C DIR] [--every SECONDS] [--offline] [--json]

Prints the file PATH of the clone at DIR (.), and again whenever it changes, here or on the server.
Values may be skipped when they follow each other quickly; the newest always comes.

  -C DIR           the clone
  --every SECONDS  how often to ask the server (10)
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

/** Pulls again and again. A server that cannot be reached is said once, until it can be. */
async function poll(clone: CloneDirectory, terminal: Terminal, seconds: number): Promise<void> {
  let said = ''
  const warned = new Set<string>()
  const once = (line: string): void => {
    if (!warned.has(line)) terminal.warn(line)
    warned.add(line)
  }
  while (!terminal.signal.aborted) {
    const problem = await syncClone(clone, { ...terminal, warn: once }, { pull: true }).then(
      () => '',
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    )
    if (problem !== '' && problem !== said && !terminal.signal.aborted)
      terminal.warn(`datakit watch: ${problem}`)
    said = problem
    await sleep(seconds * 1000, undefined, { signal: terminal.signal }).catch(() => undefined)
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
  let last: string | undefined
  for await (const head of clone.repository
    .branch(clone.branch)
    .watch({ signal: terminal.signal })) {
    const oid = (await head?.stat(path))?.oid ?? ''
    if (oid === last) continue
    last = oid
    const body = oid === '' ? undefined : await head?.read(path)
    const text = body === undefined ? undefined : new TextDecoder().decode(body)
    if (json) terminal.say(JSON.stringify({ path, commit: head?.oid, text }))
    else if (body === undefined) terminal.warn(`datakit watch: there is no "${path}" now`)
    else terminal.write(body)
  }
}
