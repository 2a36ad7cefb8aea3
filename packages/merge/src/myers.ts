/**
 * The lines that differ between two files, by Myers' algorithm from both ends, with the limits that Git puts on it.
 *
 * Lines that the other file does not have, and lines that are there so often that they say little, are left out of the
 * search. The search gives up on the shortest script where it costs too much, and goes on from the best point so far. Which
 * lines come out depends on every one of these limits, and a merge is Git's only if they are.
 *
 * Algorithm: E. Myers, An O(ND) difference algorithm and its variations (1986)
 *
 * @module
 */
import { at } from './lines.ts'

/** Two files as ids of lines, and which lines of each are changed: 1 for those that are. */
export interface Comparison {
  readonly a: Int32Array
  readonly b: Int32Array
  readonly changedA: Uint8Array
  readonly changedB: Uint8Array
  /** Ids are less than this. */
  readonly ids: number
}

/** Part of both files, each up to but not including its end. */
export interface Box {
  readonly fromA: number
  readonly toA: number
  readonly fromB: number
  readonly toB: number
}

/** A line of which the other file has this many or more says little, however large the file. */
const MAX_COMMON = 1024
/** How far around a line of that sort others are looked at. */
const WINDOW = 100
/** Such lines stay if there are more than one in so many around them. */
const KEPT_SHARE = 4

/** Marks what differs within the box, as if the box were all there is. */
export function markByMyers(comparison: Comparison, box: Box): void {
  const trimmed = trimEnds(comparison.a, comparison.b, box)
  const counts = countLines(comparison, box)
  const { a, b, changedA, changedB } = comparison
  const rowsA = keepTelling(
    { ids: a, changed: changedA, counts: counts.inB, lines: box.toA - box.fromA },
    trimmed.fromA,
    trimmed.toA,
  )
  const rowsB = keepTelling(
    { ids: b, changed: changedB, counts: counts.inA, lines: box.toB - box.fromB },
    trimmed.fromB,
    trimmed.toB,
  )
  new Search({ a: rowsA, b: rowsB, changedA, changedB }).run()
}

/** The box without the equal lines at both ends. */
function trimEnds(a: Int32Array, b: Int32Array, box: Box): Box {
  let { fromA, toA, fromB, toB } = box
  while (fromA < toA && fromB < toB && a[fromA] === b[fromB]) {
    fromA++
    fromB++
  }
  while (fromA < toA && fromB < toB && a[toA - 1] === b[toB - 1]) {
    toA--
    toB--
  }
  return { fromA, toA, fromB, toB }
}

function countLines(
  { a, b, ids }: Comparison,
  box: Box,
): { readonly inA: Int32Array; readonly inB: Int32Array } {
  const [inA, inB] = [new Int32Array(ids), new Int32Array(ids)]
  for (let i = box.fromA; i < box.toA; i++) inA[at(a, i)] = at(inA, at(a, i)) + 1
  for (let i = box.fromB; i < box.toB; i++) inB[at(b, i)] = at(inB, at(b, i)) + 1
  return { inA, inB }
}

/** The lines that take part in the search: their ids, and where they are in the file. */
interface Rows {
  readonly ids: Int32Array
  readonly lines: Int32Array
}

/** One file, and how often the other one has each line. */
interface Side {
  readonly ids: Int32Array
  readonly changed: Uint8Array
  readonly counts: Int32Array
  /** How many lines the file has. */
  readonly lines: number
}

const ALONE = 0
const TELLING = 1
const COMMON = 2

/** Leaves out the lines that cannot be matched, or would be matched at random; these are changed. */
function keepTelling(side: Side, from: number, to: number): Rows {
  const limit = Math.min(roughRoot(side.lines), MAX_COMMON)
  const kinds = new Uint8Array(to - from)
  for (let i = from; i < to; i++) {
    const count = at(side.counts, at(side.ids, i))
    kinds[i - from] = count === 0 ? ALONE : count >= limit ? COMMON : TELLING
  }
  const ids = new Int32Array(kinds.length)
  const lines = new Int32Array(kinds.length)
  let kept = 0
  for (const [i, kind] of kinds.entries()) {
    if (kind === TELLING || (kind === COMMON && !isLost(kinds, i))) {
      ids[kept] = at(side.ids, from + i)
      lines[kept++] = from + i
    } else side.changed[from + i] = 1
  }
  return { ids: ids.subarray(0, kept), lines: lines.subarray(0, kept) }
}

/** Whether a common line stands among so many lines without a match that it would be matched at random. */
function isLost(kinds: Uint8Array, index: number): boolean {
  const before = look(kinds, index, -1)
  if (before.alone === 0) return false
  const after = look(kinds, index, 1)
  if (after.alone === 0) return false
  // The line itself counts on either side.
  const common = before.common + after.common + 2
  return common * KEPT_SHARE < common + before.alone + after.alone
}

