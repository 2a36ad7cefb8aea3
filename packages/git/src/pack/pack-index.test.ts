import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { packOf, randomHistory } from '../../test/history.ts'
import { readWhole, type ReadResult } from '../../test/pack-reading.ts'
import type { RealRepository } from '../../test/real-git.ts'
import { cases, random } from '../../test/seed.ts'
import { utf8 } from '../bytes.ts'
import { GitError, MalformedError } from '../error.ts'
import { encodeOid, EMPTY_TREE, type Oid } from '../oid.ts'
import { nodeRuntime } from '../runtime/node.ts'
import { encodeStockIdx, openStockIdx } from './idx.ts'
import { NO_LINK } from './index-format.ts'
import { mergeIndexes, tableOfIndex } from './merge-indexes.ts'
import { openPackIndex, openPackIndexBytes, type PackIndex } from './pack-index.ts'
import { packRow, PackTable, type Links } from './pack-table.ts'
import { encodePack, type PackObject } from './write-pack.ts'

let git: RealRepository
let read: ReadResult
let index: PackIndex
beforeAll(async () => {
  cases(1)
  git = randomHistory({ files: 100, commits: 60, random: random() })
  read = await readWhole(packOf(git, [], ['--delta-base-offset']))
  index = await openPackIndexBytes(read.table.encodeIndex())
})
afterAll(() => git.remove())

/** The set of a tree's children, by following the index from tree to tree. */
async function childrenOf(opened: PackIndex, ordinal: number): Promise<Set<Oid>> {
  const row = (await opened.edges()).of(ordinal)
  if (row === undefined) throw new Error(`no row of ${opened.oid(ordinal)}`)
  const children = row.against === NO_LINK ? new Set<Oid>() : await childrenOf(opened, row.against)
  const oids = (links: Uint32Array) =>
    Array.from(links, (link) => opened.linkOid(link) ?? EMPTY_TREE)
  for (const oid of oids(row.removed)) children.delete(oid)
  for (const oid of oids(row.added)) children.add(oid)
  return children
}

function blobRow(oid: Oid, links?: Links) {
  const type = links?.kind ?? ('blob' as const)
  return packRow({ oid, offset: 12, length: 20, crc: 7, type, size: 11, base: undefined, links })
}

