/**
 * `datakit get`: one file of the state.
 *
 * @module
 */
import { parseArgs } from 'node:util'
import { openClone, syncClone } from '../clone-directory.ts'
import { CommandError, EXIT, type Command } from '../command.ts'

const help = `Usage: datakit get PATH [-C DIR] [--offline] [--json]

Takes what is new on the server into the clone at DIR (.), then writes the file PATH of its branch to standard output, as it is.
For a directory, the names in it, a line each.

  -C DIR      the clone
  --offline   do not ask the server first
  --json      print { "path", "commit", "text" } or { "path", "commit", "names" }
  --help      this text

Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 nothing is there, 4 conflict, 6 gone.`

export const getCommand: Command = {
  name: 'get',
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: {
        directory: { type: 'string', short: 'C', default: '.' },
        offline: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
      allowPositionals: true,
    })
    const [path = ''] = positionals
    if (positionals.length > 1) throw new CommandError('Expected one PATH', EXIT.usage)
    const clone = await openClone(values.directory)
    try {
      if (!values.offline) await syncClone(clone, terminal, { pull: true })
      const head = await clone.repository.branch(clone.branch).head()
      const stat = path === '' ? { kind: 'directory' } : await head?.stat(path)
      if (head === undefined || stat === undefined) {
        throw new CommandError(`There is no "${path}" on ${clone.branch}`, EXIT.notFound)
      }
      if (stat.kind === 'directory') {
        const names = (await head.list(path)).map(({ name }) => name)
        terminal.say(
          values.json ? JSON.stringify({ path, commit: head.oid, names }) : names.join('\n'),
        )
        return EXIT.done
      }
      const body = (await head.read(path)) ?? new Uint8Array(0)
      if (values.json) {
        terminal.say(
          JSON.stringify({ path, commit: head.oid, text: new TextDecoder().decode(body) }),
        )
      } else terminal.write(body)
      return EXIT.done
    } finally {
      await clone.repository.close()
    }
  },
}
