import { findRow } from './pack-table.ts'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { packOf, randomHistory } from '../../test/history.ts'
import { basesOf, catFile, readWhole, tableLines } from '../../test/pack-reading.ts'
import type { RealRepository } from '../../test/real-git.ts'
import { cases, random } from '../../test/seed.ts'
import { concat, utf8 } from '../bytes.ts'
import { GitError, MalformedError, MissingError, RefusedError } from '../error.ts'
import { nameObject } from '../object.ts'
import type { Oid } from '../oid.ts'
import { nodeRuntime } from '../runtime/node.ts'
import { portableRuntime } from '../runtime/portable.ts'
import { DeltaWriter, makeDelta } from './delta.ts'
import { encodeEntryHeader, encodeOfsHeader, encodeRefHeader } from './entry.ts'
import { encodeStockIdx } from './idx.ts'
import { encodePackHeader } from './write-pack.ts'

let git: RealRepository
let all: string[]
/** The whole history, and a small piece of it that is read thousands of times. */
let large: Uint8Array
let small: Uint8Array
beforeAll(() => {
  cases(1)
  git = randomHistory({ files: 120, commits: 80, random: random() })
  all = catFile(git, git.run(['rev-list', '--objects', '--all', '--no-object-names']).split('\n'))
  large = packOf(git, [], ['--delta-base-offset'])
  small = packOf(git, ['main', '^main~2'], ['--delta-base-offset'])
})
afterAll(() => git.remove())

/** A pack of entries as they are, with a trailer that is right. */
function packed(count: number, ...entries: readonly Uint8Array[]): Uint8Array {
  const body = concat([encodePackHeader(count), ...entries])
  return concat([body, createHash('sha1').update(body).digest()])
}

function whole(text: string): Uint8Array {
  const body = utf8(text)
  return concat([encodeEntryHeader('blob', body.length), deflateSync(body)])
}

function refDelta(base: string, delta: Uint8Array): Uint8Array {
  return concat([encodeRefHeader(delta.length, blob(base)), deflateSync(delta)])
}

function blob(text: string): Oid {
  return nameObject(nodeRuntime, { type: 'blob', body: utf8(text) })
}

function deltaOf(base: string, target: string): Uint8Array {
  return makeDelta(utf8(base), utf8(target))
}

const a = 'the same words, over and over: a'
const b = 'the same words, over and over: b'
const c = 'the same words, over and over: c'

describe('a pack that git made', () => {
  it.each([
    ['by distance', ['--delta-base-offset']],
    ['by name', []],
    ['not at all', ['--depth=0']],
  ])('is read with deltas that name their base %s', async (_, flags) => {
    const pack = packOf(git, [], ['--no-reuse-delta', ...flags])
    const read = await readWhole(pack)
    expect(tableLines(read)).toEqual(all)
    expect(read.outside).toEqual([])
    expect(read.size).toBe(pack.length)
    expect(Buffer.compare(read.written, pack)).toBe(0)
    const names = [...read.objects.values()].map((object) => nameObject(nodeRuntime, object))
    expect(names).toEqual([...read.objects.keys()])
  })

  it('gives the index that git index-pack makes, byte for byte', async () => {
    const file = join(git.folder, 'one.pack')
    writeFileSync(file, large)
    git.run(['index-pack', '-o', `${file}.idx`, file])
    const { table, trailer } = await readWhole(large)
    const ours = encodeStockIdx(table, trailer, nodeRuntime)
    expect(Buffer.compare(ours, readFileSync(`${file}.idx`))).toBe(0)
  })

  it.each([1, 2, 7, 64])('is read in pieces of %i bytes', async (size) => {
    const read = await readWhole(large, { size })
    expect(Buffer.compare(read.written, large)).toBe(0)
    expect(tableLines(read)).toEqual(all)
  })

  it('is read by the portable runtime too', async () => {
    expect(tableLines(await readWhole(large, { runtime: portableRuntime }))).toEqual(all)
  })

  it('is read while hardly anything can be kept in memory', async () => {
    const read = await readWhole(large, { cache: 2000 })
    expect(tableLines(read)).toEqual(all)
  })

  it('is the same table, whatever is kept in memory', async () => {
    const [rich, poor] = [await readWhole(large), await readWhole(large, { cache: 0 })]
    expect(Buffer.compare(rich.table.encodeIndex(), poor.table.encodeIndex())).toBe(0)
  })

  it('may be empty', async () => {
    expect((await readWhole(packed(0))).table.count).toBe(0)
  })
})

