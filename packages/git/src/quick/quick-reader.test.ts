import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { packOf, randomHistory } from '../../test/history.ts'
import { PackPlace } from '../../test/pack-place.ts'
import { catFile, readWhole } from '../../test/pack-reading.ts'
import type { RealRepository } from '../../test/real-git.ts'
import { cases, random } from '../../test/seed.ts'
import { DamagedError } from '../error.ts'
import { nameObject } from '../object.ts'
import { ObjectLookup, type Located } from '../object-lookup.ts'
import { Objects } from '../objects.ts'
import type { Oid } from '../oid.ts'
import { encodePack } from '../pack/write-pack.ts'
import { PackWindows } from '../pack-windows.ts'
import { nodeRuntime } from '../runtime/node.ts'
import { WINDOW } from './kernel.ts'
import { openQuickReader, type QuickReader } from './quick-reader.ts'

let git: RealRepository
let place: PackPlace
let all: string[]
beforeAll(async () => {
  cases(1)
  git = randomHistory({ files: 80, commits: 60, random: random() })
  place = new PackPlace()
  const pack = packOf(git, ['main'], ['--delta-base-offset'])
  place.add('all', pack, (await readWhole(pack)).table)
  all = catFile(git, git.run(['rev-list', '--objects', '--no-object-names', 'main']).split('\n'))
})
afterAll(() => git.remove())

interface Reading {
  readonly reader: QuickReader
  /** Where an object is. */
  at(oid: Oid): Promise<Located>
}

async function reading(from: PackPlace): Promise<Reading> {
  const state = await from.read()
  const windows = new PackWindows(from.asPlace(), { size: WINDOW, limit: 32_000_000 })
  const reader = await openQuickReader(windows, state.packs, () => {})
  const lookup = new ObjectLookup(from.asPlace(), state)
  return {
    reader,
    async at(oid) {
      const [located] = await lookup.find(oid)
      if (located === undefined) throw new Error(`${oid} is nowhere`)
      return located
    },
  }
}

/** A pack of so many files of 4 kB that do not compress, which is many windows; some files lie in two. */
async function manyWindows(files: number): Promise<{ place: PackPlace; oids: Oid[] }> {
  const next = random()
  const objects = Array.from({ length: files }, () => {
    const body = Uint8Array.from({ length: 4000 }, () => Math.floor(next() * 256))
    return { type: 'blob' as const, body, oid: nameObject(nodeRuntime, { type: 'blob', body }) }
  })
  const place = new PackPlace()
  const { bytes, table } = await encodePack(nodeRuntime, objects)
  place.add('large', bytes, table)
  return { place, oids: objects.map(({ oid }) => oid) }
}

describe('the quick reader', () => {
  it('reads what git reads, deltas and all', async () => {
    const { reader, at } = await reading(place)
    const lines: string[] = []
    let deltas = 0
    for (const line of all) {
      const oid = line.slice(0, 40) as Oid
      const located = await at(oid)
      if (located.index.base(located.ordinal) < located.index.count) deltas++
      const object = await reader.read(located)
      if (object === undefined) continue
      expect(nameObject(nodeRuntime, object)).toBe(oid)
      lines.push(`${oid} ${object.type} ${object.body.length}`)
    }
    // What is empty is as quick elsewhere.
    expect(lines).toEqual(all.filter((line) => !line.endsWith(' 0')))
    expect(deltas).toBeGreaterThan(50)
  })

  it('lets windows go for others, and reads what lies in two', async () => {
    const { place, oids } = await manyWindows(3000)
    const { reader, at } = await reading(place)
    const next = random()
    place.requests = 0
    let inTwo = 0
    for (let i = 0; i < 700; i++) {
      const oid = oids[Math.floor(next() * oids.length)] as Oid
      const located = await at(oid)
      const start = located.index.offset(located.ordinal)
      const end = start + located.index.length(located.ordinal) - 1
      if (Math.floor(start / WINDOW) < Math.floor(end / WINDOW)) inTwo++
      const object = await reader.read(located)
      expect(object && nameObject(nodeRuntime, object)).toBe(oid)
    }
    expect(inTwo).toBeGreaterThan(3)
    // 46 windows, which all are kept outside of the kernel.
    expect(place.requests).toBeLessThan(30)
  })

  it('leaves the rest to others once JavaScript is fast, and its memory', async () => {
    const { reader, at } = await reading(place)
    const located = await at(all[0]?.slice(0, 40) as Oid)
    for (let i = 0; i < 1000; i++) expect(await reader.read(located)).toBeDefined()
    await reader.read(located)
    expect(reader.kernel).toBeUndefined()
    expect(await reader.read(located)).toBeUndefined()
  })

  it('never takes what is damaged for an object', async () => {
    const next = random()
    let refused = 0
    for (let i = 0; i < 20; i++) {
      const spoilt = new PackPlace()
      const pack = Uint8Array.from(place.bytesOf('all'))
      const { table } = await readWhole(pack)
      for (let flips = 0; flips < 40; flips++) {
        const at = 12 + Math.floor(next() * (pack.length - 32))
        pack[at] = (pack[at] ?? 0) ^ (1 << Math.floor(next() * 8))
      }
      spoilt.add('all', pack, table)
      const { reader, at } = await reading(spoilt)
      for (const line of all) {
        const oid = line.slice(0, 40) as Oid
        const object = await reader.read(await at(oid))
        if (object === undefined) refused++
        else expect(nameObject(nodeRuntime, object)).toBe(oid)
      }
    }
    expect(refused).toBeGreaterThan(300)
  })

  it('stands whatever an index says', async () => {
    const next = random()
    const { at } = await reading(place)
    const { pack, index } = await at(all[0]?.slice(0, 40) as Oid)
    const values = [0, 1, index.count, pack.size, pack.size - 20, 2 ** 31, 2 ** 32 - 1]
    for (let i = 0; i < 150; i++) {
      const look = index.look.slice()
      for (let k = 0; k < 50; k++) {
        const value = next() < 0.5 ? next() * 2 * index.count : values[Math.floor(next() * 7)]
        look[Math.floor(next() * 4 * index.count)] = value ?? 0
      }
      const { reader } = await reading(place)
      for (let k = 0; k < 30; k++) {
        const ordinal = Math.floor(next() * index.count)
        const object = await reader.read({ pack, index: { ...index, look }, ordinal })
        if (object !== undefined) expect(nameObject(nodeRuntime, object)).toBe(index.oid(ordinal))
      }
    }
  })
})

describe('objects that are read ahead', () => {
  it('are what git says, and damage is named as without', async () => {
    const oids = all.map((line) => line.slice(0, 40) as Oid)
    const objects = await Objects.open(place.asPlace(), nodeRuntime, { ahead: true })
    for (const [i, oid] of oids.entries()) {
      const { type, body } = await objects.read(oid)
      expect(`${oid} ${type} ${body.length}`).toBe(all[i])
    }
    const spoilt = new PackPlace()
    const pack = Uint8Array.from(place.bytesOf('all'))
    spoilt.add('all', pack, (await readWhole(pack)).table)
    pack.fill(0xff, 20, pack.length - 20)
    const others = await Objects.open(spoilt.asPlace(), nodeRuntime, { ahead: true })
    await expect(others.read(oids[0] as Oid)).rejects.toThrow(DamagedError)
  })
})
