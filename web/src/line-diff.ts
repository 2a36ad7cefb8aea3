/**
 * What changed between two texts, by line.
 *
 * For people to look at: a shortest edit script where it is found quickly, otherwise one block that is replaced whole.
 *
 * Algorithm: E. Myers, An O(ND) difference algorithm and its variations (1986)
 *
 * @module
 */

/** A line of a diff. Line numbers begin at 1 and are `undefined` on the side where the line is not. */
export interface DiffLine {
  readonly kind: 'same' | 'removed' | 'added'
  readonly text: string
  readonly before: number | undefined
  readonly after: number | undefined
}

/** Lines that stand together, and how many equal lines were left out before them. */
export interface Hunk {
  readonly skipped: number
  readonly lines: readonly DiffLine[]
}

/** Differences beyond this are not searched for a shortest script. */
const MAX_EDITS = 2000

/** Every line of both texts, in order. A line keeps its line break, so a change of it is a change of the line. */
export function diffLines(before: string, after: string): DiffLine[] {
  const a = splitLines(before)
  const b = splitLines(after)
  let start = 0
  while (start < a.length && start < b.length && a[start] === b[start]) start++
  let end = 0
  const most = Math.min(a.length, b.length) - start
  while (end < most && a[a.length - 1 - end] === b[b.length - 1 - end]) end++
  const lines = new Script(a, b)
  lines.keep(start)
  const middleA = a.slice(start, a.length - end)
  const middleB = b.slice(start, b.length - end)
  for (const step of findScript(middleA, middleB)) lines.take(step)
  lines.keep(end)
  return lines.done
}

/** Only what changed, with `context` equal lines around it. */
export function hunksOf(lines: readonly DiffLine[], context = 3): Hunk[] {
  const hunks: Hunk[] = []
  let taken = 0
  for (let i = nextChange(lines, 0); i < lines.length;) {
    const start = Math.max(taken, i - context)
    let end = i + 1
    for (let next = nextChange(lines, end); next - end <= 2 * context && next < lines.length;) {
      end = next + 1
      next = nextChange(lines, end)
    }
    i = nextChange(lines, end)
    end = Math.min(end + context, lines.length)
    hunks.push({ skipped: start - taken, lines: lines.slice(start, end) })
    taken = end
  }
  return hunks
}

/** The first lines of these hunks, `most` at the most, and how many are left out. */
export function firstLines(
  hunks: readonly Hunk[],
  most: number,
): { readonly hunks: readonly Hunk[]; readonly left: number } {
  const first: Hunk[] = []
  let room = most
  let left = 0
  for (const hunk of hunks) {
    if (room > 0) first.push({ ...hunk, lines: hunk.lines.slice(0, room) })
    left += Math.max(0, hunk.lines.length - room)
    room = Math.max(0, room - hunk.lines.length)
  }
  return { hunks: first, left }
}

/** The lines of a text with their line breaks; the empty text has none. */
export function splitLines(text: string): string[] {
  return text.match(/[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+$/g) ?? []
}

function nextChange(lines: readonly DiffLine[], from: number): number {
  let i = from
  while (i < lines.length && lines[i]?.kind === 'same') i++
  return i
}

/** The lines of a diff as they are taken from both sides. */
class Script {
  readonly done: DiffLine[] = []
  readonly #a: readonly string[]
  readonly #b: readonly string[]
  #before = 0
  #after = 0

  constructor(a: readonly string[], b: readonly string[]) {
    this.#a = a
    this.#b = b
  }

  keep(count: number): void {
    for (let i = 0; i < count; i++) this.take('same')
  }

  take(kind: DiffLine['kind']): void {
    const text = (kind === 'added' ? this.#b[this.#after] : this.#a[this.#before]) ?? ''
    const before = kind === 'added' ? undefined : ++this.#before
    const after = kind === 'removed' ? undefined : ++this.#after
    this.done.push({ kind, text, before, after })
  }
}

function findScript(a: readonly string[], b: readonly string[]): DiffLine['kind'][] {
  const trace = a.length > 0 && b.length > 0 ? findTrace(a, b) : undefined
  if (trace !== undefined) return readTrace(trace, a.length, b.length)
  return [...a.map(() => 'removed' as const), ...b.map(() => 'added' as const)]
}

/** For each number of edits, how far each diagonal came before it; `undefined` when there are too many. */
function findTrace(a: readonly string[], b: readonly string[]): Int32Array[] | undefined {
  const most = Math.min(a.length + b.length, MAX_EDITS)
  const reach = new Int32Array(2 * most + 3)
  const trace: Int32Array[] = []
  for (let edits = 0; edits <= most; edits++) {
    trace.push(reach.slice(most - edits, most + edits + 3))
    for (let k = -edits; k <= edits; k += 2) {
      let x = furthest(reach, most + 1 + k, k, edits)
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++
      reach[most + 1 + k] = x
      if (x >= a.length && x - k >= b.length) return trace
    }
  }
  return undefined
}

/** Where the path on a diagonal begins: below the one above it, or right of the one below it. */
function furthest(reach: Int32Array, i: number, k: number, edits: number): number {
  return isDown(reach, i, k, edits) ? (reach[i + 1] ?? 0) : (reach[i - 1] ?? 0) + 1
}

function isDown(reach: Int32Array, i: number, k: number, edits: number): boolean {
  if (k === -edits) return true
  return k !== edits && (reach[i - 1] ?? 0) < (reach[i + 1] ?? 0)
}

function readTrace(trace: readonly Int32Array[], fromX: number, fromY: number): DiffLine['kind'][] {
  const steps: DiffLine['kind'][] = []
  let x = fromX
  let y = fromY
  for (let edits = trace.length - 1; edits >= 0; edits--) {
    const reach = trace[edits] ?? new Int32Array(0)
    const k = x - y
    // The saved part of `reach` has diagonal 0 in its middle.
    const i = edits + 1 + k
    const begin = furthest(reach, i, k, edits)
    for (; x > begin; x--, y--) steps.push('same')
    if (edits === 0) break
    const down = isDown(reach, i, k, edits)
    steps.push(down ? 'added' : 'removed')
    if (down) y--
    else x--
  }
  return steps.reverse()
}
