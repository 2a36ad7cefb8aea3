/**
 * Changes between two files, as runs of lines that one replaces by lines of its own.
 *
 * A run of changed lines can often stand in more than one place: an empty line may be the first or the last of a new
 * paragraph. Runs that meet when they are moved become one; one that can stand beside a change of the other file does; the rest
 * stand as far down as they can.
 *
 * @module
 */
import { markByHistogram } from './histogram.ts'
import { at } from './lines.ts'
import { markByMyers } from './myers.ts'

/** How lines are compared: `histogram` as merges of Git do, `myers` as `git diff` and `git merge-file` do. */
export type DiffAlgorithm = 'histogram' | 'myers'

/** Lines of `a` that lines of `b` stand for; one of the counts may be 0. */
export interface Change {
  readonly a: number
  readonly countA: number
  readonly b: number
  readonly countB: number
}

/** Finds the changes from `a` to `b`, given as ids of lines below `ids`. In the order of both files. */
export function findChanges(
  { a, b, ids }: { readonly a: Int32Array; readonly b: Int32Array; readonly ids: number },
  algorithm: DiffAlgorithm,
): Change[] {
  const [changedA, changedB] = [new Uint8Array(a.length), new Uint8Array(b.length)]
  const comparison = { a, b, changedA, changedB, ids }
  if (algorithm === 'histogram') markByHistogram(comparison)
  else markByMyers(comparison, { fromA: 0, toA: a.length, fromB: 0, toB: b.length })
  settleRuns({ ids: a, changed: changedA }, { ids: b, changed: changedB })
  settleRuns({ ids: b, changed: changedB }, { ids: a, changed: changedA })
  return listChanges(changedA, changedB)
}

function listChanges(changedA: Uint8Array, changedB: Uint8Array): Change[] {
  const changes: Change[] = []
  for (let [a, b] = [0, 0]; a < changedA.length || b < changedB.length; a++, b++) {
    const [fromA, fromB] = [a, b]
    while (changedA[a] === 1) a++
    while (changedB[b] === 1) b++
    if (a > fromA || b > fromB)
      changes.push({ a: fromA, countA: a - fromA, b: fromB, countB: b - fromB })
  }
  return changes
}

/** A file and which of its lines are changed. */
interface Marked {
  readonly ids: Int32Array
  readonly changed: Uint8Array
}

/** A run of changed lines; empty between two unchanged lines that stand together. */
class Run {
  readonly #ids: Int32Array
  readonly #changed: Uint8Array
  start = 0
  end = 0

  constructor({ ids, changed }: Marked) {
    this.#ids = ids
    this.#changed = changed
    this.#stretchDown()
  }

  get isEmpty(): boolean {
    return this.start === this.end
  }

  /** Goes to the run behind the next unchanged line. False at the end of the file. */
  next(): boolean {
    if (this.end === this.#changed.length) return false
    this.start = this.end + 1
    this.end = this.start
    this.#stretchDown()
    return true
  }

  /** Goes to the run before the unchanged line above. */
  previous(): void {
    this.end = this.start - 1
    this.start = this.end
    this.#stretchUp()
  }

  /** Moves the run one line down, where it takes in a run that it meets. False when it cannot be moved. */
  slideDown(): boolean {
    if (this.end === this.#ids.length || this.#ids[this.start] !== this.#ids[this.end]) return false
    this.#changed[this.start++] = 0
    this.#changed[this.end++] = 1
    this.#stretchDown()
    return true
  }

  /** Moves the run one line up, where it takes in a run that it meets. False when it cannot be moved. */
  slideUp(): boolean {
    if (this.start === 0 || this.#ids[this.start - 1] !== this.#ids[this.end - 1]) return false
    this.#changed[--this.start] = 1
    this.#changed[--this.end] = 0
    this.#stretchUp()
    return true
  }

  #stretchDown(): void {
    while (at(this.#changed, this.end) === 1) this.end++
  }

  #stretchUp(): void {
    while (this.start > 0 && at(this.#changed, this.start - 1) === 1) this.start--
  }
}

/** Gives each run of one file its place. Unchanged lines of both files stay in step. */
function settleRuns(file: Marked, other: Marked): void {
  const run = new Run(file)
  const beside = new Run(other)
  do {
    if (!run.isEmpty) settleRun(run, beside)
    if (!run.next()) return
  } while (beside.next())
}

function settleRun(run: Run, beside: Run): void {
  let size: number
  let highest: number
  let hasNeighbour: boolean
  do {
    size = run.end - run.start
    while (run.slideUp()) beside.previous()
    highest = run.end
    hasNeighbour = !beside.isEmpty
    while (run.slideDown()) {
      beside.next()
      if (!beside.isEmpty) hasNeighbour = true
    }
  } while (size !== run.end - run.start)
  if (run.end === highest || !hasNeighbour) return
  while (beside.isEmpty && run.slideUp()) beside.previous()
}
