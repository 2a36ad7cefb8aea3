/**
 * `datakit push`: brings branches and tags to a remote.
 *
 * @module
 */
import { pushRemote, type PushedRef } from '@datakit/datakit/push'
import { autoPush } from '@datakit/datakit/auto-push'
import { parseArgs } from 'node:util'
import { CommandError, EXIT, type Command, type Terminal } from '../command.ts'
import { TOKENS, withRemote, type OpenRemote } from '../named-remote.ts'

const help = `Usage: datakit push [REMOTE [REFSPEC...]] [-C DIR] [--force-with-lease | --force] [--atomic] [--watch] [--json]

Brings branches and tags of the repository at DIR (.) to REMOTE (origin), any Git server: REFSPEC... ("main", "main:other", "refs/heads/*", ":gone"
deletes), or the branch of HEAD. "datakit sync" is the way to a DataKit server: it takes and sends at once.

  -C DIR              the repository
  --force-with-lease  overwrite what is where it was fetched last; "+" in front of a refspec does it for that one
  --force             overwrite whatever is there
  --atomic            all refs or none
  --watch             go on, and push again two seconds after a change, until Ctrl-C or until a person has to look
  --json              print { "refs": [{ "name", "state", "oid" }] }, with --watch a line for each push
  --help              this text

${TOKENS}
Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 nothing is there, 4 the remote has what is not here, 5 refused.`

export const pushCommand: Command = {
  name: 'push',
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: {
        directory: { type: 'string', short: 'C', default: '.' },
        'force-with-lease': { type: 'boolean', default: false },
        force: { type: 'boolean', default: false },
        atomic: { type: 'boolean', default: false },
        watch: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
      allowPositionals: true,
    })
    const [name = 'origin', ...specs] = positionals
    const force = values.force ? 'always' : values['force-with-lease'] ? 'lease' : undefined
    return withRemote({ folder: values.directory, name, terminal }, async (open) => {
      const refs = specs.length > 0 ? specs : [await currentBranch(open)]
      const wish = { ...open.access, refs, force, atomic: values.atomic } as const
      try {
        if (values.watch) return await watch(open, wish, { terminal, json: values.json })
        const outcome = await pushRemote(open.repository, open.remote, wish)
        return say(outcome.refs, terminal, values.json)
      } catch (error) {
        if (error instanceof RangeError) throw new CommandError(error.message, EXIT.usage)
        throw error
      }
    })
  },
}

async function currentBranch({ repository }: OpenRemote): Promise<string> {
  const head = await repository.head()
  if ('ref' in head) return head.ref
  throw new CommandError('HEAD is on no branch: name the one to push', EXIT.usage)
}

async function watch(
  { repository, remote }: OpenRemote,
  wish: Parameters<typeof autoPush>[2],
  { terminal, json }: { terminal: Terminal; json: boolean },
): Promise<number> {
  // To wait for a change keeps no process alive.
  const alive = setInterval(() => {}, 60_000)
  try {
    for await (const event of autoPush(repository, remote, wish)) {
      if (event.state === 'waiting') {
        const seconds = Math.ceil(event.retryAfter / 1000)
        terminal.warn(`datakit push: ${event.error.message}; trying again in ${seconds} s`)
        continue
      }
      const code = say(event.outcome.refs, terminal, json)
      if (event.state === 'stopped') return code
    }
    return EXIT.done
  } finally {
    clearInterval(alive)
  }
}

const REASONS: Partial<Record<PushedRef['state'], string>> = {
  'fetch-first': 'the remote has commits that are not here: pull first',
  'not-fast-forward': 'the remote has commits that it has not: pull first',
  exists: 'a tag of this name is there and points elsewhere',
  stale: 'it is not where it was fetched last: fetch, and look what has come',
}

function say(refs: readonly PushedRef[], terminal: Terminal, json: boolean): number {
  let code: number = EXIT.done
  if (json)
    terminal.say(
      JSON.stringify({
        refs: refs.map(({ name, state, to, reason }) => ({ name, state, oid: to, reason })),
      }),
    )
  for (const { name, state, to, reason } of refs) {
    if (!json) terminal.say(`${(to ?? '').slice(0, 10).padEnd(10)}  ${state.padEnd(16)}  ${name}`)
    const problem = state === 'refused' ? reason : REASONS[state]
    if (problem === undefined) continue
    terminal.warn(`datakit push: ${name}: ${problem}`)
    const exit = state === 'refused' ? EXIT.refused : EXIT.conflict
    code = Math.max(code, exit)
  }
  return code
}
