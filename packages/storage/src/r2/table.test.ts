// The random test was seen to fail with the comparison in `lastAtOrBefore` made strict (a block's first key is missed).
import { compareBytes, encodeName, text, utf8 } from '@datakit/git/bytes'
import { MalformedError } from '@datakit/git/error'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { encodeTable, Table, type Row } from './table.ts'

const seed = Number(process.env['SEED'] ?? Date.now())

function sorted(names: readonly string[]): Row[] {
  const rows = [...new Set(names)].map((name) => ({
    key: encodeName(name),
    value: utf8(`value of ${name}`),
  }))
  return rows.sort((a, b) => compareBytes(a.key, b.key))
}

function open(rows: readonly Row[], reads: string[] = []): Table {
  const { bytes, shape } = encodeTable(rows)
  return new Table(shape, async (start, end) => {
    reads.push(`${start}-${end}`)
    return bytes.subarray(start, end)
  })
}

async function keys(rows: AsyncIterable<Row>): Promise<string[]> {
  const found: string[] = []
  for await (const { key } of rows) found.push(text(key))
  return found
}

const many = sorted(Array.from({ length: 3000 }, (_, i) => `refs/heads/topic-${i * 7}`))

it('finds a row among thousands in two reads', async () => {
  const reads: string[] = []
  const table = open(many, reads)
  expect(text((await table.get(utf8('refs/heads/topic-7'))) ?? utf8('none'))).toBe(
    'value of refs/heads/topic-7',
  )
  expect(reads).toHaveLength(2)
  expect(await table.get(utf8('refs/heads/topic-8'))).toBeUndefined()
  expect(await table.get(utf8('a'))).toBeUndefined()
  expect(await table.get(utf8('z'))).toBeUndefined()
})

it('lists the rows under a prefix in the order of their bytes', async () => {
  const table = open(
    sorted(['refs/heads/b', 'refs/heads/a', 'refs/tags/é', 'refs/tags/z', 'refs/heads/a/b']),
  )
  expect(await keys(table.scan(utf8('refs/heads/a')))).toEqual(['refs/heads/a', 'refs/heads/a/b'])
  expect(await keys(table.scan(utf8('refs/tags/')))).toEqual(['refs/tags/z', 'refs/tags/é'])
  expect(await keys(table.scan(utf8('refs/x')))).toEqual([])
})

it('holds nothing when it was made of nothing', async () => {
  const table = open([])
  expect(await table.get(utf8('a'))).toBeUndefined()
  expect(await keys(table.scan(utf8('')))).toEqual([])
})

it('finds exactly what went in, whatever the keys are', async () => {
  console.log(`table.test.ts: seed ${seed}, 200 cases`)
  const name = fc.oneof(
    fc.string(),
    fc.string({ unit: 'grapheme' }),
    fc.constantFrom('a', 'a/b', 'a/b/c'),
  )
  const names = fc.array(name, { maxLength: 60 }).chain((some) =>
    // Long values in some cases, so that there is more than one block.
    fc.record({ some: fc.constant(some), absent: name, padding: fc.constantFrom(0, 2000) }),
  )
  await fc.assert(
    fc.asyncProperty(names, async ({ some, absent, padding }) => {
      const rows = sorted(some.filter((one) => one.isWellFormed())).map(({ key, value }) => ({
        key,
        value: utf8(text(value) + ' '.repeat(padding)),
      }))
      const table = open(rows)
      for (const { key, value } of rows) expect(await table.get(key)).toEqual(value)
      const prefix = utf8(absent.slice(0, 1).toWellFormed())
      const under = rows.filter(({ key }) => prefix.every((byte, i) => key[i] === byte))
      expect(await keys(table.scan(prefix))).toEqual(under.map(({ key }) => text(key)))
    }),
    { seed, numRuns: 200 },
  )
})

it('refuses a table that was cut short or garbled, and never answers wrongly about its shape', async () => {
  const { bytes, shape } = encodeTable(many.slice(0, 600))
  for (let end = 0; end < bytes.length; end += 97) {
    const cut = bytes.slice(0, end)
    const table = new Table(shape, async (from, to) => cut.subarray(from, to))
    await expect(keys(table.scan(utf8('')))).rejects.toThrow(MalformedError)
  }
  for (let at = 0; at < bytes.length; at += 13) {
    const garbled = bytes.slice()
    garbled[at] = 255 - (garbled[at] ?? 0)
    const table = new Table(shape, async (from, to) => garbled.subarray(from, to))
    const found = await keys(table.scan(utf8(''))).catch((error: unknown) => error)
    expect(Array.isArray(found) || found instanceof MalformedError).toBe(true)
  }
})
