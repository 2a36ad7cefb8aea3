/** What YAML costs to read and to merge: in proportion to the text. */
import { expect, it } from 'vitest'
import { mergeTexts } from '../test/merge.ts'
import { yamlDriver } from './yaml.ts'

const driver = yamlDriver()

it('reads a block with many blanks in time that is proportional to them', () => {
  const block = `a: |\n  x${' '.repeat(200_000)}y\n`
  const start = process.cpuUsage()
  expect(
    mergeTexts(driver, { base: block, ours: `${block}b: 1\n`, theirs: `c: 1\n${block}` }).text,
  ).toBe(`c: 1\n${block}b: 1\n`)
  expect(process.cpuUsage(start).user).toBeLessThan(5_000_000)
})

// Seen to fail when: the library looks for keys that are there twice, which takes 20 s.
it('reads tens of thousands of keys in time that is proportional to them', () => {
  const keys = (value: number): string =>
    Array.from({ length: 20_000 }, (_, i) => `k${i}: ${i === 7 ? value : 0}\n`).join('')
  const start = process.cpuUsage()
  const texts = { base: keys(0), ours: keys(1), theirs: `${keys(0)}z: 1\n` }
  expect(mergeTexts(driver, texts).text).toBe(`${keys(1)}z: 1\n`)
  expect(process.cpuUsage(start).user).toBeLessThan(10_000_000)
})

// Seen to fail when: the tokens are counted when all are there.
it.each([
  ['items', `[${'1,'.repeat(500_000)}]\n`],
  ['lines', 'a: b\n'.repeat(500_000)],
  ['documents', '---\n'.repeat(500_000)],
  ['commas', `[${','.repeat(500_000)}]\n`],
])(
  'makes a conflict of a file that would take too long to read, and reads no more: %s',
  (_, theirs) => {
    const start = process.cpuUsage()
    const { reason, text } = mergeTexts(driver, { base: 'a: 0\n', ours: 'a: 3\n', theirs })
    expect(text).toBeUndefined()
    expect(reason).toBe(
      'Cannot merge by key: a version has more than 150,000 tokens of YAML, which would take too long; choose a version as a whole, or have the file merged by line ("merge=text" in .gitattributes)',
    )
    expect(process.cpuUsage(start).user).toBeLessThan(3_000_000)
  },
)

it('merges a file near the limit with ten changes on each side', () => {
  const write = (from: number): string =>
    Array.from(
      { length: 2500 },
      (_, id) =>
        `- id: ${id}\n  name: ${id % 250 === from ? 'changed' : `record ${id}`}\n  limits: {low: ${id}, high: 9}\n  tags:\n  - a\n  - b\n`,
    ).join('')
  const texts = { base: write(-1), ours: write(10), theirs: write(20) }
  const start = process.cpuUsage()
  const { text } = mergeTexts(driver, texts)
  const { user, system } = process.cpuUsage(start)
  console.log(`${texts.base.length} characters merged in ${Math.round((user + system) / 1000)} ms`)
  expect(text?.match(/changed/g)).toHaveLength(20)
})
