import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { GitMerge } from '../test/git-merge.ts'
import {
  below,
  chooseSeed,
  randomEdits,
  randomVersions,
  seededRandom,
} from '../test/random-text.ts'
import { binary } from './binary.ts'
import type { MergeOutcome } from './driver.ts'
import { mergeLines, type LineMergeOptions, type Versions } from './merge-lines.ts'
import { ours, text, theirs, union } from './text.ts'

let git: GitMerge
beforeAll(() => {
  git = new GitMerge()
})
afterAll(() => git.close())

const labels = { base: 'base', ours: 'ours', theirs: 'theirs' }
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const show = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

/** Large enough for the search to be cut short. */
const LARGE = [
  { lines: 900, edits: 200 },
  { lines: 2500, edits: 900 },
]
/** Real files, with comments, tables, lists and long runs of lines that are alike. */
const REAL = ['package-lock.json', 'CHANGELOG.md', '.oxlintrc.json', 'packages/tsconfig.json'].map(
  (name) => readFileSync(new URL(`../../../${name}`, import.meta.url), 'utf8').slice(0, 60_000),
)

function randomCases(random: () => number, count: number): Versions[] {
  return Array.from({ length: count }, (_, i) => {
    if (i % 40 === 0) return randomVersions(random, LARGE)
    if (i % 4 === 0) return randomEdits(random, REAL[below(random, REAL.length)] ?? '')
    return randomVersions(random)
  })
}

// Seen to fail when: Myers' algorithm is taken in place of histograms; conflicts that are four lines apart become one;
// runs of changed lines stay where they are found; the search is never cut short;
// a good point is not taken early.
describe('a merge by line', () => {
  const CASES = 800
  it(`is that of git merge in ${CASES} random cases, and the same from both sides`, () => {
    const seed = chooseSeed()
    console.log(`SEED=${seed}`)
    const cases = randomCases(seededRandom(seed), CASES)
    const expected = git.mergeTree(cases)
    let clean = 0
    for (const [i, versions] of cases.entries()) {
      const hint = `case ${i} of seed ${seed}`
      const merged = mergeLines(versions, { markers: { labels } })
      expect(show(merged.bytes), hint).toBe(show(expected[i]?.bytes ?? utf8('')))
      expect(merged.conflicts > 0, hint).toBe(expected[i]?.conflicts === 1)
      const mirrored = mergeLines({ ...versions, ours: versions.theirs, theirs: versions.ours })
      expect(mirrored.conflicts > 0, hint).toBe(merged.conflicts > 0)
      if (merged.conflicts > 0) continue
      expect(show(mirrored.bytes), hint).toBe(show(merged.bytes))
      clean++
    }
    expect(Math.min(clean, CASES - clean)).toBeGreaterThan(CASES / 10)
  })

  it('joins no conflicts across one in which both sides did the same', () => {
    const lines = (letters: string): Uint8Array =>
      utf8([...letters].map((line) => `${line}\n`).join(''))
    const versions = {
      base: lines(
        'dadbaddcacabdbcdadcacbcbdabccabbbdbaccbbdbbdabbccaabbcbcdabcbabbcacabaaacbcaadbbdacbaabcaadccddcabadddcabdbadcdbddbbddaaaacacdcccaddccadbacacddaadccccbbcaddbdadbddbbbcdbaacbdabcadcaccdcbddbccdcabcaaacdbbdacaadcacaddadcacdcbdbbbcddbaabcbdbbaaddbcdabcdadcbdbdcbc',
      ),
      ours: lines('cbbbdbbcdccccbaccccbdbaababcccdcbdcdacbdaaabcccccadaaccccbcccccaad'),
      theirs: lines('cbabaacbdaabacdcdcdddbbdabdadadabdbbbbdacbcbbbddadbaccbc'),
    }
    const [expected] = git.mergeTree([versions])
    expect(show(mergeLines(versions, { markers: { labels } }).bytes)).toBe(
      show(expected?.bytes ?? utf8('')),
    )
  })

  const FLAGS: readonly (readonly [flags: string, options: LineMergeOptions])[] = [
    ['', {}],
    ['--diff3', { markers: { style: 'diff3' } }],
    ['--zdiff3', { markers: { style: 'zdiff3' } }],
    ['--union', { favour: 'union' }],
    ['--ours', { favour: 'ours' }],
    ['--theirs', { favour: 'theirs' }],
    ['--marker-size=12', { markers: { size: 12 } }],
  ]
  it.each(FLAGS)('is that of git merge-file %s in 25 random cases', (flags, options) => {
    const seed = chooseSeed()
    console.log(`SEED=${seed}`)
    const how = { algorithm: 'myers', joinsOverBlank: true } as const
    const markers = { labels, ...options.markers }
    for (const [i, versions] of randomCases(seededRandom(seed), 25).entries()) {
      const expected = git.mergeFile(versions, flags === '' ? [] : [flags])
      const merged = mergeLines(versions, { ...how, ...options, markers })
      const hint = `case ${i} of seed ${seed}`
      expect(show(merged.bytes), hint).toBe(show(expected.bytes))
      expect(Math.min(merged.conflicts, 127), hint).toBe(expected.conflicts)
    }
  })

  it('is that of git merge-file in files so large that good points are taken early', () => {
    const seed = chooseSeed()
    console.log(`SEED=${seed}`)
    const random = seededRandom(seed)
    const anyLine = (): string => `${below(random, 100)}\n`
    const lines = Array.from({ length: 45_000 }, anyLine)
    // In some parts hardly a line stays; between them are long runs that do.
    const share = (i: number): number => (i % 15_000 < 3000 ? 0.6 : 0.02)
    const change = (): Uint8Array => {
      const retouch = (line: string): string => anyLine() + (random() < 0.5 ? line : '')
      return utf8(lines.map((line, i) => (random() < share(i) ? retouch(line) : line)).join(''))
    }
    const versions = { base: utf8(lines.join('')), ours: change(), theirs: change() }
    const merged = mergeLines(versions, {
      algorithm: 'myers',
      joinsOverBlank: true,
      markers: { labels },
    })
    const expected = git.mergeFile(versions, [])
    expect(Buffer.compare(merged.bytes, expected.bytes), `seed ${seed}`).toBe(0)
  })

  it('is that of git merge with the attribute union', () => {
    const seed = chooseSeed()
    console.log(`SEED=${seed}`)
    const cases = randomCases(seededRandom(seed), 100)
    const expected = git.mergeTree(cases, '* merge=union\n')
    const found = cases.map((versions) => show(bytesOf(union({ ...versions, path: 'f' }))))
    expect(found).toEqual(expected.map(({ bytes }) => show(bytes)))
  })

  it('is linear in two files of 10,000 lines that differ in ten', () => {
    const lines = Array.from({ length: 10_000 }, (_, i) => `key${i} = ${i % 97}\n`)
    const change = (shift: number): Uint8Array =>
      utf8(lines.map((line, i) => (i % 1000 === shift ? `# ${line}` : line)).join(''))
    const versions = { base: utf8(lines.join('')), ours: change(100), theirs: change(600) }
    expect(mergeLines(versions).conflicts).toBe(0)
    const started = performance.now()
    for (let i = 0; i < 5; i++) mergeLines(versions)
    // Some 6 ms on a quiet machine; a quadratic one takes seconds.
    expect((performance.now() - started) / 5).toBeLessThan(200)
  })
})

