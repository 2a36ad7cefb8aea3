/**
 * Fsck configuration: what `receive.fsckObjects` and `receive.fsck.*` say of objects in which something is wrong.
 *
 * Objects are checked in any case. Without a setting the usual judge decides, who refuses what harms and takes what old
 * histories are full of; `receive.fsckObjects = true` makes it as strict as Git is then, `false` takes what Git would
 * take unchecked, as long as it can be read at all.
 *
 * Spec: https://git-scm.com/docs/git-config#Documentation/git-config.txt-receivefsckObjects
 *
 * @module
 */
import { readFileSync } from 'node:fs'

import { MalformedError } from '@datakit/git/error'
import type { Problem } from '@datakit/git/fsck'
import type { Judge, Verdict } from '@datakit/git/transport/judge'
import { pathIn, type Config } from '@datakit/storage/git-directory/config'

const PREFIX = 'receive.fsck.'

/** What Git lets nobody take for less than an error. */
const FATAL: ReadonlySet<string> = new Set(['nulinheader', 'unterminatedheader'])

const verdicts: Readonly<Record<string, Verdict>> = {
  error: 'refuse',
  warn: 'tell',
  ignore: 'pass',
}

/**
 * The judge that the configuration asks for; `undefined` for the usual one.
 *
 * @throws MalformedError when a setting is none, or a file that it names cannot be read
 */
export function judgeOf(config: Config, directory: string): Judge | undefined {
  const isChecked = config.bool('receive.fsckObjects') ?? config.bool('transfer.fsckObjects')
  if (isChecked === undefined) return undefined
  if (!isChecked) return () => 'pass'
  const severities = readSeverities(config)
  const skipped = readSkipList(config, directory)
  return ({ id, severity }, oid) => {
    if (skipped.has(oid)) return 'pass'
    return severities.get(id.toLowerCase()) ?? strictVerdict(severity)
  }
}

/** Git runs its check with `--strict` for those who push: warnings are errors. */
function strictVerdict(severity: Problem['severity']): Verdict {
  return severity === 'info' ? 'tell' : 'refuse'
}

function readSeverities(config: Config): ReadonlyMap<string, Verdict> {
  const severities = new Map<string, Verdict>()
  for (const { key, value = '' } of config.all()) {
    if (!key.startsWith(PREFIX) || key === `${PREFIX}skiplist`) continue
    const id = key.slice(PREFIX.length)
    const verdict = verdicts[value.toLowerCase()]
    if (verdict === undefined)
      throw wrong(`"${key}" is "${value}", expected "error", "warn" or "ignore"`)
    if (FATAL.has(id) && verdict !== 'refuse') throw wrong(`Cannot demote ${id} to ${value}`)
    severities.set(id, verdict)
  }
  return severities
}

/** Oids of the file that `receive.fsck.skipList` names, a line each; what follows a `#` is a comment. */
function readSkipList(config: Config, directory: string): ReadonlySet<string> {
  const path = config.get(`${PREFIX}skipList`)
  if (path === undefined) return new Set()
  const file = pathIn(directory, path)
  try {
    const lines = readFileSync(file, 'utf8').split('\n')
    return new Set(lines.map((line) => line.replace(/#.*/, '').trim()).filter((oid) => oid !== ''))
  } catch (cause) {
    throw new MalformedError('the configuration', `${PREFIX}skipList names "${path}"`, { cause })
  }
}

function wrong(problem: string): MalformedError {
  return new MalformedError('the configuration', problem)
}
