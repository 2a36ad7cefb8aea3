/**
 * `datakit set`: changes one file, in a commit of its own.
 *
 * @module
 */
import { buffer } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { openClone, syncClone } from '../clone-directory.ts'
import { CommandError, EXIT, type Command } from '../command.ts'

const help = `Usage: datakit set PATH [VALUE] [-C DIR] [-m MESSAGE] [--remove] [--offline] [--json]

Writes VALUE (or standard input) to the file PATH, commits, and syncs the clone at DIR (.).
The commit is kept whatever the sync says; the next one brings it there.

  -C DIR       the clone
  -m MESSAGE   of the commit ("Set PATH")
  --remove     take the file or directory away instead
  --offline    do not sync
  --json       print { "commit", "how" }
  --help       this text

VALUE gets a line end if it has none; standard input is taken as it is. A symbolic link gets what is written as its target.
Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 nothing is there, 4 conflict, 5 refused, 6 gone.`

export const setCommand: Command = {
  name: 'set',
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: {
        directory: { type: 'string', short: 'C', default: '.' },
        message: { type: 'string', short: 'm' },
        remove: { type: 'boolean', default: false },
        offline: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
      allowPositionals: true,
    })
    const [path, value] = positionals
    if (path === undefined || positionals.length > 2) {
      throw new CommandError('Expected PATH and, if you like, VALUE', EXIT.usage)
    }
    const body = values.remove ? undefined : await bodyOf(value)
    const clone = await openClone(values.directory)
    try {
      const message = values.message ?? `${values.remove ? 'Remove' : 'Set'} ${path}`
      const outcome = await clone.repository.branch(clone.branch).commit(
        async (transaction) => {
          if (body !== undefined) return transaction.write(path, body)
          if (!(await transaction.remove(path))) {
            throw new CommandError(`There is no "${path}" on ${clone.branch}`, EXIT.notFound)
          }
        },
        { message, skipEmpty: true },
      )
      if (outcome.state === 'conflict' || outcome.state === 'not-fast-forward') {
        throw new CommandError(
          `"${path}" was changed by somebody else at the same time`,
          EXIT.conflict,
        )
      }
      if (!values.offline) {
        await syncClone(clone, terminal).catch((error: unknown) => {
          throw outcome.state === 'committed' ? keptHere(outcome.oid, error) : error
        })
      }
      const how = outcome.state === 'unchanged' ? 'unchanged' : 'committed'
      terminal.say(
        values.json ? JSON.stringify({ commit: outcome.oid, how }) : `${how} ${outcome.oid}`,
      )
      return EXIT.done
    } finally {
      await clone.repository.close()
    }
  },
}

/** What became of the commit, before why it is not on the server. */
function keptHere(commit: string, cause: unknown): CommandError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const facts = { commit }
  if (cause instanceof CommandError) {
    const message = `Committed ${commit} here, and not on the server: ${reason}`
    return new CommandError(message, cause.exit, { cause, facts, code: cause.code })
  }
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'failed'
  const message = `Committed ${commit} here, and not on the server yet: ${reason}. The next sync sends it`
  return new CommandError(message, EXIT.failed, { cause, facts, code })
}

async function bodyOf(value: string | undefined): Promise<Uint8Array> {
  if (value === undefined) return buffer(process.stdin)
  return new TextEncoder().encode(value.endsWith('\n') ? value : `${value}\n`)
}
