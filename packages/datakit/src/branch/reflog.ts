/**
 * Reflog: every move of a ref that went through us, newest first, and those by others as far as they can be known.
 *
 * What a branch was called before it was renamed belongs to its log, as with `git reflog`. Where an entry does not begin
 * where the one before it ended, somebody moved the ref without saying so: that move is put in between. It is `external`, and so
 * is what stock git wrote into the log of a Git directory.
 *
 * @module
 */
import type { LogEntry, Place } from '@datakit/git/place'
import { check, text } from '../argument.ts'
import { RENAMED } from './branch-moves.ts'

/** The moves of a ref by its full name, or of `HEAD`. */
export async function* readReflog(
  place: Place,
  ref: string,
): AsyncGenerator<LogEntry, void, undefined> {
  check('ref', ref, text)
  let newer: LogEntry | undefined
  for await (const entry of followRenames(place, ref)) {
    const gap = newer && gapBetween(newer, entry)
    if (gap) yield gap
    yield entry
    newer = entry
  }
}

/**
 * The log of a ref, and where it was made by a rename, that of the name that it had until then. What a name said before it
 * was given up belongs to the new one.
 */
async function* followRenames(
  place: Place,
  ref: string,
): AsyncGenerator<LogEntry, void, undefined> {
  // A name that comes again is read on from where it was left: its older life.
  const logs = new Map<string, AsyncIterator<LogEntry>>()
  let name = ref
  let renaming: LogEntry | undefined
  for (;;) {
    const log = logs.get(name) ?? place.log(name)[Symbol.asyncIterator]()
    logs.set(name, log)
    const { value: entry, done } = await log.next()
    if (done === true) return
    const [, from, to] = RENAMED.exec(entry.why) ?? []
    const isGivenUp = from === name && entry.to === undefined
    if (renaming !== undefined) {
      // The same update took the old name away; what is newer is of another branch of that name.
      if (isGivenUp && entry.why === renaming.why && entry.from === renaming.to)
        renaming = undefined
      continue
    }
    if (isGivenUp) return
    yield entry.isForeign === true ? { ...entry, external: true } : entry
    // In a Git directory, the log itself goes on: there, a rename is a line that does not move.
    if (from === undefined || to !== name || entry.to === entry.from) continue
    name = from
    renaming = entry
  }
}

function gapBetween(newer: LogEntry, older: LogEntry): LogEntry | undefined {
  const { ref, from, at } = newer
  // A rename goes on from where the old name was, and takes the place of what the new one had.
  if (from === older.to || newer.ref !== older.ref || ref === 'HEAD') return undefined
  const why = 'moved without a line in the reflog'
  return { ref, from: older.to, to: from, who: '', at, why, external: true }
}
