/**
 * Random texts and what two people make of them: repetitive and realistic ones, with and without line ends as Git likes them.
 *
 * @module
 */
import type { Versions } from '../src/merge-lines.ts'

/** Numbers from 0 up to but not including 1. */
export type Random = () => number

/** Numbers that look random and come again with the same seed (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** The seed of this run: of the environment, or of the clock; printed by who uses it. */
export function chooseSeed(): number {
  return Number(process.env['SEED'] ?? Date.now() % 1_000_000_007)
}

/** A number from 0 up to but not including `end`. */
export function below(random: Random, end: number): number {
  return Math.floor(random() * end)
}

type MakeLine = (random: Random) => string

const WORDS = ['alpha', 'beta', 'gamma', 'delta', 'limit', 'users', 'port', 'host', 'path', 'name']

const word: MakeLine = (random) => WORDS[below(random, WORDS.length)] ?? ''

/** Ways to make lines, from those that are nearly all alike to those that are nearly all different. */
const SORTS: readonly MakeLine[] = [
  (random) => 'ab'[below(random, 2)] ?? '',
  (random) => 'abcdef'[below(random, 6)] ?? '',
  (random) => ['', '{', '}', '  }', `  ${word(random)}();`, '  return'][below(random, 6)] ?? '',
  (random) => (random() < 0.3 ? '' : `${word(random)}: ${below(random, 10)}`),
  (random) => (random() < 0.2 ? '}' : `  "${word(random)}": ${below(random, 1000)},`),
  (random) => `${word(random)} ${below(random, 100_000)} ${word(random)}`,
]

/** How long the texts of a case are, and how much is changed in them. */
interface Measure {
  readonly lines: number
  readonly edits: number
}

const MEASURES: readonly Measure[] = [
  { lines: 6, edits: 2 },
  { lines: 12, edits: 3 },
  { lines: 40, edits: 4 },
  { lines: 120, edits: 10 },
]

/** Three versions: a text, and two that were made of it. Now and then there was none before. */
export function randomVersions(random: Random, measures = MEASURES): Versions {
  const makeLine = SORTS[below(random, SORTS.length)] ?? word
  const { lines, edits } = measures[below(random, measures.length)] ?? { lines: 10, edits: 2 }
  const base = Array.from({ length: below(random, lines + 1) }, () => makeLine(random))
  const ours = edit(random, base, { makeLine, edits })
  const theirs = edit(random, random() < 0.1 ? ours : base, { makeLine, edits })
  const ends = END_SORTS[below(random, END_SORTS.length)] ?? '\n'
  const encode = (list: readonly string[]): Uint8Array => encodeLines(random, list, ends)
  return {
    base: encode(random() < 0.05 ? [] : base),
    ours: encode(ours),
    theirs: encode(theirs),
  }
}

/** How lines end: in one way, or now so and now so. */
const END_SORTS = ['\n', '\n', '\n', '\r\n', 'mixed'] as const

function encodeLines(random: Random, lines: readonly string[], ends: string): Uint8Array {
  const closed = lines.map((line, i) => {
    if (i === lines.length - 1 && random() < 0.1) return line
    return line + (ends === 'mixed' ? (random() < 0.5 ? '\n' : '\r\n') : ends)
  })
  return new TextEncoder().encode(closed.join(''))
}

/** Lines are written, removed, moved and copied, in runs. */
export function edit(
  random: Random,
  lines: readonly string[],
  { makeLine, edits }: { readonly makeLine: MakeLine; readonly edits: number },
): string[] {
  const edited = [...lines]
  for (let i = below(random, edits + 1); i > 0; i--) {
    const start = below(random, edited.length + 1)
    const count = below(random, 4)
    const fresh = Array.from({ length: below(random, 4) }, () => makeLine(random))
    const kind = random()
    if (kind < 0.4) edited.splice(start, count, ...fresh)
    else if (kind < 0.6) edited.splice(start, 0, ...fresh)
    else if (kind < 0.8) edited.splice(start, count)
    else {
      const run = edited.slice(start, start + count)
      if (kind < 0.9) edited.splice(start, count)
      edited.splice(below(random, edited.length + 1), 0, ...run)
    }
  }
  return edited
}

/** What two people make of a real text: values are changed, lines and paragraphs written, removed, moved and copied. */
export function randomEdits(random: Random, text: string): Versions {
  const base = text.split(/(?<=\n)/)
  const [ours, theirs] = [retouch(random, base), retouch(random, base)]
  const encode = (lines: readonly string[]): Uint8Array => new TextEncoder().encode(lines.join(''))
  return { base: encode(base), ours: encode(ours), theirs: encode(theirs) }
}

function retouch(random: Random, lines: readonly string[]): string[] {
  const touched = [...lines]
  for (let i = below(random, 8); i > 0; i--) {
    const at = below(random, touched.length)
    const line = touched[at] ?? ''
    if (random() < 0.5) touched[at] = line.replace(/[\w.]+(?=\W*$)/, word(random))
    else touched.splice(at, random() < 0.5 ? 0 : 1, line.replace(/\w+/, word(random)))
  }
  return edit(random, touched, { makeLine: (random) => `${word(random)}\n`, edits: 3 })
}