describe('a thin pack', () => {
  it('is read with the bases that it names outside', async () => {
    const thin = packOf(git, ['main', '^main~20'], ['--thin', '--delta-base-offset'])
    const read = await readWhole(thin, { resolveBase: basesOf(git) })
    const inside = new Set(tableLines(read))
    expect([...inside].every((line) => all.includes(line))).toBe(true)
    expect(read.outside.length).toBeGreaterThan(0)
    expect(read.outside.some((oid) => findRow(read.table, oid) >= 0)).toBe(false)
    // What it calls outside is what git finds missing.
    const { status, stderr } = git.try(['index-pack', '--stdin', '--strict'], thin)
    expect([status, stderr]).toEqual([128, expect.stringContaining('unresolved deltas')])
  })

  it('is refused when a base is nowhere', async () => {
    const thin = packed(1, refDelta(a, deltaOf(a, b)))
    await expect(readWhole(thin)).rejects.toThrow(MissingError)
    await expect(readWhole(thin, { resolveBase: async () => undefined })).rejects.toThrow(
      MissingError,
    )
  })

  it('is read with nothing kept in memory', async () => {
    const thin = packed(2, refDelta(b, deltaOf(b, c)), refDelta(a, deltaOf(a, b)))
    const resolveBase = async (oid: Oid) =>
      oid === blob(a) ? ({ type: 'blob', body: utf8(a) } as const) : undefined
    const read = await readWhole(thin, { cache: 0, resolveBase })
    expect(read.outside).toEqual([blob(a)])
    expect([...read.objects.keys()].toSorted()).toEqual([blob(b), blob(c)].toSorted())
  })
})

describe('deltas', () => {
  it('may come before their base', async () => {
    const read = await readWhole(
      packed(3, refDelta(b, deltaOf(b, c)), refDelta(a, deltaOf(a, b)), whole(a)),
    )
    expect(read.table.base(findRow(read.table, blob(c)))).toBe(blob(b))
    expect(read.outside).toEqual([])
  })

  it('may name one base by distance and by name', async () => {
    const near = deltaOf(a, b)
    const first = whole(a)
    const ofs = concat([encodeOfsHeader(near.length, first.length), deflateSync(near)])
    const read = await readWhole(packed(3, first, ofs, refDelta(a, deltaOf(a, c))))
    expect([...read.objects.keys()].toSorted()).toEqual([blob(a), blob(b), blob(c)].toSorted())
  })

  it('may not make an object that is too large', async () => {
    const pack = packed(2, whole(a), refDelta(a, deltaOf(a, a + b)))
    await expect(readWhole(pack, { limits: { object: 63 } })).rejects.toThrow(RefusedError)
    expect((await readWhole(pack, { limits: { object: 64 } })).table.count).toBe(2)
  })

  it('may not be shorter than Git reads them', async () => {
    const pack = packed(2, whole(a), refDelta(a, deltaOf(a, '')))
    expect(git.try(['index-pack', '--stdin'], pack).stderr).toContain('failed to apply delta')
    await expect(readWhole(pack)).rejects.toThrow(MalformedError)
  })

  it('may not go in a circle', async () => {
    const pack = packed(2, refDelta(a, deltaOf(a, b)), refDelta(b, deltaOf(b, a)))
    await expect(readWhole(pack)).rejects.toThrow(GitError)
    const resolveBase = async () => ({ type: 'blob', body: utf8(a) }) as const
    await expect(readWhole(pack, { resolveBase })).rejects.toThrow(GitError)
  })

  it('may be as deep as allowed, and no deeper', async () => {
    const texts = Array.from({ length: 12 }, (_, i) => `${a} and ${i}`)
    const deltas = texts
      .slice(1)
      .map((text, i) => refDelta(texts[i] ?? '', deltaOf(texts[i] ?? '', text)))
    const pack = packed(12, whole(texts[0] ?? ''), ...deltas)
    expect((await readWhole(pack, { limits: { depth: 11 } })).table.count).toBe(12)
    await expect(readWhole(pack, { limits: { depth: 10 } })).rejects.toThrow(RefusedError)
  })

  it('must have their base where they say', async () => {
    const delta = deltaOf(a, b)
    const far = concat([encodeOfsHeader(delta.length, 13), deflateSync(delta)])
    await expect(readWhole(packed(2, whole(a), far))).rejects.toThrow('no entry begins')
  })
})

