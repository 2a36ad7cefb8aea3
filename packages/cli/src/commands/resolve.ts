/**
 * `datakit resolve`: merges as a person decides, path by path and key by key.
 *
 * @module
 */
import type { Conflict, KeyDecision, Resolution } from '@datakit/datakit/conflict'
import type { KeyStep } from '@datakit/merge/driver'
import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { CommandError, EXIT, type Command } from '../command.ts'
import { formatPointer } from '../key-pointer.ts'
import { MERGE_OPTIONS, mergeNames, withOpenMerge, type OpenMerge } from '../open-merge.ts'

const help = `Usage: datakit resolve [REMOTE [BRANCH]] --keep CHOICE [--keep CHOICE]... [-C DIR] [--into NAME] [-m MESSAGE] [--json]

Merges BRANCH of REMOTE (origin), as it was last fetched, into the branch here, and decides what is in conflict. "datakit conflicts" shows
what that is. All of it must be decided, or nothing is done.

  --keep PATH=ours         the file as it is here; theirs: as it is there; base: as it was; remove: no file
  --keep PATH=@FILE        the contents of FILE on this machine
  --keep 'PATH#KEY=ours'   of a file that is merged by key, the value of one key: ours, theirs or base; KEY as "datakit conflicts" prints
                           it. The rest of the file is merged
  -m, --message MESSAGE    of the merge
  -C DIR                   the repository
  --into NAME              the branch here, if it is called otherwise
  --json                   print { "branch", "oid" }
  --help                   this text

Nothing is sent: that does "datakit sync" or "datakit push".
Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 nothing is there, 4 something stays in conflict.`

export const resolveCommand: Command = {
  name: 'resolve',
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: {
        ...MERGE_OPTIONS,
        keep: { type: 'string', multiple: true, default: [] },
        message: { type: 'string', short: 'm' },
      },
      allowPositionals: true,
    })
    const names = mergeNames(positionals, values)
    return withOpenMerge(names, async (merge) => {
      if (merge.conflicts.length === 0)
        throw new CommandError('Nothing is in conflict: "datakit pull" merges', EXIT.usage)
      const resolutions = await readChoices(values.keep, merge)
      const from = names.from ?? merge.branch
      const message = values.message ?? `Merge branch '${from}' of ${names.remote}`
      const oid = await commit(merge, resolutions, message)
      if (values.json) terminal.say(JSON.stringify({ branch: merge.branch, oid }))
      else terminal.say(`${oid.slice(0, 10)}  merged  ${merge.branch}`)
      return EXIT.done
    })
  },
}

async function commit(
  { transaction, conflicts, theirs, branch, isSynced }: OpenMerge,
  resolutions: ReadonlyMap<string, Resolution>,
  message: string,
): Promise<string> {
  const open = conflicts.filter(({ path }) => !resolutions.has(path))
  if (open.length > 0)
    throw new CommandError(
      `Nothing was said of ${open.map(({ path }) => `"${path}"`).join(', ')}: "datakit conflicts" shows them, --keep decides`,
      EXIT.conflict,
    )
  for (const { path } of conflicts) {
    const resolution = resolutions.get(path)
    if (resolution !== undefined) await transaction.resolve(path, resolution)
  }
  const firstParent = isSynced ? theirs : undefined
  const outcome = await transaction.commit({ message, firstParent })
  if (outcome.state === 'committed' || outcome.state === 'unchanged') return outcome.oid
  throw new CommandError(
    `"${branch}" moved meanwhile and is in conflict again: "datakit conflicts" shows with what`,
    EXIT.conflict,
  )
}

/** What was decided, by path. @throws CommandError when a choice is none, or about what is not in conflict */
async function readChoices(
  choices: readonly string[],
  merge: OpenMerge,
): Promise<Map<string, Resolution>> {
  const resolutions = new Map<string, Resolution>()
  for (const choice of choices) {
    const end = choice.lastIndexOf('=')
    const [what, keep] = [choice.slice(0, end), choice.slice(end + 1)]
    if (end < 0) throw notChoice(choice)
    const whole = merge.conflicts.find(({ path }) => path === what)
    if (whole) resolutions.set(whole.path, await readWhole(choice, keep))
    else {
      const [conflict, decision] = await readKey(what, keep, merge)
      const known = resolutions.get(conflict.path)
      const keys = typeof known === 'object' && 'keys' in known ? known.keys : []
      resolutions.set(conflict.path, { keys: [...keys, decision] })
    }
  }
  return resolutions
}

async function readWhole(choice: string, keep: string): Promise<Resolution> {
  if (keep === 'ours' || keep === 'theirs' || keep === 'base' || keep === 'remove') return keep
  if (keep.startsWith('@')) return { bytes: await readFile(keep.slice(1)) }
  throw notChoice(choice)
}

async function readKey(
  what: string,
  keep: string,
  { conflicts, transaction }: OpenMerge,
): Promise<[Conflict, KeyDecision]> {
  const conflict = conflicts.find(({ path }) => what.startsWith(`${path}#`))
  if (conflict === undefined)
    throw new CommandError(
      `"${what}" is not in conflict: "datakit conflicts" shows what is`,
      EXIT.usage,
    )
  const pointer = what.slice(conflict.path.length + 1)
  const explained = await transaction.explain(conflict.path)
  const keys: readonly { readonly key: readonly KeyStep[] }[] =
    (explained?.state === 'conflict' ? explained.keys : undefined) ?? []
  const found = keys.find(({ key }) => formatPointer(key) === pointer)
  if (found === undefined)
    throw new CommandError(
      `"${conflict.path}" has no key "${pointer}" in conflict: "datakit conflicts" shows those that are`,
      EXIT.usage,
    )
  if (keep === 'ours' || keep === 'theirs' || keep === 'base')
    return [conflict, { key: found.key, keep }]
  throw notChoice(`${what}=${keep}`)
}

function notChoice(choice: string): CommandError {
  return new CommandError(
    `"${choice}" is no choice: expected PATH=ours, theirs, base, remove or @FILE, or PATH#KEY=ours, theirs or base`,
    EXIT.usage,
  )
}
