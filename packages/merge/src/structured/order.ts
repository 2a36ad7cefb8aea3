/**
 * Order of items that have keys.
 *
 * What all versions have is put into the order of the side that changed it, and what a side added comes behind the item that
 * it follows there. Where order means nothing, both sides' additions in one place are put in by name, and two orders give way to
 * the base's; where it means something, either is in doubt.
 *
 * @module
 */
import type { Versions } from './document.ts'

/** Keys in order, each once. */
type Keys = readonly string[]

/** What is in front of all items. */
const START = -1

/**
 * The order of all keys that a version has added or all versions have; `undefined` if it is in doubt, which it never is
 * where `isFree`.
 */
export function mergeOrder(
  { base = [], ours, theirs }: Versions<Keys>,
  isFree: boolean,
): Keys | undefined {
  const [inBase, inOurs, inTheirs] = [new Set(base), new Set(ours), new Set(theirs)]
  const isKept = (key: string): boolean => inBase.has(key) && inOurs.has(key) && inTheirs.has(key)
  const isAdded = (key: string): boolean => !inBase.has(key)
  const keptBy = {
    base: base.filter(isKept),
    ours: ours.filter(isKept),
    theirs: theirs.filter(isKept),
  }
  const kept = mergeKept(keptBy)
  if (!isFree) {
    if (kept === undefined) return undefined
    // Where one side moved items about, there is no telling where the other's new ones belong.
    const ourMove = !isEqual(keptBy.ours, keptBy.base)
    const theirMove = !isEqual(keptBy.theirs, keptBy.base)
    if (ourMove && theirs.some((key) => isAdded(key) && !inOurs.has(key))) return undefined
    if (theirMove && ours.some((key) => isAdded(key) && !inTheirs.has(key))) return undefined
  }
  return insertAdded(kept ?? keptBy.base, { ours, theirs, isAdded, isFree })
}

/** The order of what all have; `undefined` if both sides changed it, each in its own way. */
function mergeKept({ base, ours, theirs }: Versions<Keys>): Keys | undefined {
  if (isEqual(ours, theirs) || isEqual(theirs, base ?? [])) return ours
  return isEqual(ours, base ?? []) ? theirs : undefined
}

function insertAdded(
  kept: Keys,
  sides: {
    readonly ours: Keys
    readonly theirs: Keys
    readonly isAdded: (key: string) => boolean
    readonly isFree: boolean
  },
): Keys | undefined {
  const places = new Map(kept.map((key, place) => [key, place]))
  const ourRuns = runsOf(sides.ours, places, sides.isAdded)
  const theirRuns = runsOf(sides.theirs, places, sides.isAdded)
  const merged: string[] = []
  const seen = new Set<string>()
  for (let place = START; place < kept.length; place++) {
    const key = kept[place]
    if (key !== undefined) merged.push(key)
    const ours = ourRuns.get(place) ?? []
    const theirs = theirRuns.get(place) ?? []
    const isDoubtful = ours.length > 0 && theirs.length > 0 && !isEqual(ours, theirs)
    if (!sides.isFree && isDoubtful) return undefined
    for (const added of zip(ours, theirs)) {
      if (seen.has(added) && !sides.isFree) return undefined
      if (!seen.has(added)) merged.push(added)
      seen.add(added)
    }
  }
  return merged
}

/** What a side added, by the place of the item that it follows. */
function runsOf(
  keys: Keys,
  places: ReadonlyMap<string, number>,
  isAdded: (key: string) => boolean,
): Map<number, string[]> {
  const runs = new Map<number, string[]>()
  let place = START
  for (const key of keys) {
    const kept = places.get(key)
    if (kept !== undefined) place = kept
    else if (isAdded(key)) {
      const run = runs.get(place)
      if (run) run.push(key)
      else runs.set(place, [key])
    }
  }
  return runs
}

/** Two runs in one: always the smaller of the two heads, so that what is sorted stays so. */
function zip(a: Keys, b: Keys): string[] {
  const zipped: string[] = []
  let [i, j] = [0, 0]
  for (;;) {
    const [x, y] = [a[i], b[j]]
    if (x === undefined && y === undefined) return zipped
    const takesFirst = y === undefined || (x !== undefined && x <= y)
    const takesSecond = x === undefined || (y !== undefined && y <= x)
    zipped.push(takesFirst ? String(x) : String(y))
    if (takesFirst) i++
    if (takesSecond) j++
  }
}

function isEqual(a: Keys, b: Keys): boolean {
  return a.length === b.length && a.every((key, i) => key === b[i])
}
