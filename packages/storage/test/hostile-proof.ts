/**
 * Packs that a server has sent along with an index that lies, which only their proof can find out: what it takes of memory and time
 * is little, and it says what is wrong. Portable: it runs over every place, in every runtime.
 *
 * @module
 */
import { concat, utf8 } from '@datakit/git/bytes'
import { nameObject, type ObjectType } from '@datakit/git/object'
import type { Oid } from '@datakit/git/oid'
import { DeltaWriter, makeDelta } from '@datakit/git/pack/delta'
import { encodeEntryHeader, encodeOfsHeader, encodeRefHeader } from '@datakit/git/pack/entry'
import type { PackLimits } from '@datakit/git/pack/pack-limits'
import { packRow, PackTable, type PackRow } from '@datakit/git/pack/pack-table'
import { encodePackHeader } from '@datakit/git/pack/write-pack'
import type { Place } from '@datakit/git/place'
import type { Runtime } from '@datakit/git/runtime'
import { portableRuntime } from '@datakit/git/runtime/portable'
import { encodeTree, MODES } from '@datakit/git/tree'
import { expect, it } from 'vitest'
import { verifyPacks } from '../src/verify.ts'
import { done, move, oid, request } from './samples.ts'

/** What a sync moves to what the server sent. */
const REFS = ['refs/heads/main', 'refs/remotes/origin/main']
const MB = 1_000_000
/** What the proof may inflate, in bytes. */
const MOST = 40 * MB
/** How long it may take on a machine that does much else, in milliseconds. */
const LONGEST = 20_000

/** An entry, and what the index says of it where that is not so. */
interface Entry {
  readonly bytes: Uint8Array
  readonly row: Partial<PackRow>
}

/** Entries of which the last is, by the index, what the head leads to. */
export interface HostileProof {
  readonly what: string
  readonly make: () => Promise<readonly Entry[]>
  /** What is said of it. */
  readonly words: RegExp
  /** Whether what the head leads to is there all the same. */
  readonly isWhole?: boolean
  readonly limits?: PackLimits
}

const zeros = (length: number): Uint8Array => new Uint8Array(length)
const deflated = (body: Uint8Array): Promise<Uint8Array> => portableRuntime.deflate(body, 6)
const nameOf = (body: Uint8Array): Oid => nameObject(portableRuntime, { type: 'blob', body })

/** A whole object; `size` where its header lies. */
async function whole(
  body: Uint8Array,
  { size = body.length, ...row }: Partial<PackRow> & { readonly type?: ObjectType } = {},
): Promise<Entry> {
  const bytes = concat([encodeEntryHeader(row.type ?? 'blob', size), await deflated(body)])
  return { bytes, row: { oid: nameOf(body), size, ...row } }
}

async function refDelta(base: Oid, delta: Uint8Array, row: Partial<PackRow>): Promise<Entry> {
  const bytes = concat([encodeRefHeader(delta.length, base), await deflated(delta)])
  return { bytes, row: { base, ...row } }
}

async function ofsDelta(
  distance: number,
  delta: Uint8Array,
  row: Partial<PackRow>,
): Promise<Entry> {
  const bytes = concat([encodeOfsHeader(delta.length, distance), await deflated(delta)])
  return { bytes, row }
}

/** A delta that makes twice its base. */
function doubling(size: number): Uint8Array {
  const writer = new DeltaWriter(size, 2 * size)
  writer.copy(0, size)
  writer.copy(0, size)
  return writer.finish()
}

/** Deltas one on the other, each of which makes something of the one before. */
async function chain(
  steps: number,
  first: Uint8Array,
  delta: (size: number) => Uint8Array,
): Promise<Entry[]> {
  const entries = [await whole(first)]
  for (let i = 1, { length } = first; i <= steps; i++) {
    const before = entries.at(-1)?.bytes.length ?? 0
    const bytes = delta(length)
    entries.push(await ofsDelta(before, bytes, { oid: oid(i), base: oid(i - 1) }))
    length *= 2
  }
  return entries
}

