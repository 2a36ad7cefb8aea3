import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { packOf, randomHistory } from '../../test/history.ts'
import { PackPlace } from '../../test/pack-place.ts'
import { basesOf, readWhole, tableLines } from '../../test/pack-reading.ts'
import { RealRepository } from '../../test/real-git.ts'
import { cases, random } from '../../test/seed.ts'
import { collect } from '../../test/support/hostile.ts'
import { MalformedError, MissingError } from '../error.ts'
import { Objects } from '../objects.ts'
import type { Oid } from '../oid.ts'
import { nodeRuntime } from '../runtime/node.ts'
import { completePack, missingBases } from './complete-pack.ts'
import { copyPack } from './copy-pack.ts'
import { encodeStockIdx } from './idx.ts'
import { findRow, PackTable, unpackRow } from './pack-table.ts'

let git: RealRepository
let place: PackPlace
/** Everything, and what `main~15` does not reach. */
let all: Oid[]
let recent: Oid[]
beforeAll(async () => {
  cases(1)
  git = randomHistory({ files: 100, commits: 60, random: random() })
  place = new PackPlace()
  // Three packs as three pushes leave them, the later ones thin.
  const spans = [['main~30'], ['main~15', '^main~30'], ['main', '^main~15']]
  for (const [i, revisions] of spans.entries()) {
    const pack = packOf(git, revisions, ['--thin', '--delta-base-offset'])
    const { table } = await readWhole(pack, { resolveBase: basesOf(git) })
    place.add(`pack-${i}`, pack, table)
  }
  all = listed(['main'])
  recent = listed(['main', '^main~15'])
})
afterAll(() => git.remove())

function listed(revisions: readonly string[]): Oid[] {
  return git.run(['rev-list', '--objects', '--no-object-names', ...revisions]).split('\n') as Oid[]
}

function open(from = place): Promise<Objects> {
  return Objects.open(from.asPlace(), nodeRuntime)
}

describe('a copy of everything', () => {
  it('is a pack of its own that git accepts', async () => {
    const pack = await collect(copyPack(await open(), all))
    const other = new RealRepository()
    try {
      other.run(['index-pack', '--stdin', '--strict'], pack)
      expect(
        other.run(['cat-file', '--batch-all-objects', '--batch-check=%(objectname)']).split('\n'),
      ).toEqual(all.toSorted())
    } finally {
      other.remove()
    }
  })

  it('keeps the deltas whose bases it holds', async () => {
    const table = new PackTable()
    const pack = await collect(copyPack(await open(), all, { table, checks: true }))
    const deltas = Array.from({ length: table.count }, (_, row) => table.base(row)).filter(Boolean)
    const before = (await readWhole(packOf(git, ['main'], ['--delta-base-offset']))).table
    const theirs = Array.from({ length: before.count }, (_, row) => before.base(row)).filter(
      Boolean,
    )
    expect(deltas.length).toBeGreaterThan(theirs.length / 2)
    const read = await readWhole(pack)
    expect(tableLines({ table })).toEqual(tableLines(read))
    expect(encodeStockIdx(table, read.trailer, nodeRuntime)).toEqual(
      encodeStockIdx(read.table, read.trailer, nodeRuntime),
    )
  })

  it('names bases by oid for those who cannot read distances', async () => {
    const pack = await collect(copyPack(await open(), all, { usesDistance: false }))
    expect(tableLines(await readWhole(pack))).toHaveLength(all.length)
    const file = join(git.folder, 'refs.pack')
    writeFileSync(file, pack)
    git.run(['index-pack', file])
  })
})

describe('a copy of some', () => {
  it('is thin only against what the receiver has', async () => {
    const has = new Set(listed(['main~15']))
    const thin = await collect(
      copyPack(await open(), recent, { receiverHas: (oid) => has.has(oid) }),
    )
    const read = await readWhole(thin, { resolveBase: basesOf(git) })
    expect(read.outside.every((oid) => has.has(oid))).toBe(true)
    expect(read.outside.length).toBeGreaterThan(0)
    const fat = await readWhole(await collect(copyPack(await open(), recent)))
    expect(tableLines(fat)).toEqual(tableLines(read))
    expect(fat.size).toBeGreaterThan(read.size)
  })

  it('tells trees by others only that the receiver will have', async () => {
    const table = new PackTable()
    const old = git.run(['rev-list', '--objects', '--no-object-names', '--max-count=1', 'main~45'])
    await collect(copyPack(await open(), old.split('\n') as Oid[], { table }))
    let trees = 0
    for (let row = 0; row < table.count; row++) {
      const links = unpackRow(table.rawRow(row)).links
      if (links?.kind !== 'tree') continue
      if (links.against !== undefined) expect(findRow(table, links.against)).not.toBe(-1)
      trees++
    }
    expect(trees).toBeGreaterThan(3)
  })

  it('goes on when a pack is replaced in the middle', async () => {
    const moving = new PackPlace()
    const whole = packOf(git, ['main'], ['--delta-base-offset'])
    const { table } = await readWhole(whole)
    moving.add('old', whole, table)
    const objects = await Objects.open(moving.asPlace(), nodeRuntime, {
      window: 4096,
      bytes: 20_000,
    })
    const source = copyPack(objects, all)
    const first = await source.next()
    moving.add('new', whole, table)
    moving.remove('old')
    const rest = await collect({ [Symbol.asyncIterator]: () => source })
    const pack = Buffer.concat([first.value ?? new Uint8Array(0), rest])
    expect(tableLines(await readWhole(pack))).toHaveLength(all.length)
  })

  it('is no pack when an object is missing', async () => {
    const missing = 'b'.repeat(40) as Oid
    await expect(collect(copyPack(await open(), [missing]))).rejects.toThrow(MissingError)
  })

  it('finds decayed bytes by their checksum, when it is to', async () => {
    const decayed = new PackPlace()
    const pack = packOf(git, ['main'], ['--delta-base-offset']).slice()
    const { table } = await readWhole(pack)
    const at = table.offset(40) + table.length(40) - 3
    pack[at] = (pack[at] ?? 0) ^ 1
    decayed.add('pack', pack, table)
    await expect(collect(copyPack(await open(decayed), all, { checks: true }))).rejects.toThrow(
      MalformedError,
    )
  })
})

it('completes a thin pack as git index-pack --fix-thin does', async () => {
  let bytes = packOf(git, ['main', '^main~15'], ['--thin', '--delta-base-offset']).slice()
  const { table, outside } = await readWhole(bytes, { resolveBase: basesOf(git) })
  expect(missingBases(table).toSorted()).toEqual(outside.toSorted())
  const file = {
    size: bytes.length,
    read: async (start: number, end: number) => bytes.subarray(start, end),
    async write(offset: number, piece: Uint8Array) {
      const larger = new Uint8Array(Math.max(bytes.length, offset + piece.length))
      larger.set(bytes)
      larger.set(piece, offset)
      bytes = larger
    },
  }
  const done = await completePack(file, table, { runtime: nodeRuntime, resolveBase: basesOf(git) })
  expect(done.size).toBe(bytes.length)
  expect(done.added.toSorted()).toEqual(outside.toSorted())
  const path = join(git.folder, 'completed.pack')
  writeFileSync(path, bytes)
  git.run(['index-pack', '--strict', path])
  const read = await readWhole(bytes)
  expect(read.outside).toEqual([])
  expect(encodeStockIdx(table, done.trailer, nodeRuntime)).toEqual(
    encodeStockIdx(read.table, read.trailer, nodeRuntime),
  )
})
