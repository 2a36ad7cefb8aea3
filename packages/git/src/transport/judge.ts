/**
 * Judge: what becomes of a pack in which something is wrong with an object.
 *
 * Spec: https://git-scm.com/docs/git-fsck#_fsck_messages
 *
 * @module
 */
import type { Problem } from '../fsck.ts'
import type { Oid } from '../oid.ts'

/** Nothing is taken, the object is taken and told of, or it is taken. */
export type Verdict = 'refuse' | 'tell' | 'pass'

/** Decides about a problem of an object. */
export type Judge = (problem: Problem, oid: Oid) => Verdict

/**
 * What `git fsck` warns of and old histories are full of. It is kept byte for byte and harms nobody: dates and people who
 * were written wrongly, and modes with a zero in front.
 */
const TOLERATED: ReadonlySet<string> = new Set([
  'zeroPaddedFilemode',
  'nulInCommit',
  'missingNameBeforeEmail',
  'badName',
  'missingEmail',
  'missingSpaceBeforeEmail',
  'badEmail',
  'missingSpaceBeforeDate',
  'zeroPaddedDate',
  'badDateOverflow',
  'badDate',
  'badTimezone',
])

/** Refuses what Git calls an error or warns of, but for what old histories are full of. */
export function judgeAsUsual({ id, severity }: Problem): Verdict {
  return severity === 'info' || TOLERATED.has(id) ? 'pass' : 'refuse'
}
