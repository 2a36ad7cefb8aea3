/**
 * `datakit conflicts`: what a pull or a sync could not merge, file by file and key by key.
 *
 * @module
 */
import type { Conflict } from '@datakit/datakit/conflict'
import type { KeyConflict } from '@datakit/merge/driver'
import { parseArgs } from 'node:util'
import { EXIT, type Command, type Terminal } from '../command.ts'
import { formatPointer } from '../key-pointer.ts'
import { MERGE_OPTIONS, mergeNames, withOpenMerge, type OpenMerge } from '../open-merge.ts'

const help = `Usage: datakit conflicts [REMOTE [BRANCH]] [-C DIR] [--into NAME] [--json]

Shows what "datakit pull" or "datakit sync" could not merge: the paths that the branch here and BRANCH of REMOTE (origin), as it was last
fetched, both changed. For files that are merged by key (JSON, YAML, TOML) each value in conflict, as it was (base), is here (ours) and
is there (theirs). Changes nothing; "datakit resolve" decides.

  -C DIR       the repository
  --into NAME  the branch here, if it is called otherwise
  --json       print { "branch", "ours", "theirs", "conflicts": [{ "path", "kind", "keys", "reason" }] }
  --help       this text

Exit codes: 0 nothing is in conflict, 1 failed, 2 wrong arguments, 3 nothing is there, 4 something is in conflict.`

/** A conflict with what its driver says of it. */
interface Shown extends Conflict {
  readonly keys: readonly (KeyConflict & { readonly pointer: string })[] | undefined
  /** Why it was not tried by key or by line. */
  readonly reason: string | undefined
}

export const conflictsCommand: Command = {
  name: 'conflicts',
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: MERGE_OPTIONS,
      allowPositionals: true,
    })
    return withOpenMerge(mergeNames(positionals, values), async (merge) => {
      const { branch, ours, theirs } = merge
      const conflicts = await explainAll(merge)
      if (values.json) terminal.say(JSON.stringify({ branch, ours, theirs, conflicts }))
      else say(conflicts, terminal)
      return conflicts.length > 0 ? EXIT.conflict : EXIT.done
    })
  },
}

async function explainAll({ transaction, conflicts }: OpenMerge): Promise<Shown[]> {
  const shown: Shown[] = []
  for (const conflict of conflicts) {
    const explained = await transaction.explain(conflict.path)
    const { keys, reason } = explained?.state === 'conflict' ? explained : {}
    const pointed = keys?.map((found) => ({ ...found, pointer: formatPointer(found.key) }))
    shown.push({ ...conflict, keys: pointed, reason })
  }
  return shown
}

function say(conflicts: readonly Shown[], terminal: Terminal): void {
  if (conflicts.length === 0) terminal.say('Nothing is in conflict')
  for (const { path, kind, keys = [], reason } of conflicts) {
    terminal.say(`${path}  ${kind}`)
    if (reason !== undefined) terminal.say(`  ${reason}`)
    for (const { pointer, base, ours, theirs } of keys) {
      terminal.say(`  ${path}#${pointer}`)
      terminal.say(`    base    ${onOneLine(base)}`)
      terminal.say(`    ours    ${onOneLine(ours)}`)
      terminal.say(`    theirs  ${onOneLine(theirs)}`)
    }
  }
}

/** Most characters of a value that are shown; `--json` has all. */
const SHOWN = 200

function onOneLine(text: string | undefined): string {
  if (text === undefined) return '(not there)'
  const line = text.trim().replaceAll(/\s*\r?\n\s*/g, ' ⏎ ')
  return line.length > SHOWN ? `${line.slice(0, SHOWN)}…` : line
}
