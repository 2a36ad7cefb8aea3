/**
 * `datakit fetch`: takes what a remote has, and leaves the branches here where they are.
 *
 * @module
 */
import { fetchRemote, type FetchedRef, type FetchOptions } from '@datakit/datakit/fetch'
import { parseArgs } from 'node:util'
import { CommandError, EXIT, parseDepth, type Command, type Terminal } from '../command.ts'
import { noteRemoteHead, TOKENS, withRemote } from '../named-remote.ts'

const help = `Usage: datakit fetch [REMOTE] [-C DIR] [--prune] [--tags | --no-tags] [--depth N | --unshallow] [--filter SPEC] [--json]

Takes what REMOTE (origin), any Git server, has into refs/remotes/REMOTE/* of the repository at DIR (.), and tags that lead to it.
"datakit pull" also moves a branch; "datakit sync" is the way to a DataKit server.

  -C DIR       the repository
  --prune      drop what the remote has no more
  --tags       take all tags
  --no-tags    take none
  --depth N    cut history off behind N commits
  --unshallow  take all of a history that was cut off
  --filter SPEC  leave files with REMOTE until they are wanted, as "git fetch --filter" does: blob:none, blob:limit=1m, tree:0
  --json       print { "refs": [{ "name", "state", "oid" }] }
  --help       this text

${TOKENS}
Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 nothing is there, 5 refused.`

export const fetchCommand: Command = {
  name: 'fetch',
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: {
        directory: { type: 'string', short: 'C', default: '.' },
        prune: { type: 'boolean', default: false },
        tags: { type: 'boolean', default: false },
        'no-tags': { type: 'boolean', default: false },
        depth: { type: 'string' },
        filter: { type: 'string' },
        unshallow: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
      allowPositionals: true,
    })
    const [name = 'origin'] = positionals
    if (positionals.length > 1) throw new CommandError('Expected one REMOTE', EXIT.usage)
    const tags = values.tags ? 'all' : values['no-tags'] ? 'none' : 'follow'
    const deepen = values.unshallow ? depthOf('2147483647') : values.depth && depthOf(values.depth)
    const { prune, filter } = values
    const options: FetchOptions = { prune, tags, filter, deepen: deepen || undefined }
    return withRemote(
      { folder: values.directory, name, terminal },
      async ({ repository, remote, access }) => {
        const { refs, head } = await fetchRemote(repository, remote, { ...access, ...options })
        await noteRemoteHead(values.directory, { repository, name, head })
        return sayFetched(refs, terminal, values.json)
      },
    )
  },
}

function depthOf(text: string): FetchOptions['deepen'] {
  return { kind: 'depth', depth: parseDepth(text), relative: false }
}

/** Says what became of the refs; the exit code. */
export function sayFetched(refs: readonly FetchedRef[], terminal: Terminal, json: boolean): number {
  let isDone = true
  if (json)
    terminal.say(
      JSON.stringify({ refs: refs.map(({ name, state, to }) => ({ name, state, oid: to })) }),
    )
  for (const ref of refs) {
    if (!json && ref.state !== 'unchanged')
      terminal.say(`${(ref.to ?? '').slice(0, 10).padEnd(10)}  ${ref.state.padEnd(9)}  ${ref.name}`)
    if (ref.state !== 'refused' && ref.state !== 'lost') continue
    isDone = false
    const reason = ref.state === 'refused' ? ref.reason : 'it was moved meanwhile: try again'
    terminal.warn(`datakit: ${ref.name}: ${reason}`)
  }
  return isDone ? EXIT.done : EXIT.refused
}
