/**
 * Rows: which items of three versions of a container are one item, and in which order they are merged.
 *
 * @module
 */
import type { KeyStep } from '../driver.ts'
import type { Part, Versions } from './document.ts'
import { mergeOrder } from './order.ts'
import { mergeSequences } from './sequence.ts'

/** One item in all versions; `undefined` where it is not there. */
export interface Row {
  readonly step: KeyStep
  readonly base: Part | undefined
  readonly ours: Part | undefined
  readonly theirs: Part | undefined
}

/** The items of a container in three versions. */
type Parts = Versions<readonly Part[]>

/** Items by key; what a side removed comes last. `undefined` if their order is in doubt, which it never is where `isFree`. */
export function rowsByKey(
  { base, ours, theirs }: Parts,
  keyOf: (part: Part) => string,
  isFree: boolean,
): Row[] | undefined {
  const byKey = (parts: readonly Part[] | undefined): Map<string, Part> =>
    new Map(parts?.map((part) => [keyOf(part), part]))
  const [inBase, inOurs, inTheirs] = [byKey(base), byKey(ours), byKey(theirs)]
  const order = mergeOrder(
    { base: [...inBase.keys()], ours: [...inOurs.keys()], theirs: [...inTheirs.keys()] },
    isFree,
  )
  if (order === undefined) return undefined
  const removed = [...inBase.keys()].filter((key) => !inOurs.has(key) || !inTheirs.has(key))
  return [...order, ...removed].map((key) => ({
    step: key,
    base: inBase.get(key),
    ours: inOurs.get(key),
    theirs: inTheirs.get(key),
  }))
}

/** Items by place. */
export function rowsByPosition({ base = [], ours, theirs }: Parts): Row[] {
  const length = Math.max(base.length, ours.length, theirs.length)
  return Array.from({ length }, (_, step) => ({
    step,
    base: base[step],
    ours: ours[step],
    theirs: theirs[step],
  }))
}

/** Pieces of a list that are in doubt. */
export interface Doubt {
  readonly step: KeyStep
  readonly base: readonly Part[]
  readonly ours: readonly Part[]
  readonly theirs: readonly Part[]
}

/**
 * Items of a sequence, compared as a whole: what a side replaced is removed, and what it put there is new. `decide` is asked
 * about each doubt; what stays in doubt has no rows.
 */
export function rowsInSequence(
  { base = [], ours, theirs }: Parts,
  numberOf: (part: Part) => number,
  decide: (doubt: Doubt) => 'base' | 'ours' | 'theirs' | undefined,
): Row[] {
  const rows: Row[] = []
  const maps = new Set(
    [...base, ...ours, ...theirs].filter(({ node }) => node.kind === 'map').map(numberOf),
  )
  const hunks = mergeSequences({
    base: base.map(numberOf),
    ours: ours.map(numberOf),
    theirs: theirs.map(numberOf),
    // A scalar is a value like any other: there is no telling whether it was changed, or took the place of another.
    isTelling: (item) => maps.has(item),
  })
  for (const { change, ...spans } of hunks) {
    const step = spans.base.start
    const found = {
      base: base.slice(spans.base.start, spans.base.end),
      ours: ours.slice(spans.ours.start, spans.ours.end),
      theirs: theirs.slice(spans.theirs.start, spans.theirs.end),
    }
    // As many as a list has items, which is more than a call has arguments.
    const pair = (parts: Omit<Doubt, 'step'>): void => {
      for (const [i, row] of rowsByPosition(parts).entries()) rows.push({ ...row, step: step + i })
    }
    if (change === 'doubt') {
      const kept = decide({ step, ...found })
      if (kept === 'base') pair({ base: found.base, ours: found.base, theirs: found.base })
      else if (kept) pair({ base: [], ours: [], theirs: [], [kept]: found[kept] })
    } else if (change === 'same') pair(found)
    else if (change === 'both') {
      pair({ ...found, ours: [], theirs: [] })
      pair({ ...found, base: [] })
    } else {
      pair({ ...found, [change]: [] })
      pair({ base: [], ours: [], theirs: [], [change]: found[change] })
    }
  }
  return rows
}
