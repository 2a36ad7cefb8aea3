/**
 * Packs that must not come in, each with the words in which it is refused. What several places must all do with them is
 * one suite, `refusesHostilePacks`.
 *
 * @module
 */
import { expect, it } from 'vitest'

import { concat, utf8 } from '../src/bytes.ts'
import { nameObject } from '../src/object.ts'
import { EMPTY_TREE, type Oid } from '../src/oid.ts'
import { encodeEntryHeader, encodeOfsHeader, encodeRefHeader } from '../src/pack/entry.ts'
import { encodePackHeader } from '../src/pack/write-pack.ts'
import type { Place } from '../src/place.ts'
import { nodeRuntime as runtime } from '../src/runtime/node.ts'
import { RECEIVE_LIMITS, type ReceiveLimits } from '../src/transport/stage.ts'
import { blob, commitOf, emptyTree, main, move, name, packOf, pieces, receive } from './pushing.ts'

/** A pack that is refused. */
export interface HostilePack {
  readonly what: string
  readonly make: () => Promise<Uint8Array>
  /** What the person who pushed it reads. */
  readonly words: RegExp
  readonly limits?: ReceiveLimits
}

const commit = commitOf(EMPTY_TREE)
const good = (): Promise<Uint8Array> => packOf([blob, emptyTree, commit])

/** A pack of these entries, whatever they are, with a right checksum. */
async function packOfEntries(entries: readonly Uint8Array[], count = entries.length) {
  const body = concat([encodePackHeader(count), ...entries])
  return concat([body, await runtime.digest(body)])
}

async function entryOf(header: Uint8Array, content: Uint8Array): Promise<Uint8Array> {
  return concat([header, await runtime.deflate(content)])
}

/** A whole entry that announces `size` bytes and holds `content`. */
function wholeEntry(content: Uint8Array, size = content.length): Promise<Uint8Array> {
  return entryOf(encodeEntryHeader('blob', size), content)
}

/** A number as deltas write sizes. */
function sizeBytes(size: number): number[] {
  return size < 128 ? [size] : [(size & 127) | 128, ...sizeBytes(Math.floor(size / 128))]
}

/** A delta that copies the whole base as often as it fits into `target`. */
function growingDelta(base: number, target: number): Uint8Array {
  // Copies from 0, with three bytes of length.
  const copy = [0b1111_0000, base & 255, (base >> 8) & 255, (base >> 16) & 255]
  const copies = Array.from({ length: Math.floor(target / base) }, () => copy).flat()
  return Uint8Array.from([...sizeBytes(base), ...sizeBytes(target), ...copies])
}

/** A byte of the good pack is another one, and its checksum is right. */
async function corrupted(at: number): Promise<Uint8Array> {
  const body = (await good()).slice(0, -20)
  body[at] = (body[at] ?? 0) ^ 0x55
  return concat([body, await runtime.digest(body)])
}

async function chain(depth: number): Promise<Uint8Array> {
  const entries = [await wholeEntry(utf8('hello\n'))]
  // Inserts another byte each time, so that no two objects are the same.
  for (let i = 1, length = 6; i <= depth; i++, length++) {
    const copy = [0b1001_0000, length]
    const delta = Uint8Array.from([length, length + 1, ...copy, 1, 33])
    const before = entries.at(-1)?.length ?? 0
    entries.push(await entryOf(encodeOfsHeader(delta.length, before), delta))
  }
  return packOfEntries(entries)
}

async function circle(): Promise<Uint8Array> {
  const [a, b] = ['a\n', 'b\n'].map((text) =>
    nameObject(runtime, { type: 'blob', body: utf8(text) }),
  )
  const delta = (text: string) => Uint8Array.from([2, 2, 2, ...utf8(text)])
  return packOfEntries([
    await entryOf(encodeRefHeader(5, b as Oid), delta('a\n')),
    await entryOf(encodeRefHeader(5, a as Oid), delta('b\n')),
  ])
}

const zeros = (length: number) => new Uint8Array(length)

