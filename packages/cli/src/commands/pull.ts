/**
 * `datakit pull`: takes what a remote has into a branch.
 *
 * @module
 */
import { pullRemote, type PullResult } from '@datakit/datakit/pull'
import { parseArgs } from 'node:util'
import { CommandError, EXIT, type Command, type Terminal } from '../command.ts'
import { noteRemoteHead, withRemote, TOKENS } from '../named-remote.ts'

const help = `Usage: datakit pull [REMOTE [BRANCH]] [-C DIR] [--into NAME] [--ff-only | --set] [--prune] [--json]

Fetches from REMOTE (origin), any Git server, and merges its BRANCH (that of HEAD here) into the branch of the same name, path by path.
"datakit sync" is the way to a DataKit server: it takes and sends at once.

  -C DIR       the repository
  --into NAME  the branch here, if it is called otherwise
  --ff-only    only move it forward
  --set        put it where the remote's is, whatever it has; what it had is printed
  --prune      drop what the remote has no more
  --json       print { "branch", "state", "oid" }
  --help       this text

${TOKENS}
Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 nothing is there, 4 conflict, or not forward, 5 refused.`

export const pullCommand: Command = {
  name: 'pull',
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: {
        directory: { type: 'string', short: 'C', default: '.' },
        into: { type: 'string' },
        'ff-only': { type: 'boolean', default: false },
        set: { type: 'boolean', default: false },
        prune: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
      allowPositionals: true,
    })
    const [name = 'origin', from] = positionals
    if (positionals.length > 2) throw new CommandError('Expected REMOTE and BRANCH', EXIT.usage)
    if (values.set && values['ff-only'])
      throw new CommandError('Expected --ff-only, --set or neither', EXIT.usage)
    const how = values.set ? 'set' : values['ff-only'] ? 'fast-forward' : 'merge'
    return withRemote({ folder: values.directory, name, terminal }, async (open) => {
      const { repository, remote, access } = open
      const head = await repository.head()
      const current = 'ref' in head ? head.ref.replace('refs/heads/', '') : undefined
      const branch = values.into ?? from ?? current
      if (branch === undefined)
        throw new CommandError('HEAD is on no branch: name the one to pull', EXIT.usage)
      const options = { ...access, branch, from: from ?? branch, how, prune: values.prune } as const
      const outcome = await pullRemote(repository, remote, options)
      await noteRemoteHead(values.directory, { repository, name, head: outcome.fetch.head })
      return say(outcome.branch, { branch, terminal, json: values.json })
    })
  },
}

function say(
  result: PullResult,
  { branch, terminal, json }: { branch: string; terminal: Terminal; json: boolean },
): number {
  const oid = 'oid' in result ? result.oid : undefined
  if (json) terminal.say(JSON.stringify({ branch, ...result }))
  else if (oid !== undefined) terminal.say(`${oid.slice(0, 10)}  ${result.state}  ${branch}`)
  if (result.state === 'set')
    terminal.warn(`datakit pull: "${branch}" was at ${result.before}, which leads to what it had`)
  if (result.state === 'not-found')
    throw new CommandError(`The remote has no such branch, or it cannot be taken`, EXIT.notFound)
  if (result.state === 'conflict') {
    const paths = result.conflicts.map(({ path }) => path).join(', ')
    throw new CommandError(
      `Both sides changed the same: ${paths}. "${branch}" is where it was: "datakit conflicts" shows what, "datakit resolve" decides, --set takes theirs`,
      EXIT.conflict,
    )
  }
  if (result.state === 'unrelated')
    throw new CommandError(
      `The remote's branch has nothing in common with "${branch}"`,
      EXIT.conflict,
    )
  if (result.state === 'not-fast-forward')
    throw new CommandError(`"${branch}" has commits that the remote has not`, EXIT.conflict)
  return EXIT.done
}
