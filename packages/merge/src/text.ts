/**
 * Drivers that merge by line: `text` leaves conflicts to a person, `union` keeps both sides of them, `ours` and `theirs` one.
 *
 * What is no text is a conflict; only `ours` and `theirs` decide that too, for the whole file.
 *
 * @module
 */
import { isBinary } from './binary.ts'
import type { MergeDriver, MergeInput, MergeOutcome } from './driver.ts'
import { mergeLines, type Favour } from './merge-lines.ts'

/** Merges by line. Symmetric, and Git's driver of this name. */
export const text: MergeDriver = (input) => mergeText(input)

/** Merges by line and keeps both sides of a conflict, ours first, so exchanged sides give another order. Git's driver of this name. */
export const union: MergeDriver = (input) => mergeText(input, 'union')

/** Merges by line and keeps our side of each conflict, as `git merge -X ours` does. Not symmetric, of course. */
export const ours: MergeDriver = (input) => mergeText(input, 'ours')

/** Merges by line and keeps their side of each conflict. */
export const theirs: MergeDriver = (input) => mergeText(input, 'theirs')

function mergeText(input: MergeInput, favour?: Favour): MergeOutcome {
  const { base = new Uint8Array(0), markers } = input
  if (isBinary(base) || isBinary(input.ours) || isBinary(input.theirs)) {
    if (favour === 'ours' || favour === 'theirs') return { state: 'merged', bytes: input[favour] }
    return { state: 'conflict', reason: 'It is not text: there is a zero byte in it' }
  }
  const versions = { base, ours: input.ours, theirs: input.theirs }
  const { bytes, conflicts } = mergeLines(versions, { favour, markers })
  return conflicts === 0 ? { state: 'merged', bytes } : { state: 'conflict', marked: bytes }
}
