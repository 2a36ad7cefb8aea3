/**
 * Drivers on texts, for tests.
 *
 * @module
 */
import { expect } from 'vitest'
import type { DecideKey, KeyConflict, MergeDriver, MergeOutcome } from '../src/driver.ts'

/** Three versions of a file; `base` is `undefined` where both added it. */
export interface Texts {
  readonly base: string | undefined
  readonly ours: string
  readonly theirs: string
}

/** What came of a merge, as text. */
export interface TextOutcome {
  /** The merged file; `undefined` for a conflict. */
  readonly text: string | undefined
  readonly keys: readonly KeyConflict[]
  readonly reason: string | undefined
}

/** Runs a driver. */
export function mergeTexts(
  driver: MergeDriver,
  { base, ours, theirs }: Texts,
  decide?: DecideKey,
): TextOutcome {
  const encoder = new TextEncoder()
  const outcome: MergeOutcome = driver({
    base: base === undefined ? undefined : encoder.encode(base),
    ours: encoder.encode(ours),
    theirs: encoder.encode(theirs),
    path: '',
    decide,
  })
  if (outcome.state === 'conflict')
    return { text: undefined, keys: outcome.keys ?? [], reason: outcome.reason }
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(outcome.bytes)
  return { text, keys: [], reason: undefined }
}

/** Runs a driver both ways, and holds it to the laws of every driver: symmetry, and that a side alone is taken to the byte. */
export function mergeLawfully(driver: MergeDriver, texts: Texts): TextOutcome {
  const { base, ours, theirs } = texts
  const outcome = mergeTexts(driver, texts)
  const mirrored = mergeTexts(driver, { base, ours: theirs, theirs: ours })
  const shown = JSON.stringify({ ...texts, outcome, mirrored }, undefined, 1)
  expect(mirrored.text, shown).toBe(outcome.text)
  expect(mirrored.keys).toEqual(outcome.keys.map(exchange))
  expect(sentences(mirrored.reason)).toEqual(sentences(outcome.reason))
  expect(mergeTexts(driver, { base, ours, theirs: ours }).text).toBe(ours)
  if (base !== undefined) {
    expect(mergeTexts(driver, { base, ours, theirs: base }).text).toBe(ours)
    expect(mergeTexts(driver, { base, ours: base, theirs }).text).toBe(theirs)
  }
  if (outcome.keys.length > 0) expectDecided(driver, texts, outcome.keys)
  return outcome
}

/** Expects that nothing stays in conflict of what was decided, and that it matters as little which side is called ours. */
function expectDecided(
  driver: MergeDriver,
  { base, ours, theirs }: Texts,
  keys: readonly KeyConflict[],
): void {
  const keep = (side: 'ours' | 'theirs', among = keys): DecideKey => {
    // What was decided about a container holds for what is in it.
    return ({ key }) => (among.some((each) => begins(key, each.key)) ? side : undefined)
  }
  const decided = mergeTexts(driver, { base, ours, theirs }, keep('ours'))
  const shown = JSON.stringify({ base, ours, theirs, keys, decided }, undefined, 1)
  expect(decided.keys, shown).toEqual([])
  if (decided.text === undefined) expect(decided.reason, shown).toBeDefined()
  const mirrored = mergeTexts(driver, { base, ours: theirs, theirs: ours }, keep('theirs'))
  expect(mirrored.text, shown).toBe(decided.text)
  const [first, ...others] = keys
  if (first === undefined || others.some(({ key }) => begins(first.key, key))) return
  const open = mergeTexts(driver, { base, ours, theirs }, keep('theirs', others))
  expect(open.text, shown).toBeUndefined()
}

function begins(key: readonly unknown[], beginning: readonly unknown[]): boolean {
  return beginning.every((step, i) => step === key[i])
}

/**
 * Expects the lines that begin all versions, and those that end them, to be in the result to the byte, commas aside. They may be
 * elsewhere, since a side may have moved keys about.
 */
export function expectUntouched(
  { base = '', ours, theirs }: Texts,
  merged: string,
  label: string,
): void {
  for (const reads of [linesOf, linesFromEnd]) {
    const versions = [base, ours, theirs].map(reads)
    const [lines = []] = versions
    const differs = lines.findIndex((line, i) => versions.some((version) => version[i] !== line))
    const left = linesOf(merged)
    const same = lines.slice(0, Math.max(0, differs - 1))
    // A bracket alone may begin another item in each version.
    const missing = same
      .filter((line) => /\w/.test(line))
      .filter((line) => {
        const at = left.indexOf(line)
        if (at >= 0) left.splice(at, 1)
        return at < 0
      })
    expect(missing, label).toEqual([])
  }
}

function linesOf(text: string): string[] {
  // A comma comes or goes with the item behind it.
  return text.split('\n').map((line) => line.replaceAll(',', ''))
}

function linesFromEnd(text: string): string[] {
  return linesOf(text).toReversed()
}

/** What a reason says, whichever side it says it of. */
function sentences(reason = ''): string[] {
  return reason
    .replaceAll(/Cannot merge by key: |ours|theirs/g, '')
    .split('; ')
    .toSorted()
}

function exchange({ key, base, ours, theirs }: KeyConflict): KeyConflict {
  return { key, base, ours: theirs, theirs: ours }
}

/** The text with pieces of it replaced. */
export function edit(text: string, ...pieces: readonly (readonly [string, string])[]): string {
  let edited = text
  for (const [from, to] of pieces) {
    expect(edited).toContain(from)
    edited = edited.replace(from, to)
  }
  return edited
}
