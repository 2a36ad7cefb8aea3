import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { memoryPlace } from '../../../storage/src/memory.ts'
import { randomHistory } from '../../test/history.ts'
import { RealRepository } from '../../test/real-git.ts'
import { random } from '../../test/seed.ts'
import { collect } from '../../test/support/hostile.ts'
import { load } from '../../test/support/load.ts'
import { text } from '../bytes.ts'
import { Objects } from '../objects.ts'
import { parseOid, type Oid } from '../oid.ts'
import { OFS_DELTA, REF_DELTA } from '../pack/entry.ts'
import { PackTable } from '../pack/pack-table.ts'
import type { Place, State } from '../place.ts'
import { nodeRuntime } from '../runtime/node.ts'
import { selectObjects } from './select.ts'
import { servePack, streamPack } from './serve.ts'

let git: RealRepository
let place: Place
let tip: Oid

beforeEach(async () => {
  git = randomHistory({ files: 40, commits: 30, random: random() })
  place = memoryPlace()
  tip = parseOid(git.run(['rev-parse', 'main']))
  git.run(['update-ref', 'refs/heads/main', 'main~5'])
  await load(place, git.folder)
  git.run(['update-ref', 'refs/heads/main', tip])
  await load(place, git.folder, ['--thin'])
})
afterEach(() => git.remove())

/** How many objects Git finds in the pack, all of them sound. */
function check(pack: Uint8Array): number {
  const target = new RealRepository()
  target.bytes(['index-pack', '--stdin', '--strict'], pack)
  target.run(['update-ref', 'refs/heads/main', tip])
  target.run(['fsck', '--strict', '--no-dangling'])
  const count = target.run(['rev-list', '--objects', 'main']).split('\n').length
  target.remove()
  return count
}

/** The kind of each entry, from 1 to 7, as it stands in the pack. */
function kindsOf(pack: Uint8Array): number[] {
  const path = join(git.folder, 'kinds.pack')
  writeFileSync(path, pack)
  git.run(['index-pack', path])
  const listed = git.bytes(['show-index'], readFileSync(path.replace(/pack$/, 'idx')))
  const offsets = text(listed)
    .trim()
    .split('\n')
    .map((row) => Number(row.split(' ')[0]))
  return offsets.map((offset) => ((pack[offset] ?? 0) >> 4) & 7)
}

/** The place with another look at its state. */
function seenAs(change: (state: State) => State): Place {
  return { ...place, read: async (options) => change(await place.read(options)) }
}

