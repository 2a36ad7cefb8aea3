/**
 * What R2 may hold when something else wrote there or a disk lied: a unit's end, a ledger, a piece of the log, a loss; cut
 * at every length, with every byte changed, and spliced at random. They are refused by name, or read as something that has
 * the right shape; never anything else.
 *
 * Seen to fail with the comparison of the footer's sum with the size left out: a unit cut short is then read.
 */
import { concat, text, utf8 } from '@datakit/git/bytes'
import { GitError, MalformedError, UnsupportedError } from '@datakit/git/error'
import { describe, expect, it } from 'vitest'
import { cases, random } from '../../../git/test/seed.ts'
import { oneObject } from '../../test/one-object.ts'
import { oid } from '../../test/samples.ts'
import { packId } from './keys.ts'
import { findLoss } from './losses.ts'
import { encodeSegment, readSegment } from './overflow.ts'
import { decodeRoot, encodeLedger, encodeReceipt, encodeRoot, NO_ROOT, type Root } from './root.ts'
import { encodeUnitEnd, FOOTER, readUnit, type Unit } from './unit.ts'

const repository = '0123456789abcdef'.repeat(2)
const id = (digit: string) => digit.repeat(32)
const [one, two] = [packId(repository, id('2')), packId(repository, id('3'))]
const shape = { size: 10, indexSize: 20, objects: 1, verified: true }

const unit: Unit = {
  info: { id: two, ...shape, needs: [one] },
  root: 'root/team/config',
  tail: { key: `p/${two.replace('-', '/')}`, start: 30, size: 5, covers: [one, two] },
}
const unitBytes = concat([new Uint8Array(30), encodeUnitEnd(unit, new Uint8Array(5))])

const root: Root = {
  ...NO_ROOT,
  repository,
  epoch: 3,
  packs: [
    { id: one, ...shape, needs: [] },
    { id: two, ...shape, needs: [one] },
  ],
  condemned: [{ key: `t/${repository}/${id('4')}`, at: 5 }],
  earlier: { id: id('9'), newest: 4 },
  catalogs: [{ key: `p/${repository}/${id('3')}`, start: 30, size: 70_000, covers: [one, two] }],
  shallow: new Set([oid(1), oid(2)]),
}
const { packs, catalogs, shallow } = root
const ledger = { id: id('5'), packs, catalogs, shallow }

const line = {
  ref: 'HEAD',
  from: undefined,
  to: oid(1),
  who: 'Ada',
  at: 1,
  why: 'ü',
  external: false,
}
const segment = { older: id('6'), lines: [line, { ...line, from: oid(1), to: oid(2) }] }

const loss = {
  id: id('7'),
  digest: oid(7),
  at: 2,
  outcome: 'lost',
  version: `${repository}.3`,
} as const

/** What it looks like, how it is read, and what comes of it. */
interface Format {
  readonly name: string
  readonly bytes: Uint8Array
  readonly read: (bytes: Uint8Array) => Promise<object | undefined>
  readonly value: object
}

const formats: readonly Format[] = [
  {
    name: "a unit's end",
    bytes: unitBytes,
    read: (bytes: Uint8Array) => readUnit(oneObject(bytes), two),
    value: unit,
  },
  {
    name: 'a ledger',
    bytes: encodeLedger(root),
    read: async (bytes: Uint8Array) =>
      (await decodeRoot(encodeRoot({ ...root, ledger }), async () => bytes)).ledger,
    value: ledger,
  },
  {
    name: 'a piece of the log',
    bytes: encodeSegment(segment),
    read: (bytes: Uint8Array) => readSegment(oneObject(bytes), repository, id('8')),
    value: { ...segment, size: encodeSegment(segment).length },
  },
  {
    name: 'a loss',
    bytes: utf8(JSON.stringify(encodeReceipt(loss))),
    read: (bytes: Uint8Array) => findLoss(oneObject(bytes), { ...root }, loss.id),
    value: loss,
  },
]

/** Whether bytes are refused as they should be; otherwise what they are read as. */
async function attempt(
  reading: Promise<object | undefined>,
): Promise<object | undefined | 'refused'> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof MalformedError || error instanceof UnsupportedError) return 'refused'
    throw error
  }
}

function membersOf(value: object | undefined): string[] {
  return Object.keys(value ?? {}).sort()
}

describe.each(formats)('$name', ({ bytes, read, value }) => {
  it('is read as it was written', async () => {
    expect(await read(bytes)).toEqual(value)
  })

  it('is refused with every byte changed, or read as something of its kind', async () => {
    let refused = 0
    for (let at = 0; at < bytes.length; at++) {
      for (const change of [0x01, 0x80, 0xff]) {
        const garbled = bytes.slice()
        garbled[at] = (garbled[at] ?? 0) ^ change
        const found = await attempt(read(garbled))
        if (typeof found === 'string') refused++
        else expect(membersOf(found)).toEqual(membersOf(value))
      }
    }
    expect(refused).toBeGreaterThan(bytes.length / 4)
  })

  it('is refused or of its kind when pieces of it are put together at random', async () => {
    const { seed, numRuns } = cases(2000)
    const next = random(seed)
    const at = () => Math.floor(next() * (bytes.length + 1))
    for (let i = 0; i < numRuns; i++) {
      const spliced = concat([bytes.subarray(0, at()), bytes.subarray(at()), bytes.subarray(at())])
      const found = await attempt(read(spliced))
      if (typeof found !== 'string') expect(membersOf(found)).toEqual(membersOf(value))
    }
  })
})

it.each(formats.filter(({ name }) => name !== 'a piece of the log'))(
  'refuses $name that was cut at any length, from either end',
  async ({ bytes, read, name }) => {
    for (let end = 0; end < bytes.length; end++)
      expect(await attempt(read(bytes.subarray(0, end)))).toBe('refused')
    // What comes before the end of a unit is not looked at here, but its length is.
    for (let start = 1; start <= bytes.length; start++)
      expect([name, start, await attempt(read(bytes.subarray(start)))]).toEqual([
        name,
        start,
        'refused',
      ])
  },
)

it('refuses a piece of the log that was cut anywhere but between two lines', async () => {
  const bytes = encodeSegment(segment)
  const whole = text(bytes)
  for (let end = 1; end < whole.length; end++) {
    const found = await attempt(
      readSegment(oneObject(utf8(whole.slice(0, end))), repository, id('8')),
    )
    if (whole[end] !== '\n') expect([end, found]).toEqual([end, 'refused'])
  }
})

it('refuses a unit whose lengths are larger than anything is', async () => {
  for (const at of [8, 16, 24]) {
    const garbled = unitBytes.slice()
    garbled.fill(0xff, unitBytes.length - FOOTER + at, unitBytes.length - FOOTER + at + 8)
    await expect(readUnit(oneObject(garbled), two)).rejects.toThrow(MalformedError)
  }
  const later = unitBytes.slice()
  later[unitBytes.length - FOOTER + 4] = 2
  await expect(readUnit(oneObject(later), two)).rejects.toThrow(GitError)
})
