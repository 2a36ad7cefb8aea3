/**
 * Sequences: three-way merge of lists whose items have no keys, by equality of whole items.
 *
 * Each side is taken for the base with runs of items replaced. A run that could as well be at another place, since the items
 * around it are the same, counts as being at all of them. Runs of both sides that overlap or touch are in doubt unless they
 * are the same; so is a result with more or fewer of an item than any version has.
 *
 * Runs that only touch are in no doubt where nothing could be elsewhere: each puts as many items in the place of as many, or adds
 * some at a place without any taken away; what goes is gone, and what comes has not been there before. Then every item of the result
 * is one that somebody wrote, as often as it must be, and in the order of each version that has it.
 *
 * @module
 */
/** Items, told from each other by number. */
type Items = readonly number[]

/** A list in three versions. */
interface Lists {
  readonly base: Items
  readonly ours: Items
  readonly theirs: Items
  /** Whether an item says enough to be known again, so that one beside it may be changed by the other side; none does when left out. */
  readonly isTelling?: ((item: number) => boolean) | undefined
}

/** A piece of the merged sequence: where it is in the versions. */
export interface Hunk {
  /**
   * `same` in all versions, item by item; replaced by one side (`ours`, `theirs`) or by both in the same way (`both`); or both
   * replaced it, and which of the two is right is in `doubt`.
   */
  readonly change: 'same' | 'ours' | 'theirs' | 'both' | 'doubt'
  readonly base: Span
  readonly ours: Span
  readonly theirs: Span
}

/** Places from `start` up to `end`, which is not one of them. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** A run of the base that a side replaced. */
interface Change {
  readonly base: Span
  readonly side: Span
  /** Where in the base the change may be, ends included. */
  readonly reach: Span
}

/** Cells of the table of a comparison; beyond, all between the common ends counts as replaced. In 4-byte numbers: 16 MB. */
const MAX_CELLS = 4_000_000

/** The merge, in order. Whatever is in doubt is said to be so. */
export function mergeSequences(lists: Lists): Hunk[] {
  const { base, ours, theirs } = lists
  const hunks = combine(changesOf(base, ours), changesOf(base, theirs), lists)
  const isDoubtful = hunks.some(({ change }) => change === 'doubt')
  if (isDoubtful || isCountRight(hunks, lists)) return hunks
  const whole = (items: Items): Span => ({ start: 0, end: items.length })
  return [{ change: 'doubt', base: whole(base), ours: whole(ours), theirs: whole(theirs) }]
}

/** What a side replaced, in order. */
function changesOf(base: Items, side: Items): Change[] {
  const matched = matchItems(base, side)
  const changes: Change[] = []
  let [from, sideFrom] = [0, 0]
  for (let at = 0; at <= base.length; at++) {
    const there = at === base.length ? side.length : matched[at]
    if (there === undefined || there < 0) continue
    if (at > from || there > sideFrom) {
      const change = { base: { start: from, end: at }, side: { start: sideFrom, end: there } }
      changes.push({ ...change, reach: reachOf(change, base, side) })
    }
    from = at + 1
    sideFrom = there + 1
  }
  return changes
}

/** Where a run that was only added or only removed may be as well, since it is next to items like its own. */
function reachOf(change: Omit<Change, 'reach'>, base: Items, side: Items): Span {
  const { start, end } = change.base
  const isRemoval = change.side.start === change.side.end
  if (start !== end && !isRemoval) return { start, end }
  const [items, run] = isRemoval ? [base, change.base] : [side, change.side]
  let [up, down] = [0, 0]
  while (up < start && items[run.start - 1 - up] === items[run.end - 1 - up]) up++
  while (end + down < base.length && items[run.start + down] === items[run.end + down]) down++
  return { start: start - up, end: end + down }
}

/** For each item of the base the place of its match in the side, or -1: a longest common subsequence. */
function matchItems(base: Items, side: Items): Int32Array {
  const matched = new Int32Array(base.length).fill(-1)
  let start = 0
  while (start < base.length && start < side.length && base[start] === side[start]) {
    matched[start] = start
    start++
  }
  let [end, sideEnd] = [base.length, side.length]
  while (end > start && sideEnd > start && base[end - 1] === side[sideEnd - 1]) {
    end--
    sideEnd--
    matched[end] = sideEnd
  }
  const [height, width] = [end - start, sideEnd - start]
  if (height * width > MAX_CELLS) return matched
  const row = width + 1
  // lengths[i * row + j]: of the longest subsequence that base from i and side from j have in common.
  const lengths = new Int32Array((height + 1) * row)
  for (let i = height - 1; i >= 0; i--)
    for (let j = width - 1; j >= 0; j--)
      lengths[i * row + j] =
        base[start + i] === side[start + j]
          ? (lengths[(i + 1) * row + j + 1] ?? 0) + 1
          : Math.max(lengths[(i + 1) * row + j] ?? 0, lengths[i * row + j + 1] ?? 0)
  for (let [i, j] = [0, 0]; i < height && j < width;) {
    if (base[start + i] === side[start + j]) matched[start + i++] = start + j++
    else if ((lengths[(i + 1) * row + j] ?? 0) >= (lengths[i * row + j + 1] ?? 0)) i++
    else j++
  }
  return matched
}

