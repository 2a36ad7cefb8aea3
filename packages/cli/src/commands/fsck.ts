/**
 * `datakit fsck`: is a repository what it should be?
 *
 * @module
 */
import { checkGitDirectory } from '@datakit/storage/git-directory/check'
import { parseArgs } from 'node:util'
import { askServer, patientsOf, tell, type Patient } from '../care.ts'
import { EXIT, type Command } from '../command.ts'

const help = `Usage: datakit fsck [PLACE] [--strict] [--json]

Checks every object of every pack (its name, its structure by Git's own rules, our index and Git's against the pack), everything
that the refs lead to, and what a place keeps beside that. Changes nothing. Ctrl-C stops it.

PLACE (.) is a repository, a folder of them, or http://HOST/NAME.git on a Worker, which checks its bucket itself, step by step.

  --strict   warnings count too
  --json     print a line of JSON for each thing that is said
  --help     this text

The token is the password in a URL, or else DATAKIT_TOKEN. Exit codes: 0 nothing is wrong, 1 something is, or it cannot be told, 2 wrong arguments, 3 nothing is there.`

export const fsckCommand: Command = {
  name: 'fsck',
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: {
        json: { type: 'boolean', default: false },
        strict: { type: 'boolean', default: false },
      },
      allowPositionals: true,
    })
    const patients = await patientsOf(positionals[0] ?? '.')
    let isSound = true
    for (const patient of patients) {
      const prefix = patients.length > 1 || values.json ? patient.name : ''
      const { errors, findings } = await tell(eventsOf(patient, terminal.signal), terminal, {
        json: values.json,
        prefix,
      })
      const warnings = findings.filter(({ severity }) => severity === 'warning').length
      if (errors > 0 || (values.strict && warnings > 0)) isSound = false
    }
    return isSound ? EXIT.done : EXIT.failed
  },
}

/** What a check of a repository says. */
export function eventsOf(patient: Patient, signal: AbortSignal) {
  return patient.kind === 'remote'
    ? askServer(patient.url, 'fsck', { signal })
    : checkGitDirectory(patient.directory, { signal })
}
