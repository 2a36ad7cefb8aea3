/**
 * `datakit sync`: sends what is here, takes what is there, and settles what only a person can decide.
 *
 * @module
 */
import { setChoice } from '@datakit/datakit/sync-choice'
import { takeTheirs } from '@datakit/datakit/take-theirs'
import type { SyncOutcome } from '@datakit/datakit/sync'
import { parseArgs } from 'node:util'
import { CHOICE_HELP, CHOICE_OPTIONS, choiceOf } from '../choice-options.ts'
import { openClone, problemOf, syncWith, type CloneDirectory } from '../clone-directory.ts'
import { CommandError, EXIT, type Command, type Terminal } from '../command.ts'

const help = `Usage: datakit sync [-C DIR] [--keep-mine-as NAME | --restore] [--json]
       datakit sync [-C DIR] ([--branch NAME]… [--path PATH]… [--blob-limit SIZE] | --whole) [--json]

Sends the commits of the clone at DIR (.) that the server lacks, and takes those that it has; both sides' are merged.
Says of each branch what became of it. "datakit set" does this too; "get", "log" and "watch" only take.

The second form chooses which part of the repository this sync and all later ones ask for: more is brought at once, and less throws nothing
away. The rest comes when it is read. What is worked on here is sent, whatever was chosen.

  -C DIR               the clone
  --keep-mine-as NAME  where the server has another history of the branch of HEAD: mine goes on as the branch NAME,
                       the server's takes its place
  --restore            the branch of HEAD shall be on the server as it is here, though it was deleted there, or
                       commits were taken off
${CHOICE_HELP.replaceAll(/^(  --\S+ \S+) +/gm, (_, name: string) => name.padEnd(23))}
  --whole              all of it again
  --json               print { "branches": [{ "branch", "state", "oid" }] }
  --help               this text

Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 nothing is there, 4 conflict, 5 refused, 6 gone.`

export const syncCommand: Command = {
  name: 'sync',
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: {
        directory: { type: 'string', short: 'C', default: '.' },
        'keep-mine-as': { type: 'string' },
        restore: { type: 'boolean', default: false },
        ...CHOICE_OPTIONS,
        whole: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
      allowPositionals: true,
    })
    const name = values['keep-mine-as']
    if (positionals.length > 0 || (name !== undefined && values.restore)) {
      throw new CommandError('Expected --keep-mine-as NAME, --restore or neither', EXIT.usage)
    }
    const choice = choiceOf(values)
    if (choice !== undefined && values.whole)
      throw new CommandError('Expected a part, or --whole', EXIT.usage)
    const clone = await openClone(values.directory)
    try {
      if (clone.url === undefined)
        throw new CommandError(`"${values.directory}" was not cloned from a server`)
      if (choice !== undefined || values.whole) await setChoice(clone.repository, choice)
      const restore = values.restore ? [clone.branch] : []
      let outcome = await syncWith(clone, terminal.signal, { restore })
      if (name !== undefined) {
        await keepMine(clone, outcome, name)
        outcome = await syncWith(clone, terminal.signal)
      }
      say(outcome, terminal, values.json)
      for (const branch of outcome.branches) {
        const problem = problemOf(branch, clone)
        if (problem !== undefined) throw problem
      }
      return EXIT.done
    } finally {
      await clone.repository.close()
    }
  },
}

async function keepMine(clone: CloneDirectory, outcome: SyncOutcome, name: string): Promise<void> {
  const found = outcome.branches.find(({ branch }) => branch === clone.branch)
  const isSplit = found?.state === 'rewritten' || found?.state === 'unrelated'
  if (!isSplit || found.theirs === undefined) {
    throw new CommandError(
      `There is nothing to decide: "${clone.branch}" is ${found?.state ?? 'not here'}`,
    )
  }
  const { branch, ours, theirs } = found
  await takeTheirs(clone.repository, { branch, ours, theirs }, { keepMineAs: name })
}

function say({ branches }: SyncOutcome, terminal: Terminal, json: boolean): void {
  const lines = branches.map((outcome) => ({
    branch: outcome.branch,
    state: outcome.state,
    ...('oid' in outcome ? { oid: outcome.oid } : {}),
  }))
  if (json) return terminal.say(JSON.stringify({ branches: lines }))
  for (const { branch, state, oid = '' } of lines)
    terminal.say(`${oid.slice(0, 10).padEnd(10)}  ${state.padEnd(10)}  ${branch}`)
}