/**
 * A long chain of large objects, of each of which another one is made besides, which stands before it in the pack: so it waits until
 * the chain below is done, and what it is made of is not at hand any more.
 */
async function comb(steps: number, size: number): Promise<Entry[]> {
  let body = Uint8Array.from({ length: size }, (_, i) => (i * i) >> 8)
  const links = [await whole(body)]
  const teeth: Entry[] = []
  for (let i = 0; i < steps; i++) {
    const base = nameOf(body)
    const next = body.with(i, 255 - (body[i] ?? 0))
    teeth.push(await refDelta(base, doubling(size), { oid: oid(100 + i) }))
    links.push(await refDelta(base, makeDelta(body, next), { oid: nameOf(next) }))
    body = next
  }
  return [...teeth, ...links]
}

/** Every kind. */
export const hostileProofs: readonly HostileProof[] = [
  {
    what: 'an object that claims 4 GiB',
    make: async () => [await whole(zeros(40), { size: 2 ** 32 })],
    words: /an object of 4294967296 bytes, at most \d+ are taken/,
  },
  {
    what: 'an object that claims half a gigabyte and has none',
    make: async () => [await whole(zeros(40), { size: 500 * MB })],
    words: /ends inside an object/,
  },
  {
    what: 'a body that goes on behind its size',
    make: async () => [await whole(zeros(30 * MB), { size: 40 })],
    words: /a zlib stream: it holds more than 40 bytes/,
  },
  {
    what: 'a body that ends before its size',
    make: async () => [await whole(zeros(40), { size: 50 })],
    words: /a zlib stream: it holds 40 bytes, expected 50/,
  },
  {
    what: 'a body larger than is taken',
    make: async () => [await whole(zeros(30 * MB))],
    words: /an object of 30000000 bytes, at most 25000000 are taken/,
    isWhole: true,
    limits: { object: 25 * MB },
  },
  {
    what: 'bodies that are too much together',
    make: () => Promise.all(Array.from({ length: 40 }, (_, i) => whole(zeros(MB + i)))),
    words: /more than 20000000 bytes together/,
    isWhole: true,
    limits: { inflated: 20 * MB },
  },
  {
    what: 'deltas that double to gigabytes',
    make: () => chain(30, utf8('twelve bytes'), doubling),
    words: /an object of 25165824 bytes, at most 25000000 are taken/,
    limits: { object: 25 * MB },
  },
  {
    what: 'a long chain of deltas',
    make: () => chain(20, utf8('x'), doubling),
    words: /more than 15 deltas one on the other/,
    limits: { depth: 15 },
  },
  {
    what: 'a chain that is made again for each of its links',
    make: () => comb(60, 400_000),
    words: /more than 100000000 bytes together/,
    isWhole: true,
    // Were each made once, it would be 72.
    limits: { inflated: 100 * MB },
  },
  {
    what: 'deltas that go in a circle',
    make: async () => [
      await refDelta(oid(2), doubling(4), { oid: oid(1) }),
      await refDelta(oid(1), doubling(4), { oid: oid(2) }),
    ],
    words: /the base of a delta|in a circle/,
  },
  {
    what: 'a delta of itself',
    make: async () => [await ofsDelta(0, doubling(4), { oid: oid(1), base: oid(1) })],
    words: /no entry begins where its base should be|in a circle/,
  },
  {
    what: 'a delta for a base of another size',
    make: async () => {
      const base = await whole(zeros(9))
      const delta = await ofsDelta(base.bytes.length, doubling(4), { oid: oid(1) })
      return [base, { ...delta, row: { ...delta.row, base: nameOf(zeros(9)) } }]
    },
    words: /it is for a base of 4 bytes, found one of 9/,
  },
  {
    what: 'another object than its index says',
    make: async () => [await whole(utf8('this'), { oid: nameOf(utf8('that')) })],
    words: /its index is wrong about/,
  },
  {
    what: 'an index that is wrong about a size',
    make: async () => [
      await whole(utf8('this')).then(({ bytes }) => ({
        bytes,
        row: { oid: nameOf(utf8('this')), size: 5 },
      })),
    ],
    words: /its index is wrong about/,
    isWhole: true,
  },
]