describe('an index', () => {
  it('finds every object of its pack, and no other', () => {
    for (let row = 0; row < read.table.count; row++) {
      const ordinal = index.find(read.table.oid(row))
      expect(index.oid(ordinal)).toBe(read.table.oid(row))
      expect(index.offset(ordinal)).toBe(read.table.offset(row))
      expect(index.length(ordinal)).toBe(read.table.length(row))
      expect([index.type(ordinal), index.size(ordinal)]).toEqual([
        read.table.type(row),
        read.table.size(row),
      ])
      expect(index.linkOid(index.base(ordinal))).toBe(read.table.base(row))
    }
    expect(index.find(EMPTY_TREE)).toBe(-1)
  })

  it('knows the checksum of every entry', async () => {
    const crcs = await index.crcs()
    expect(crcs[index.find(read.table.oid(5))]).toBe(read.table.crc(5))
  })

  it('knows tree, parents, time and generation of every commit as git does', async () => {
    const commits = await index.commits()
    const lines = git.run(['log', '--all', '--format=%H %ct %T %P']).split('\n')
    const depth = new Map<string, number>()
    for (const line of lines.toReversed()) {
      const [oid = '', time, tree, ...parents] = line.trim().split(' ')
      const row = commits.of(index.find(oid as Oid))
      const above = parents.map((parent) => depth.get(parent) ?? 0)
      depth.set(oid, 1 + Math.max(0, ...above))
      const links = Array.from(row?.parents ?? [], (link) => index.linkOid(link))
      expect([index.linkOid(row?.tree ?? NO_LINK), links]).toEqual([tree, parents])
      expect([row?.time, row?.generation]).toEqual([Number(time), depth.get(oid)])
    }
    expect(commits.count).toBe(lines.length)
  })

  // Seen to catch: `removed` and `added` swapped when rows are written.
  it('knows the children of every tree as git does', async () => {
    for (const ordinal of (await index.edges()).ordinals) {
      const lines = git.run(['ls-tree', index.oid(ordinal)]).split('\n')
      const fields = lines
        .map((line) => line.split(/[ \t]/))
        .filter(([, type]) => type !== 'commit')
      const oids = fields.map(([, , oid]) => oid ?? '')
      expect([...(await childrenOf(index, ordinal))].toSorted()).toEqual(
        [...new Set(oids)].toSorted(),
      )
    }
  })

  it('knows what tags name', async () => {
    const tags = await index.tags()
    const oids = Array.from(tags.ordinals, (ordinal) => index.linkOid(tags.of(ordinal) ?? NO_LINK))
    const theirs = git
      .run(['for-each-ref', 'refs/tags', '--format=%(object)'])
      .split('\n')
      .filter(Boolean)
    expect(oids.toSorted()).toEqual(theirs.toSorted())
  })

  it('becomes the same table again', async () => {
    const table = await tableOfIndex(index)
    expect(table.encodeIndex()).toEqual(read.table.encodeIndex())
    expect(encodeStockIdx(table, read.trailer, nodeRuntime)).toEqual(
      encodeStockIdx(read.table, read.trailer, nodeRuntime),
    )
  })

  it('is read in two requests, and its rows of trees when they are asked for', async () => {
    const table = new PackTable()
    for (let i = 0; i < 20_000; i++)
      table.addRaw(blobRow(`3${i.toString(16).padStart(39, '0')}` as Oid))
    table.addRaw(
      blobRow(EMPTY_TREE, { kind: 'tree', against: undefined, removed: [], added: [table.oid(7)] }),
    )
    const bytes = table.encodeIndex()
    const ends: number[] = []
    const opened = await openPackIndex(async (start, end) => {
      ends.push(end)
      return bytes.subarray(start, end)
    }, undefined)
    expect(opened.find(table.oid(19_999))).toBe(19_999)
    expect(ends.length).toBe(2)
    expect(Math.max(...ends)).toBeLessThan(bytes.length)
    expect((await opened.edges()).of(opened.find(EMPTY_TREE))?.added).toEqual(Uint32Array.of(7))
    expect(ends.length).toBe(3)
  })

  it('is read in one request where the number of its objects is known', async () => {
    const table = new PackTable()
    for (let i = 0; i < 10_000; i++) table.addRaw(blobRow(i.toString(16).padStart(40, '0') as Oid))
    const bytes = table.encodeIndex()
    const spans: number[][] = []
    const opened = await openPackIndex(
      async (...span) => {
        spans.push(span)
        return bytes.subarray(...span)
      },
      bytes.length,
      10_000,
    )
    expect(opened.find((9999).toString(16).padStart(40, '0') as Oid)).toBe(9999)
    expect(spans).toHaveLength(1)
    expect(spans[0]?.[1]).toBeLessThan(bytes.length)
  })

  it('is asked again for rows that could not be read the first time', async () => {
    const table = new PackTable()
    for (let i = 0; i < 20_000; i++)
      table.addRaw(blobRow(`3${i.toString(16).padStart(39, '0')}` as Oid))
    const bytes = table.encodeIndex()
    let fails = false
    const opened = await openPackIndex(async (start, end) => {
      if (fails) throw new Error('the bucket is on fire')
      return bytes.subarray(start, end)
    }, undefined)
    fails = true
    await expect(opened.crcs()).rejects.toThrow('on fire')
    fails = false
    expect((await opened.crcs())[0]).toBe(7)
  })

  it('may hold nothing', async () => {
    const empty = await openPackIndexBytes(new PackTable().encodeIndex())
    expect([empty.count, empty.find(EMPTY_TREE), (await empty.commits()).count]).toEqual([0, -1, 0])
  })

  it('holds offsets beyond 4 GiB', async () => {
    const table = new PackTable()
    table.addRaw({ ...blobRow(EMPTY_TREE), offset: 2 ** 33 + 5 })
    expect((await openPackIndexBytes(table.encodeIndex())).offset(0)).toBe(2 ** 33 + 5)
    const idx = openStockIdx(encodeStockIdx(table, new Uint8Array(20), nodeRuntime), nodeRuntime)
    expect([idx.offset(0), idx.crc(0), idx.find(encodeOid(EMPTY_TREE))]).toEqual([
      2 ** 33 + 5,
      7,
      0,
    ])
  })

  it('names an object once', () => {
    const table = new PackTable()
    table.addRaw(blobRow(EMPTY_TREE))
    table.addRaw(blobRow(EMPTY_TREE))
    expect(() => table.encodeIndex()).toThrow('twice')
  })

  it('leaves out what its trees would cost beyond 64 bytes an object', async () => {
    const table = new PackTable()
    const added = Array.from(
      { length: 1000 },
      (_, i) => `1${i.toString(16).padStart(39, '0')}` as Oid,
    )
    table.addRaw(blobRow(EMPTY_TREE, { kind: 'tree', against: undefined, removed: [], added }))
    const small = {
      kind: 'tree',
      against: EMPTY_TREE,
      removed: [],
      added: added.slice(0, 1),
    } as const
    table.addRaw(blobRow('2'.repeat(40) as Oid, small))
    const bytes = table.encodeIndex()
    expect(bytes.length).toBeLessThan(2000)
    const edges = await (await openPackIndexBytes(bytes)).edges()
    expect([edges.of(0)?.added.length, edges.of(1)]).toEqual([1, undefined])
  })
})