function combine(
  ourChanges: readonly Change[],
  theirChanges: readonly Change[],
  lists: Lists,
): Hunk[] {
  const { base, ours, theirs } = lists
  const hunks: Hunk[] = []
  const known = { base: new Set(base), ours: new Set(ours), theirs: new Set(theirs) }
  // How far each version is done.
  let [at, inOurs, inTheirs] = [0, 0, 0]
  const push = (change: Hunk['change'], lengths: readonly [number, number, number]): void => {
    const hunk = {
      change,
      base: { start: at, end: (at += lengths[0]) },
      ours: { start: inOurs, end: (inOurs += lengths[1]) },
      theirs: { start: inTheirs, end: (inTheirs += lengths[2]) },
    }
    if (lengths.some((length) => length > 0)) hunks.push(hunk)
  }
  let [i, j] = [0, 0]
  while (i < ourChanges.length || j < theirChanges.length) {
    const group = takeGroup(ourChanges.slice(i), theirChanges.slice(j))
    const span = spanOf(group.ours, group.theirs)
    const before = span.start - at
    push('same', [before, before, before])
    const length = span.end - span.start
    const lengths = [length, length + growth(group.ours), length + growth(group.theirs)] as const
    i += group.ours.length
    j += group.theirs.length
    if (group.theirs.length === 0) push('ours', lengths)
    else if (group.ours.length === 0) push('theirs', lengths)
    else {
      const isAgreed = isEqual(
        ours.slice(inOurs, inOurs + lengths[1]),
        theirs.slice(inTheirs, inTheirs + lengths[2]),
      )
      const settled = isAgreed ? undefined : settleTouching(group, lists, known)
      if (settled === undefined) push(isAgreed ? 'both' : 'doubt', lengths)
      for (const { change, base: replaced, side } of settled ?? []) {
        const unchanged = replaced.start - at
        push('same', [unchanged, unchanged, unchanged])
        const [old, added] = [replaced.end - replaced.start, side.end - side.start]
        push(change, [old, change === 'ours' ? added : old, change === 'theirs' ? added : old])
      }
    }
  }
  const rest = base.length - at
  push('same', [rest, rest, rest])
  return hunks
}

/** The first changes, from both sides, that reach each other. */
function takeGroup(
  ours: readonly Change[],
  theirs: readonly Change[],
): { ours: Change[]; theirs: Change[] } {
  const group = { ours: [] as Change[], theirs: [] as Change[] }
  let reach: number | undefined
  for (;;) {
    const [next, other] = [ours[group.ours.length], theirs[group.theirs.length]]
    const isOurs = next && (!other || next.reach.start <= other.reach.start)
    const change = isOurs ? next : other
    if (!change || (reach !== undefined && change.reach.start > reach)) return group
    group[isOurs ? 'ours' : 'theirs'].push(change)
    reach = Math.max(reach ?? 0, change.reach.end)
  }
}

/** The items of each version. */
type Known = Readonly<Record<'base' | 'ours' | 'theirs', ReadonlySet<number>>>

/** A change, and whose it is. */
interface OwnChange extends Change {
  readonly change: 'ours' | 'theirs'
}

/** Changes of both sides that touch, in order, if they are in no doubt all the same. */
function settleTouching(
  group: { readonly ours: readonly Change[]; readonly theirs: readonly Change[] },
  lists: Lists,
  known: Known,
): OwnChange[] | undefined {
  const changes = (['ours', 'theirs'] as const)
    .flatMap((change) => group[change].map((each): OwnChange => ({ ...each, change })))
    .toSorted((a, b) => a.base.start - b.base.start || a.base.end - b.base.end)
  const isApart = changes.every(({ base }, i) => {
    const before = changes[i - 1]?.base
    if (before === undefined) return true
    // Two that add in one place have no order.
    return before.end <= base.start && before.start < base.end
  })
  return isApart && changes.every((each) => isCertain(each, lists, known)) ? changes : undefined
}

/** Whether a change can be nowhere else, nor be anything else: what goes is gone, and what comes has not been there. */
function isCertain({ change, base, side }: OwnChange, lists: Lists, known: Known): boolean {
  const old = lists.base.slice(base.start, base.end)
  const added = lists[change].slice(side.start, side.end)
  const isTelling = (item: number): boolean => lists.isTelling?.(item) === true
  return (
    (old.length === 0 || old.length === added.length) &&
    old.every((item) => isTelling(item) && !known[change].has(item)) &&
    added.every((item) => isTelling(item) && !known.base.has(item))
  )
}

function spanOf(...changes: (readonly Change[])[]): Span {
  const all = changes.flat()
  return {
    start: Math.min(...all.map(({ base }) => base.start)),
    end: Math.max(...all.map(({ base }) => base.end)),
  }
}

/** How many items more a side has after its changes. */
function growth(changes: readonly Change[]): number {
  let grown = 0
  for (const { base, side } of changes) grown += side.end - side.start - (base.end - base.start)
  return grown
}

function isEqual(a: Items, b: Items): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i])
}

/**
 * Whether each item is in the result as often as it must be: what one side alone added or removed is what counts. Where one
 * adds an item that the other removes, there is no telling whether it was moved.
 */
function isCountRight(hunks: readonly Hunk[], versions: Lists): boolean {
  const counts = [versions.base, versions.ours, versions.theirs].map(countItems)
  const merged = countItems(hunks.flatMap((hunk) => itemsOf(hunk, versions)))
  return [...new Set(counts.flatMap((count) => [...count.keys()]))].every((item) => {
    const [base = 0, ours = 0, theirs = 0] = counts.map((count) => count.get(item) ?? 0)
    const found = merged.get(item) ?? 0
    if (ours === base || ours === theirs) return found === theirs
    return theirs === base && found === ours
  })
}

function itemsOf({ change, ours, theirs }: Hunk, versions: Lists): Items {
  if (change === 'theirs') return versions.theirs.slice(theirs.start, theirs.end)
  return versions.ours.slice(ours.start, ours.end)
}

function countItems(items: Items): Map<number, number> {
  const counts = new Map<number, number>()
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1)
  return counts
}