/** The pack of a commit whose tree has what the index calls the last entry; with its index, and the commit. */
async function lyingPack(
  entries: readonly Entry[],
): Promise<{ readonly bytes: Uint8Array; readonly table: PackTable; readonly head: Oid }> {
  const bad = entries.at(-1)?.row.oid ?? oid(0)
  const root = encodeTree([{ name: 'bad', mode: MODES.file, oid: bad }])
  const tree = nameObject(portableRuntime, { type: 'tree', body: root })
  const ada = 'Ada <ada@example.org> 1700000000 +0000'
  const body = utf8(`tree ${tree}\nauthor ${ada}\ncommitter ${ada}\n\nedit\n`)
  const head = nameObject(portableRuntime, { type: 'commit', body })
  const links = { tree, parents: [], time: 1_700_000_000, generation: 1 }
  const all = [
    await whole(body, { oid: head, type: 'commit', links: { kind: 'commit', ...links } }),
    await whole(root, {
      oid: tree,
      type: 'tree',
      links: { kind: 'tree', against: undefined, removed: [], added: [bad] },
    }),
    ...entries,
  ]
  const table = new PackTable()
  let offset = 12
  for (const [i, { bytes, row }] of all.entries()) {
    const claims = { oid: oid(999 + i), type: 'blob', size: 0, crc: 0, base: undefined } as const
    const place = { offset, length: bytes.length, links: undefined }
    table.addRaw(packRow({ ...claims, ...place, ...row }))
    offset += bytes.length
  }
  const pack = concat([encodePackHeader(all.length), ...all.map(({ bytes }) => bytes)])
  return { bytes: concat([pack, await portableRuntime.digest(pack)]), table, head }
}

/** Keeps such a pack as a sync does whose server lies, with a branch at its commit. */
export async function keepLyingPack(place: Place, { make }: HostileProof): Promise<void> {
  const { bytes, table, head } = await lyingPack(await make())
  const writer = await place.writePack()
  await writer.write(bytes)
  const staged = await writer.finish({ table, needs: [], verified: false })
  const refs = REFS.map((name) => move(name, undefined, head))
  const log = { who: '', why: 'sync: fetch' }
  await done(place, request(refs, { addPacks: [staged], log }))
}

/** The runtime, and how many bytes came of inflating with it. */
export function countingRuntime(runtime: Runtime): {
  readonly runtime: Runtime
  readonly inflated: () => number
} {
  let bytes = 0
  const counting: Runtime = {
    ...runtime,
    inflate(...args) {
      const body = runtime.inflate(...args)
      bytes += body.length
      return body
    },
    inflateOpen(...args) {
      const inflated = runtime.inflateOpen(...args)
      bytes += inflated?.body.length ?? 0
      return inflated
    },
  }
  return { runtime: counting, inflated: () => bytes }
}

/** Runs every kind over places that `open` makes; a pack that is good is proved beside it. */
export function provesNoHostilePack(of: Runtime, open: () => Promise<Place>): void {
  it.each(hostileProofs)('does not take $what for proved, at little cost', async (hostile) => {
    const place = await open()
    const { runtime, inflated } = countingRuntime(of)
    await keepLyingPack(place, hostile)
    const started = Date.now()
    const { verified, damaged } = await verifyPacks(place, runtime, { limits: hostile.limits })
    expect(damaged.map(({ problem }) => problem)).toEqual([expect.stringMatching(hostile.words)])
    expect(verified).toBe(0)
    expect((await place.read()).packs.map((pack) => pack.verified)).toEqual([false])
    expect(inflated()).toBeLessThan(MOST)
    expect(Date.now() - started).toBeLessThan(LONGEST)
  })
}