describe('a merged index', () => {
  it('finds an object in the first of the packs that hold it', async () => {
    const make = async (...texts: string[]) => {
      const bodies = texts.map((text) => utf8(text))
      const objects = bodies.map((body): PackObject => ({
        oid: git.run(['hash-object', '--stdin'], body) as Oid,
        type: 'blob',
        body,
      }))
      const { table } = await encodePack(nodeRuntime, objects)
      const index = await openPackIndexBytes(table.encodeIndex())
      return { index, oids: objects.map(({ oid }) => oid) }
    }
    const [one, two, three] = [await make('1', '2'), await make('2', '3'), await make('3', '4')]
    const [a, b, c] = [one.index, two.index, three.index]
    const ab = await mergeIndexes([
      { index: a, pack: 'a' },
      { index: b, pack: 'b' },
    ])
    const merged = await mergeIndexes([
      { index: await openPackIndexBytes(ab), pack: undefined },
      { index: c, pack: 'c' },
    ])
    const all = await openPackIndexBytes(merged)
    expect([all.count, all.packs]).toEqual([4, ['a', 'b', 'c']])
    const packs = [...one.oids, ...two.oids, ...three.oids].map(
      (oid) => all.packs[all.packOf(all.find(oid))],
    )
    expect(packs).toEqual(['a', 'a', 'a', 'b', 'b', 'c'])
    const [, last = EMPTY_TREE] = three.oids
    expect(all.offset(all.find(last))).toBe(c.offset(c.find(last)))
  })

  it('keeps commits and trees, and follows them from pack to pack', async () => {
    const half = await readWhole(packOf(git, ['main~20'], ['--delta-base-offset']))
    const rest = await readWhole(packOf(git, ['main', '^main~20'], ['--delta-base-offset']))
    const parts = await Promise.all(
      [half, rest].map(async ({ table }, i) => ({
        index: await openPackIndexBytes(table.encodeIndex()),
        pack: `p${i}`,
      })),
    )
    const merged = await openPackIndexBytes(await mergeIndexes(parts))
    const [commits, edges] = [await merged.commits(), await merged.edges()]
    expect(
      Array.from(commits.ordinals, (ordinal) => commits.of(ordinal)?.generation),
    ).not.toContain(0)
    for (const ordinal of edges.ordinals) {
      expect(await childrenOf(merged, ordinal)).toEqual(
        await childrenOf(index, index.find(merged.oid(ordinal))),
      )
    }
  })
})

describe('an index that somebody spoilt', () => {
  const open = async (bytes: Uint8Array) => {
    const opened = await openPackIndexBytes(bytes)
    const [commits, edges, tags] = [
      await opened.commits(),
      await opened.edges(),
      await opened.tags(),
    ]
    await opened.crcs()
    return { opened, rows: [commits, edges, tags] }
  }

  it('is refused when it is cut short, at every length', async () => {
    const { table } = await readWhole(packOf(git, ['main', '^main~2'], ['--depth=0']))
    const bytes = table.encodeIndex()
    for (let length = 0; length < bytes.length - 8; length++) {
      await expect(open(bytes.slice(0, length))).rejects.toThrow(MalformedError)
    }
  })

  it('is refused, or leads nowhere but into itself, whatever byte is changed', async () => {
    const next = random()
    const bytes = read.table.encodeIndex()
    let refused = 0
    for (let i = 0; i < 600; i++) {
      const spoilt = bytes.slice()
      // The first kilobytes hold the structure; the rest is columns.
      const at = Math.floor(next() * (i % 2 === 0 ? 1300 : bytes.length))
      spoilt[at] = Math.floor(next() * 256)
      try {
        const { opened, rows } = await open(spoilt)
        expect(opened.count).toBe(index.count)
        for (let ordinal = 0; ordinal < opened.count; ordinal++) {
          const base = opened.base(ordinal)
          expect(base === NO_LINK || opened.linkOid(base) !== undefined).toBe(true)
          for (const row of rows) row.of(ordinal)
        }
      } catch (error) {
        if (!(error instanceof GitError)) throw error
        refused++
      }
    }
    expect(refused).toBeGreaterThan(100)
  })

  it('is refused when it announces more than it has, before memory is taken for it', async () => {
    const bytes = read.table.encodeIndex()
    new DataView(bytes.buffer).setUint32(8, 0xfffffff0, true)
    await expect(open(bytes)).rejects.toThrow(MalformedError)
  })

  it('is refused when it is a stock index that is cut short, at every length', () => {
    const idx = encodeStockIdx(read.table, read.trailer, nodeRuntime)
    for (let length = 0; length < idx.length; length += 37) {
      expect(() => openStockIdx(idx.subarray(0, length), nodeRuntime)).toThrow(MalformedError)
    }
  })
})