describe('the drivers for text', () => {
  const input = { path: 'f', base: utf8('a\nb\n'), ours: utf8('a\nB\n'), theirs: utf8('a\nß\n') }

  it('mark a conflict, keep both sides of it, or one', () => {
    expect(text(input)).toEqual({
      state: 'conflict',
      marked: utf8('a\n<<<<<<<\nB\n=======\nß\n>>>>>>>\n'),
    })
    expect(union(input)).toEqual({ state: 'merged', bytes: utf8('a\nB\nß\n') })
    expect(ours(input)).toEqual({ state: 'merged', bytes: input.ours })
    expect(theirs(input)).toEqual({ state: 'merged', bytes: input.theirs })
  })

  it('write no markers that fill the memory', () => {
    const outcome = text({ ...input, markers: { size: 2 ** 40 } })
    expect(outcome.state === 'conflict' && outcome.marked?.length).toBeLessThan(40_000)
  })

  it('take a file that both sides added for one that was empty', () => {
    expect(text({ ...input, base: undefined })).toMatchObject({ state: 'conflict' })
    expect(text({ ...input, base: undefined, theirs: input.ours })).toEqual({
      state: 'merged',
      bytes: input.ours,
    })
  })

  it('do not merge what has a zero byte among its first 8000', () => {
    const far = utf8(`${'x'.repeat(7999)}\0\n`)
    const near = utf8(`${'x'.repeat(8000)}\0\n`)
    for (const driver of [text, union, binary])
      expect(driver({ ...input, base: far })).toMatchObject({ state: 'conflict', reason: /./ })
    expect(text({ path: 'f', base: near, ours: near, theirs: input.ours })).toEqual({
      state: 'merged',
      bytes: input.ours,
    })
    expect(theirs({ ...input, base: far })).toEqual({ state: 'merged', bytes: input.theirs })
  })
})

function bytesOf(outcome: MergeOutcome): Uint8Array {
  if (outcome.state === 'merged') return outcome.bytes
  throw new Error('There is a conflict')
}