/** Counts the lines on one side of a line, up to the first that tells something. */
function look(
  kinds: Uint8Array,
  index: number,
  step: number,
): { readonly alone: number; readonly common: number } {
  let [alone, common] = [0, 0]
  for (let n = 1; n <= WINDOW; n++) {
    const kind = kinds[index + n * step]
    if (kind === undefined || kind === TELLING) break
    if (kind === ALONE) alone++
    else common++
  }
  return { alone, common }
}

/** A power of two near the square root. */
function roughRoot(n: number): number {
  let root = 1
  for (let rest = n; rest > 0; rest >>= 2) root <<= 1
  return root
}

/** So many equal lines in a row are a good sign. */
const SNAKE = 20
/** Edits after which good signs are looked for. */
const HEURISTIC_COST = 256
/** A point is good if it is this many times further than the edits to it. */
const GOOD_PROGRESS = 4
/** Edits after which the best point so far is taken; more in very large files. */
const MIN_MAX_COST = 256

const NEVER = 0x7fffffff

/** A box of the search, and whether its shortest script must be found. */
interface Task extends Box {
  readonly isExact: boolean
}

/** Where a box is cut in two, and which of the parts needs its shortest script. */
interface Cut {
  readonly a: number
  readonly b: number
  readonly isLowExact: boolean
  readonly isHighExact: boolean
}

/** What a front writes into. */
interface Memory {
  readonly reach: Int32Array
  /** Where diagonal 0 is. */
  readonly zero: number
  /** What stands where nobody has come. */
  readonly nowhere: number
}

/** How far one end of the search has come, by diagonal. */
class Front {
  readonly #reach: Int32Array
  readonly #zero: number
  readonly #nowhere: number
  readonly middle: number
  min: number
  max: number

  constructor(memory: Memory, start: { readonly a: number; readonly b: number }) {
    this.#reach = memory.reach
    this.#zero = memory.zero
    this.#nowhere = memory.nowhere
    this.middle = start.a - start.b
    this.min = this.middle
    this.max = this.middle
    this.set(this.middle, start.a)
  }