describe('a pack is refused', () => {
  it('when it is cut short, at every length', async () => {
    let refused = 0
    for (let length = 0; length < small.length; length++) {
      const cut = readWhole(small.subarray(0, length), { size: 512, resolveBase: basesOf(git) })
      await expect(cut).rejects.toThrow(MalformedError)
      refused++
    }
    expect(refused).toBe(small.length)
  })

  it('when any byte of it is another', async () => {
    const next = random()
    for (let at = 0; at < small.length; at++) {
      const spoilt = small.slice()
      spoilt[at] = (spoilt[at] ?? 0) ^ (1 << Math.floor(next() * 8))
      await expect(readWhole(spoilt, { resolveBase: basesOf(git) })).rejects.toThrow(GitError)
    }
  })

  // Each caught when the line it is about was taken out: the check behind the trailer, `table.order()` in the resolver,
  // and the two limits.
  it.each([
    [
      'bytes follow its trailer',
      () => concat([packed(1, whole(a)), Uint8Array.of(0)]),
      'bytes follow',
    ],
    ['it holds an object twice', () => packed(2, whole(a), whole(a)), 'twice'],
    ['it announces more objects than it has', () => packed(2, whole(a)), 'pack'],
    ['it announces fewer', () => packed(1, whole(a), whole(b)), 'checksum'],
    ['it is no pack', () => utf8('PACKAGES of something else'), 'version'],
    ['an entry has no type', () => packed(1, Uint8Array.of(0x01, 0)), 'type'],
  ])('when %s', async (_, make, message) => {
    await expect(readWhole(make())).rejects.toThrow(message)
  })

  it.each([
    ['it is too large', { bytes: 60 }],
    ['it has too many objects', { objects: 1 }],
    ['an object is too large', { object: 31 }],
    ['its objects are too large together', { inflated: 63 }],
  ])('when %s', async (_, limits) => {
    const pack = packed(2, whole(a), refDelta(a, deltaOf(a, b)))
    await expect(readWhole(pack, { limits })).rejects.toThrow(RefusedError)
  })

  it('before it takes memory for what a header only announces', async () => {
    const announced = packed(
      1,
      concat([encodeEntryHeader('blob', 500_000_000), deflateSync(utf8(a))]),
    )
    await expect(readWhole(announced)).rejects.toThrow(MalformedError)
    const delta = new DeltaWriter(a.length, 2 ** 40).finish()
    await expect(readWhole(packed(2, whole(a), refDelta(a, delta)))).rejects.toThrow(RefusedError)
  })
})

it('stops when it is told to', async () => {
  const signal = AbortSignal.abort(new Error('enough'))
  await expect(readWhole(large, { signal })).rejects.toThrow('enough')
})

it('stops when the callback throws', async () => {
  const onObject = () => {
    throw new RefusedError('refused', 'not this one')
  }
  await expect(readWhole(large, { onObject })).rejects.toThrow('not this one')
})