/** Every kind. */
export const hostilePacks: readonly HostilePack[] = [
  {
    what: 'that is none',
    make: async () => utf8('this is no pack at all'),
    words: /begin with "PACK"/,
  },
  {
    what: 'of another version',
    make: async () => (await good()).map((byte, i) => (i === 7 ? 9 : byte)),
    words: /its version is 9/,
  },
  {
    what: 'cut in its header',
    make: async () => (await good()).slice(0, 10),
    words: /ends inside its header/,
  },
  {
    what: 'cut in an object',
    make: async () => (await good()).slice(0, 20),
    words: /object 1, at byte 12: it ends inside an object/,
  },
  {
    what: 'cut before its last object',
    make: async () => packOfEntries([await wholeEntry(utf8('x'))], 2),
    words: /object 2, at byte \d+: /,
  },
  {
    what: 'without its checksum',
    make: async () => (await good()).slice(0, -20),
    words: /ends before its checksum/,
  },
  {
    what: 'with another checksum',
    make: async () =>
      (await good()).map((byte, i, all) => (i === all.length - 1 ? byte ^ 1 : byte)),
    words: /checksum is not that of its bytes/,
  },
  {
    what: 'with bytes behind it',
    make: async () => concat([await good(), zeros(1)]),
    words: /bytes follow its checksum/,
  },
  {
    what: 'with a broken stream',
    make: () => corrupted(16),
    words: /object 1, at byte 12: a zlib stream: /,
  },
  { what: 'with an unknown type', make: () => corrupted(12), words: /object 1, at byte 12: / },
  {
    what: 'whose object is longer than it says',
    make: async () => packOfEntries([await wholeEntry(zeros(5000), 10)]),
    words: /object 1, at byte 12: a zlib stream: it holds more than 10 bytes/,
  },
  {
    what: 'whose object is shorter than it says',
    make: async () => packOfEntries([await wholeEntry(zeros(10), 20)]),
    words: /object 1, at byte 12: a zlib stream: it holds 10 bytes, expected 20/,
  },
  {
    what: 'with an object twice',
    make: () => wholeEntry(utf8('x')).then((entry) => packOfEntries([entry, entry])),
    words: /twice/,
  },
  { what: 'whose deltas go in a circle', make: circle, words: /base of a delta|in a circle/ },
  {
    what: 'whose delta is made of itself',
    make: async () =>
      packOfEntries([await entryOf(encodeOfsHeader(5, 0), Uint8Array.from([2, 2, 2, 97, 97]))]),
    words: /object 1, at byte 12: /,
  },
  {
    what: 'whose base is nowhere',
    make: async () =>
      packOfEntries([
        await entryOf(
          encodeRefHeader(5, '1'.repeat(40) as Oid),
          Uint8Array.from([2, 2, 2, 97, 97]),
        ),
      ]),
    words: /the base of a delta: "1{40}" is not there/,
  },
  {
    what: 'whose delta reaches outside of its base',
    make: async () =>
      packOfEntries([
        await wholeEntry(utf8('x')),
        await entryOf(
          encodeOfsHeader(4, (await wholeEntry(utf8('x'))).length),
          Uint8Array.from([1, 9, 0x90, 9]),
        ),
      ]),
    words: /object 2, at byte \d+: a delta: /,
  },
  {
    what: 'that is a bomb of deflate',
    make: async () => packOfEntries([await wholeEntry(zeros(30_000_000))]),
    words: /an object of 30000000 bytes, at most 25000000 are taken \(object 1, at byte 12\)/,
  },
  {
    what: 'that is a bomb of many',
    make: async () =>
      packOfEntries(
        await Promise.all(Array.from({ length: 40 }, (_, i) => wholeEntry(zeros(1_000_000 + i)))),
      ),
    words: /more than 20000000 bytes together/,
    limits: { inflated: 20_000_000 },
  },
  {
    what: 'that is a bomb of deltas',
    make: async () =>
      packOfEntries([
        await wholeEntry(zeros(60_000)),
        await entryOf(
          encodeOfsHeader(
            growingDelta(60_000, 60_000_000).length,
            (await wholeEntry(zeros(60_000))).length,
          ),
          growingDelta(60_000, 60_000_000),
        ),
      ]),
    words: /an object of 60000000 bytes, at most 25000000 are taken \(object 2/,
  },
  {
    what: 'with a long chain of deltas',
    make: () => chain(60),
    words: /more than 50 deltas one on the other/,
    limits: { depth: 50 },
  },
  {
    what: 'with more objects than are taken',
    make: good,
    words: /has 3 objects, at most 2 are taken/,
    limits: { objects: 2 },
  },
  {
    what: 'that announces billions',
    make: async () => packOfEntries([], 4_000_000_000),
    words: /has 4000000000 objects, at most 300000/,
  },
  {
    what: 'larger than is taken',
    make: good,
    words: /larger than 100 bytes/,
    limits: { bytes: 100 },
  },
  {
    what: 'with a tree that Git calls an error',
    make: () => packOf([{ type: 'tree', body: utf8('100644 a\0rubbish') }, commit]),
    words: /tree [0-9a-f]{40}: badTree/,
  },
  {
    what: 'that leaves out what its commit names',
    make: () => packOf([commit]),
    words: /missing necessary objects/,
  },
]

/** Runs every kind over a place; `contents` lists what it keeps, wherever it keeps it. */
export function refusesHostilePacks(
  open: () => Promise<{ readonly place: Place; contents(): Promise<readonly string[]> }>,
): void {
  it.each(hostilePacks)(
    'refuses a pack $what, and is as it was',
    async ({ make, words, limits }) => {
      const { place, contents } = await open()
      const first = commitOf(EMPTY_TREE, [])
      const updates = [{ name: main, from: undefined, to: name(first) }]
      await receive(place, { updates, pack: pieces(await packOf([emptyTree, first])) })
      const before = await contents()
      const wanted = [
        await move(place, 'refs/heads/new', name(commitOf(EMPTY_TREE, [name(first)]))),
      ]
      const bytes = await make()
      for (const length of [1 << 16, 7]) {
        // One byte at a time takes its time for what is large; what matters there are small packs.
        if (length === 7 && bytes.length > 20_000) continue
        const outcome = await receive(place, {
          updates: wanted,
          pack: pieces(bytes, length),
          limits: { ...RECEIVE_LIMITS, ...limits },
        })
        const [ref] = outcome.refs
        const said = outcome.problem?.message ?? (ref?.state === 'refused' ? ref.reason : '')
        expect(said).toMatch(words)
        expect(await contents()).toEqual(before)
      }
      expect(await (await place.read()).ref('refs/heads/new')).toBeUndefined()
    },
  )
}