  get(diagonal: number): number {
    return at(this.#reach, this.#zero + diagonal)
  }

  set(diagonal: number, a: number): void {
    this.#reach[this.#zero + diagonal] = a
  }

  has(diagonal: number): boolean {
    return this.min <= diagonal && diagonal <= this.max
  }

  /** Takes in a diagonal more on either side, or leaves one out where the box ends. */
  widen(box: Box): void {
    if (this.min > box.fromA - box.toB) this.set(--this.min - 1, this.#nowhere)
    else this.min++
    if (this.max < box.toA - box.fromB) this.set(++this.max + 1, this.#nowhere)
    else this.max--
  }
}

class Search {
  readonly #a: Rows
  readonly #b: Rows
  readonly #changedA: Uint8Array
  readonly #changedB: Uint8Array
  readonly #forward: Int32Array
  readonly #backward: Int32Array
  readonly #maxCost: number
  #hasSnake = false

  constructor(input: {
    readonly a: Rows
    readonly b: Rows
    readonly changedA: Uint8Array
    readonly changedB: Uint8Array
  }) {
    this.#a = input.a
    this.#b = input.b
    this.#changedA = input.changedA
    this.#changedB = input.changedB
    const diagonals = this.#a.ids.length + this.#b.ids.length + 3
    this.#forward = new Int32Array(diagonals)
    this.#backward = new Int32Array(diagonals)
    this.#maxCost = Math.max(roughRoot(diagonals), MIN_MAX_COST)
  }

  run(): void {
    const [toA, toB] = [this.#a.ids.length, this.#b.ids.length]
    const tasks: Task[] = [{ fromA: 0, toA, fromB: 0, toB, isExact: false }]
    for (let task = tasks.pop(); task !== undefined; task = tasks.pop()) {
      const box = { ...trimEnds(this.#a.ids, this.#b.ids, task), isExact: task.isExact }
      if (box.fromA === box.toA || box.fromB === box.toB) {
        this.#mark(box)
        continue
      }
      const cut = this.#cut(box)
      tasks.push(
        { ...box, toA: cut.a, toB: cut.b, isExact: cut.isLowExact },
        { ...box, fromA: cut.a, fromB: cut.b, isExact: cut.isHighExact },
      )
    }
  }

  #mark({ fromA, toA, fromB, toB }: Box): void {
    for (let i = fromA; i < toA; i++) this.#changedA[at(this.#a.lines, i)] = 1
    for (let i = fromB; i < toB; i++) this.#changedB[at(this.#b.lines, i)] = 1
  }

  /** Finds a point on a short way through the box, which both parts then go through. */
  #cut(box: Task): Cut {
    const zero = this.#b.ids.length + 1
    const [forward, backward] = [this.#forward, this.#backward]
    const ahead = new Front({ reach: forward, zero, nowhere: -1 }, { a: box.fromA, b: box.fromB })
    const back = new Front({ reach: backward, zero, nowhere: NEVER }, { a: box.toA, b: box.toB })
    for (let cost = 1; ; cost++) {
      this.#hasSnake = false
      ahead.widen(box)
      const met = this.#advance(box, ahead, back)
      if (met !== undefined) return met
      back.widen(box)
      const metBack = this.#retreat(box, back, ahead)
      if (metBack !== undefined) return metBack
      if (box.isExact) continue
      if (this.#hasSnake && cost > HEURISTIC_COST) {
        const good = this.#goodAhead(box, ahead, cost) ?? this.#goodBack(box, back, cost)
        if (good !== undefined) return good
      }
      if (cost >= this.#maxCost) return furthest(box, ahead, back)
    }
  }

  #advance(box: Box, ahead: Front, back: Front): Cut | undefined {
    const [a, b] = [this.#a.ids, this.#b.ids]
    const isOdd = ((ahead.middle - back.middle) & 1) !== 0
    for (let d = ahead.max; d >= ahead.min; d -= 2) {
      const [left, right] = [ahead.get(d - 1), ahead.get(d + 1)]
      const begin = left >= right ? left + 1 : right
      let i = begin
      while (i < box.toA && i - d < box.toB && a[i] === b[i - d]) i++
      if (i - begin > SNAKE) this.#hasSnake = true
      ahead.set(d, i)
      if (isOdd && back.has(d) && back.get(d) <= i) return exactCut(i, i - d)
    }
    return undefined
  }

  #retreat(box: Box, back: Front, ahead: Front): Cut | undefined {
    const [a, b] = [this.#a.ids, this.#b.ids]
    const isOdd = ((ahead.middle - back.middle) & 1) !== 0
    for (let d = back.max; d >= back.min; d -= 2) {
      const [left, right] = [back.get(d - 1), back.get(d + 1)]
      const begin = left < right ? left : right - 1
      let i = begin
      while (i > box.fromA && i - d > box.fromB && a[i - 1] === b[i - d - 1]) i--
      if (begin - i > SNAKE) this.#hasSnake = true
      back.set(d, i)
      if (!isOdd && ahead.has(d) && i <= ahead.get(d)) return exactCut(i, i - d)
    }
    return undefined
  }

  /** A point that was reached by few edits, behind a row of equal lines. */
  #goodAhead(box: Box, ahead: Front, cost: number): Cut | undefined {
    let best = 0
    let cut: Cut | undefined
    for (let d = ahead.max; d >= ahead.min; d -= 2) {
      const i = ahead.get(d)
      const j = i - d
      const progress = i - box.fromA + (j - box.fromB) - Math.abs(d - ahead.middle)
      if (progress <= GOOD_PROGRESS * cost || progress <= best) continue
      if (box.fromA + SNAKE > i || i >= box.toA || box.fromB + SNAKE > j || j >= box.toB) continue
      if (!this.#isSnake(i - SNAKE, j - SNAKE)) continue
      best = progress
      cut = { a: i, b: j, isLowExact: true, isHighExact: false }
    }
    return cut
  }

  /** The same from the other end. */
  #goodBack(box: Box, back: Front, cost: number): Cut | undefined {
    let best = 0
    let cut: Cut | undefined
    for (let d = back.max; d >= back.min; d -= 2) {
      const i = back.get(d)
      const j = i - d
      const progress = box.toA - i + (box.toB - j) - Math.abs(d - back.middle)
      if (progress <= GOOD_PROGRESS * cost || progress <= best) continue
      if (box.fromA >= i || i > box.toA - SNAKE || box.fromB >= j || j > box.toB - SNAKE) continue
      if (!this.#isSnake(i, j)) continue
      best = progress
      cut = { a: i, b: j, isLowExact: false, isHighExact: true }
    }
    return cut
  }

  #isSnake(i: number, j: number): boolean {
    for (let n = 0; n < SNAKE; n++) if (this.#a.ids[i + n] !== this.#b.ids[j + n]) return false
    return true
  }
}

function exactCut(a: number, b: number): Cut {
  return { a, b, isLowExact: true, isHighExact: true }
}

/** The point furthest from its end of the box, when the search has cost too much. */
function furthest(box: Box, ahead: Front, back: Front): Cut {
  let [far, farA] = [-1, -1]
  for (let d = ahead.max; d >= ahead.min; d -= 2) {
    const i = Math.min(ahead.get(d), box.toA, box.toB + d)
    if (far >= i + i - d) continue
    far = i + i - d
    farA = i
  }
  let [near, nearA] = [NEVER, NEVER]
  for (let d = back.max; d >= back.min; d -= 2) {
    const i = Math.max(back.get(d), box.fromA, box.fromB + d)
    if (i + i - d >= near) continue
    near = i + i - d
    nearA = i
  }
  if (box.toA + box.toB - near < far - (box.fromA + box.fromB))
    return { a: farA, b: far - farA, isLowExact: true, isHighExact: false }
  return { a: nearA, b: near - nearA, isLowExact: false, isHighExact: true }
}
