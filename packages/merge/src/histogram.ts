/**
 * The lines that differ between two files, by their rarest common lines: what Git compares by when it merges.
 *
 * The longest run of equal lines around the line that is rarest in the first file splits both files; so on in both parts.
 * Where every common line is there too often, Myers' algorithm takes over.
 *
 * @module
 */
import { at } from './lines.ts'
import { markByMyers, type Box, type Comparison } from './myers.ts'

/** Lines that are there more often do not split. */
const MAX_COUNT = 64

/** Marks what differs between the two. */
export function markByHistogram(comparison: Comparison): void {
  const { a, b, changedA, changedB } = comparison
  const index = new LineIndex(comparison)
  const boxes: Box[] = [{ fromA: 0, toA: a.length, fromB: 0, toB: b.length }]
  for (let box = boxes.pop(); box !== undefined; box = boxes.pop()) {
    const { fromA, toA, fromB, toB } = box
    const isOneSided = fromA === toA || fromB === toB
    const found = isOneSided ? undefined : index.findSplit(box)
    if (found === 'too common') {
      markByMyers(comparison, box)
    } else if (found === undefined) {
      changedA.fill(1, fromA, toA)
      changedB.fill(1, fromB, toB)
    } else {
      boxes.push({ ...box, toA: found.fromA, toB: found.fromB })
      boxes.push({ ...box, fromA: found.toA, fromB: found.toB })
    }
  }
}

/** Where in a part of the first file each line is. */
class LineIndex {
  readonly #a: Int32Array
  readonly #b: Int32Array
  /** By id: how often the part has the line, and the first place where it does. */
  readonly #counts: Int32Array
  readonly #first: Int32Array
  /** By line: the next place of the same line, -1 after the last. */
  readonly #next: Int32Array
  /** How rare the rarest line of the best run is. */
  #rarity = 0
  #hasCommon = false
  #best: Box | undefined

  constructor({ a, b, ids }: Comparison) {
    this.#a = a
    this.#b = b
    this.#counts = new Int32Array(ids)
    this.#first = new Int32Array(ids)
    this.#next = new Int32Array(a.length)
  }

  /** The run of equal lines that splits the box best; `undefined` when no line is common. */
  findSplit(box: Box): Box | 'too common' | undefined {
    this.#fill(box)
    this.#rarity = MAX_COUNT + 1
    this.#hasCommon = false
    this.#best = undefined
    for (let line = box.fromB; line < box.toB;) line = this.#tryLine(box, line)
    for (let i = box.fromA; i < box.toA; i++) this.#counts[at(this.#a, i)] = 0
    if (this.#hasCommon && this.#rarity > MAX_COUNT) return 'too common'
    return this.#best
  }

  #fill({ fromA, toA }: Box): void {
    for (let i = toA - 1; i >= fromA; i--) {
      const id = at(this.#a, i)
      const count = at(this.#counts, id)
      this.#next[i] = count === 0 ? -1 : at(this.#first, id)
      this.#first[id] = i
      this.#counts[id] = count + 1
    }
  }

  /** Tries the runs through one line of the second file. Gives the next line that is not in any of them. */
  #tryLine(box: Box, line: number): number {
    let next = line + 1
    const id = at(this.#b, line)
    const count = at(this.#counts, id)
    if (count === 0) return next
    this.#hasCommon = true
    if (count > this.#rarity) return next
    for (let i = at(this.#first, id); i >= 0;) {
      const { run, rarity } = this.#runAt(box, i, line)
      next = Math.max(next, run.toB)
      const isLonger = run.toA - run.fromA > this.#bestLength()
      if (isLonger || rarity < this.#rarity) {
        this.#best = run
        this.#rarity = rarity
      }
      i = at(this.#next, i)
      while (i >= 0 && i < run.toA) i = at(this.#next, i)
    }
    return next
  }

  /** A first run of one line is taken for being rare, not for being long. */
  #bestLength(): number {
    return this.#best === undefined ? 1 : this.#best.toA - this.#best.fromA
  }

  /** The run of equal lines around a pair of them, and how often its rarest line is there. */
  #runAt(box: Box, i: number, j: number): { readonly run: Box; readonly rarity: number } {
    const [a, b] = [this.#a, this.#b]
    let rarity = at(this.#counts, at(a, i))
    let [fromA, fromB] = [i, j]
    while (fromA > box.fromA && fromB > box.fromB && a[fromA - 1] === b[fromB - 1]) {
      fromA--
      fromB--
      rarity = Math.min(rarity, at(this.#counts, at(a, fromA)))
    }
    let [toA, toB] = [i + 1, j + 1]
    while (toA < box.toA && toB < box.toB && a[toA] === b[toB]) {
      rarity = Math.min(rarity, at(this.#counts, at(a, toA)))
      toA++
      toB++
    }
    return { run: { fromA, toA, fromB, toB }, rarity }
  }
}