describe('serving', () => {
  it('passes nothing on as it is that nobody verified', async () => {
    const unverified = seenAs((state) => ({
      ...state,
      packs: state.packs.map((pack) => ({ ...pack, verified: false })),
    }))
    const objects = await Objects.open(unverified, nodeRuntime)
    const selection = await selectObjects(objects, { wants: [tip], haves: [] })
    expect(selection.whole).toBeUndefined()
    const table = new PackTable()
    expect(check(await collect(streamPack(objects, selection, { thin: false, table })))).toBe(
      selection.count,
    )
    for (let row = 0; row < table.count; row++) expect(table.base(row)).toBeUndefined()
  })

  it('goes on from elsewhere when a pack was replaced meanwhile', async () => {
    const objects = await Objects.open(place, nodeRuntime)
    const selection = await selectObjects(objects, { wants: [tip], haves: [] })
    const table = new PackTable()
    const everything = await selectObjects(objects, {
      wants: [...(await tips(objects))],
      haves: [],
    })
    const writer = await place.writePack()
    for await (const piece of streamPack(objects, everything, { thin: false, table }))
      await writer.write(piece)
    const staged = await writer.finish({ table, needs: [], verified: true })
    const old = objects.state.packs.map(({ id }) => id)
    const log = { who: '', why: 'merge packs' }
    await place.update({ id: 'b'.repeat(32), refs: [], addPacks: [staged], removePacks: old, log })
    await place.sweep({ grace: 0 })
    const other = await Objects.open(place, nodeRuntime)
    expect(other.state.packs.map(({ id }) => id)).toEqual([staged.id])
    expect(check(await collect(streamPack(objects, selection, { thin: false })))).toBe(
      selection.count,
    )
  })

  it('goes on from elsewhere when the pack that was to be passed on as it is has been replaced', async () => {
    const one = memoryPlace()
    await load(one, git.folder)
    const objects = await Objects.open(one, nodeRuntime)
    const wants = [...(await tips(objects))]
    const selection = await selectObjects(objects, { wants, haves: [] })
    expect(selection.whole).toBeDefined()
    const writer = await one.writePack()
    // The same objects in another pack.
    const table = new PackTable()
    for await (const piece of streamPack(objects, selection, { thin: false, table }))
      await writer.write(piece)
    const staged = await writer.finish({ table, needs: [], verified: true })
    const removePacks = objects.state.packs.map(({ id }) => id)
    const log = { who: '', why: 'merge packs' }
    await one.update({ id: 'b'.repeat(32), refs: [], addPacks: [staged], removePacks, log })
    await one.sweep({ grace: 0 })
    const main = git.run(['rev-list', '--objects', 'main']).split('\n')
    expect(check(await collect(streamPack(objects, selection, { thin: false })))).toBe(main.length)
  })

  it('fails when a pack ends early, and never ends as if it had not', async () => {
    const shorter: Place = {
      ...place,
      readPack: (id, start, end) =>
        place.readPack(id, start, start + Math.floor((end - start) / 2)),
      streamPack: (id, start, end) =>
        place.streamPack(id, start, start + Math.floor((end - start) / 2)),
    }
    const objects = await Objects.open(shorter, nodeRuntime)
    await expect(
      collect(servePack(objects, { wants: [tip], haves: [], thin: false })),
    ).rejects.toThrow('Cannot read')
  })

  it('names a base in the same pack by its distance, unless the receiver knows names only', async () => {
    const objects = await Objects.open(place, nodeRuntime)
    const named = { wants: [tip], haves: [], thin: false }
    const kinds = kindsOf(await collect(servePack(objects, { ...named, usesDistance: true })))
    expect(kinds).toContain(OFS_DELTA)
    expect(kinds).not.toContain(REF_DELTA)
    const old = kindsOf(await collect(servePack(objects, { ...named, usesDistance: false })))
    expect(old).toContain(REF_DELTA)
    expect(old).not.toContain(OFS_DELTA)
  })

  // Seen to fail when a piece in which the rest begins is passed on whole.
  it('makes the same bytes each time, and their rest from wherever it is asked for', async () => {
    const thin = [parseOid(git.run(['rev-parse', 'main~5']))]
    for (const haves of [[], thin]) {
      const make = async (from?: number): Promise<Uint8Array> => {
        const objects = await Objects.open(place, nodeRuntime)
        const selection = await selectObjects(objects, { wants: [tip], haves })
        const table = new PackTable()
        const made = await collect(streamPack(objects, selection, { thin: true, table, from }))
        expect(table.count).toBe(selection.count)
        return made
      }
      const all = await make()
      for (const from of [0, 1, 11, Math.floor(all.length / 2), all.length - 20, all.length])
        expect(await make(from)).toEqual(all.subarray(from))
    }
  })

  it('reads of a pack that is passed on as it is only what is asked for', async () => {
    const read: number[] = []
    const only = memoryPlace()
    await load(only, git.folder)
    const watched: Place = {
      ...only,
      streamPack(id, start, end) {
        read.push(start)
        return only.streamPack(id, start, end)
      },
    }
    const objects = await Objects.open(watched, nodeRuntime)
    const wants = [...(await tips(objects))]
    const selection = await selectObjects(objects, { wants, haves: [] })
    expect(selection.whole).toBeDefined()
    const all = await collect(streamPack(objects, selection, { thin: true }))
    read.length = 0
    for (const from of [1, 1000, all.length])
      expect(await collect(streamPack(objects, selection, { thin: true, from }))).toEqual(
        all.subarray(from),
      )
    expect(read).toEqual([1, 1000])
  })

  it('stops when it is told to', async () => {
    const objects = await Objects.open(place, nodeRuntime)
    const selection = await selectObjects(objects, { wants: [tip], haves: [] })
    const reason = new Error('never mind')
    const pack = streamPack(objects, selection, { thin: false, signal: AbortSignal.abort(reason) })
    await expect(collect(pack)).rejects.toBe(reason)
  })
})

async function tips(objects: Objects): Promise<Set<Oid>> {
  const oids = new Set<Oid>()
  for await (const { oid } of objects.state.refs()) oids.add(oid)
  return oids
}
