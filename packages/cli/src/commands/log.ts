/**
 * `datakit log`: who changed what, and when.
 *
 * @module
 */
import { parseArgs } from 'node:util'
import { openClone, syncClone } from '../clone-directory.ts'
import { CommandError, EXIT, type Command } from '../command.ts'

const help = `Usage: datakit log [PATH] [-C DIR] [-n COUNT] [--offline] [--json]

Takes what is new on the server into the clone at DIR (.), then lists the commits of its branch, or those that changed PATH, newest first.

  -C DIR      the clone
  -n COUNT    at most so many (20)
  --offline   do not ask the server first
  --json      print a line of JSON for each: { "oid", "parents", "author", "date", "message" }
  --help      this text

Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 nothing is there, 4 conflict, 6 gone.`

export const logCommand: Command = {
  name: 'log',
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: {
        directory: { type: 'string', short: 'C', default: '.' },
        count: { type: 'string', short: 'n', default: '20' },
        offline: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
      allowPositionals: true,
    })
    const limit = Number(values.count)
    if (!/^\d+$/.test(values.count))
      throw new CommandError(`Not a count: "${values.count}"`, EXIT.usage)
    const [path] = positionals
    const clone = await openClone(values.directory)
    try {
      if (!values.offline) await syncClone(clone, terminal, { pull: true })
      const head = await clone.repository.branch(clone.branch).oid()
      if (head === undefined)
        throw new CommandError(`There is no commit on ${clone.branch}`, EXIT.notFound)
      const options = { limit, signal: terminal.signal, ...(path === undefined ? {} : { path }) }
      for await (const { oid, commit } of clone.repository.log(head, options)) {
        const { author, parents, message } = commit
        const date = new Date(author.seconds * 1000).toISOString()
        const [subject = ''] = message.split('\n', 1)
        terminal.say(
          values.json
            ? JSON.stringify({
                oid,
                parents,
                author: `${author.name} <${author.address}>`,
                date,
                message,
              })
            : `${oid.slice(0, 10)}  ${date.slice(0, 16).replace('T', ' ')}  ${author.name}: ${subject}`,
        )
      }
      return EXIT.done
    } finally {
      await clone.repository.close()
    }
  },
}
