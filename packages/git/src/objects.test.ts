import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'

import { packOf, randomHistory } from '../test/history.ts'
import { PackPlace } from '../test/pack-place.ts'
import { basesOf, catFile, readWhole } from '../test/pack-reading.ts'
import type { RealRepository } from '../test/real-git.ts'
import { cases, random } from '../test/seed.ts'
import { utf8 } from './bytes.ts'
import { MalformedError, MissingError, NotHereError } from './error.ts'
import { nameObject, type GitObject } from './object.ts'
import { Objects } from './objects.ts'
import type { Oid } from './oid.ts'
import { makeDelta } from './pack/delta.ts'
import { mergeIndexes } from './pack/merge-indexes.ts'
import { openPackIndexBytes } from './pack/pack-index.ts'
import { encodePack, type PackObject } from './pack/write-pack.ts'
import type { Place } from './place.ts'
import { nodeRuntime } from './runtime/node.ts'
import { encodeTree } from './tree.ts'

let git: RealRepository
let place: PackPlace
let all: string[]
beforeAll(async () => {
  cases(1)
  git = randomHistory({ files: 80, commits: 60, random: random() })
  place = new PackPlace()
  const spans = [['main~30'], ['main~15', '^main~30'], ['main', '^main~15']]
  for (const [i, revisions] of spans.entries()) {
    const pack = packOf(git, revisions, ['--thin', '--delta-base-offset'])
    const { table } = await readWhole(pack, { resolveBase: basesOf(git) })
    place.add(`pack-${i}`, pack, table)
  }
  all = catFile(git, git.run(['rev-list', '--objects', '--no-object-names', 'main']).split('\n'))
})
afterAll(() => git.remove())

function named(text: string): PackObject & { readonly body: Uint8Array } {
  const object: GitObject = { type: 'blob', body: utf8(text) }
  return { ...object, oid: nameObject(nodeRuntime, object) }
}

function open(from: PackPlace): Promise<Objects> {
  return Objects.open(from.asPlace(), nodeRuntime)
}

function asPlace(from: PackPlace): Place {
  const { read, readPack, readIndex, streamPack } = from
  const own = { read, readPack, readIndex, streamPack }
  for (const [name, method] of Object.entries(own))
    Object.assign(own, { [name]: method.bind(from) })
  // Only reading is asked of it here.
  return own as unknown as Place
}

async function addPack(to: PackPlace, id: string, ...objects: PackObject[]): Promise<void> {
  const { bytes, table } = await encodePack(nodeRuntime, objects)
  to.add(id, bytes, table)
}

const nobody = 'b'.repeat(40) as Oid

describe('objects in several thin packs', () => {
  it('are what git says', async () => {
    const objects = await open(place)
    const lines: string[] = []
    for (const line of all) {
      const oid = line.slice(0, 40) as Oid
      const { type, body } = await objects.read(oid)
      expect(nameObject(nodeRuntime, { type, body })).toBe(oid)
      expect(await objects.stat(oid)).toEqual({ type, size: body.length })
      lines.push(`${oid} ${type} ${body.length}`)
    }
    expect(lines).toEqual(all)
  })

  it('are read many at a time, each once, with few requests', async () => {
    const objects = await open(place)
    const oids = all.map((line) => line.slice(0, 40) as Oid)
    place.requests = 0
    const lines: string[] = []
    for await (const { oid, type, body } of objects.readMany([...oids, ...oids]))
      lines.push(`${oid} ${type} ${body.length}`)
    expect(lines.toSorted()).toEqual(all)
    expect(place.requests).toBeLessThan(10)
  })

  it('are read while hardly anything is kept in memory', async () => {
    const objects = await Objects.open(place.asPlace(), nodeRuntime, { bytes: 0, window: 100 })
    for (const line of all.slice(0, 200)) {
      const oid = line.slice(0, 40) as Oid
      expect(nameObject(nodeRuntime, await objects.read(oid))).toBe(oid)
    }
  })

  it('name the same as git says, out of the index', async () => {
    const objects = await open(place)
    const [commit, tree, ...parents] = git
      .run(['log', '-1', '--format=%H %T %P', 'main'])
      .split(' ') as Oid[]
    expect(await objects.links(commit ?? nobody)).toMatchObject({ kind: 'commit', tree, parents })
    const links = await objects.links(tree ?? nobody)
    expect(links?.kind).toBe('tree')
    const blob = all.find((line) => line.includes(' blob '))?.slice(0, 40) as Oid
    expect(await objects.links(blob)).toBeUndefined()
  })

  it('are there or not', async () => {
    const objects = await open(place)
    expect(await objects.has(all[0]?.slice(0, 40) as Oid)).toBe(true)
    expect(await objects.has(nobody)).toBe(false)
  })
})

it('follows a chain of deltas that move everything, the last one first and each again', async () => {
  const line = (i: number) => `line ${i} of ${'many '.repeat(i)}\n`
  const versions = Array.from({ length: 8 }, (_, i) =>
    named(Array.from({ length: i + 4 }, (_, k) => line((k * 5 + i) % 9)).join('')),
  )
  const chain = versions.map((version, i) => {
    const before = versions[i - 1]
    if (before === undefined) return version
    return { ...version, delta: { base: before.oid, bytes: makeDelta(before.body, version.body) } }
  })
  const deep = new PackPlace()
  await addPack(deep, 'chain', ...chain)
  const objects = await open(deep)
  for (const { oid, body } of [...versions.toReversed(), ...versions])
    expect((await objects.read(oid)).body).toEqual(body)
})

it('looks for indexes and the newest packs before anything is read, where it is told to', async () => {
  const small = new PackPlace()
  const [old, recent] = [named('old'), named('recent')]
  await addPack(small, 'old', old)
  await addPack(small, 'recent', recent)
  const from = asPlace(small)
  const indexes: string[] = []
  const readIndex: Place['readIndex'] = (id, ...span) => {
    indexes.push(id)
    return from.readIndex(id, ...span)
  }
  const objects = await Objects.open({ ...from, readIndex }, nodeRuntime, { ahead: true })
  expect(indexes).toEqual(['old', 'recent'])
  await vi.waitFor(() => expect(small.requests).toBe(2))
  expect((await objects.read(recent.oid)).body).toEqual(recent.body)
  expect((await objects.read(old.oid)).body).toEqual(old.body)
  expect([indexes, small.requests]).toEqual([['old', 'recent'], 2])
})

describe('an object that is not there', () => {
  it('is missing', async () => {
    await expect((await open(place)).read(nobody)).rejects.toThrow(MissingError)
  })

  it('is not here when it was left with a remote', async () => {
    const partial = new PackPlace()
    partial.promised.set(nobody, 'origin')
    const objects = await open(partial)
    await expect(objects.read(nobody)).rejects.toThrow(NotHereError)
    expect(await objects.has(nobody)).toBe(false)
  })

  it('is not here when the base of its delta was left with a remote', async () => {
    const [base, top] = [named('a line\n'.repeat(20)), named(`${'a line\n'.repeat(20)}more\n`)]
    const partial = new PackPlace()
    await addPack(partial, 'thin', {
      ...top,
      delta: { base: base.oid, bytes: makeDelta(base.body, top.body) },
    })
    const objects = await open(partial)
    await expect(objects.read(top.oid)).rejects.toThrow(MissingError)
    partial.promised.set(base.oid, 'origin')
    await expect(objects.read(top.oid)).rejects.toThrow(NotHereError)
  })

  it('is found when it came after the state was read', async () => {
    const growing = new PackPlace()
    const objects = await open(growing)
    const late = named('late')
    await addPack(growing, 'new', late)
    expect((await objects.read(late.oid)).body).toEqual(late.body)
  })
})

describe('a pack that vanishes', () => {
  it('is looked for again where the state says', async () => {
    const moving = new PackPlace()
    const [one, two] = [named('one'), named('two')]
    await addPack(moving, 'old', one, two)
    const objects = await open(moving)
    await objects.has(one.oid)
    await addPack(moving, 'merged', one, two)
    moving.remove('old')
    expect((await objects.read(two.oid)).body).toEqual(two.body)
    expect(objects.state.packs.map(({ id }) => id)).toEqual(['merged'])
  })

  it('takes nothing out of a search that is under way', async () => {
    const moving = new PackPlace()
    const [one, two] = [named('one'), named('two')]
    await addPack(moving, 'old', one)
    const slow = Promise.withResolvers<void>()
    const readIndex: PackPlace['readIndex'] = async (...span) => {
      if (span[0] === 'new') await slow.promise
      return moving.readIndex(...span)
    }
    await addPack(moving, 'new', two)
    const objects = await Objects.open({ ...asPlace(moving), readIndex }, nodeRuntime)
    const search = objects.has(one.oid)
    await addPack(moving, 'merged', one, two)
    moving.remove('old')
    await objects.refresh()
    slow.resolve()
    expect(await search).toBe(true)
  })

  it('is looked for again by who reads with others that have gone over to a newer state', async () => {
    const moving = new PackPlace()
    const one = named('one')
    await addPack(moving, 'old', one)
    const objects = await open(moving)
    const read = objects.read(one.oid)
    await addPack(moving, 'newer', one)
    moving.remove('old')
    await objects.refresh()
    await addPack(moving, 'newest', one)
    moving.remove('newer')
    expect((await read).body).toEqual(one.body)
  })

  it('is corruption when the state still lists it', async () => {
    const lossy = new PackPlace()
    const one = named('one')
    await addPack(lossy, 'lost', one)
    const objects = await open(lossy)
    lossy.lose('lost')
    await expect(objects.read(one.oid)).rejects.toThrow('corrupt')
  })
})

describe('what is stored is not believed', () => {
  it('when its name is another, and another copy is read instead', async () => {
    const one = named('one, and long enough to be found')
    const twice = new PackPlace()
    await addPack(twice, 'bad', { ...one, body: utf8('two, and long enough to be found') })
    const objects = await open(twice)
    await expect(objects.read(one.oid)).rejects.toThrow(MalformedError)
    await addPack(twice, 'good', one)
    await objects.refresh()
    expect((await objects.read(one.oid)).body).toEqual(one.body)
  })

  it('when bytes have decayed', async () => {
    const one = named('one, and long enough to be found')
    const decayed = new PackPlace()
    await addPack(decayed, 'pack', one)
    const bytes = decayed.bytesOf('pack')
    for (let at = 12; at < bytes.length - 20; at++) {
      bytes[at] = (bytes[at] ?? 0) ^ 0x10
      const read = (await open(decayed)).read(one.oid)
      // The last bits of a stream may mean nothing: then the object is what it was.
      const found = await read.then(
        ({ body }) => Buffer.compare(body, one.body),
        (error: unknown) => error,
      )
      if (found !== 0) expect(found).toBeInstanceOf(MalformedError)
      bytes[at] = (bytes[at] ?? 0) ^ 0x10
    }
  })

  it('when deltas go in a circle', async () => {
    const [one, two] = [named('one line\n'.repeat(9)), named('two line\n'.repeat(9))]
    const circle = new PackPlace()
    await addPack(circle, 'a', {
      ...one,
      delta: { base: two.oid, bytes: makeDelta(two.body, one.body) },
    })
    await addPack(circle, 'b', {
      ...two,
      delta: { base: one.oid, bytes: makeDelta(one.body, two.body) },
    })
    await expect((await open(circle)).read(one.oid)).rejects.toThrow('circle')
  })

  it('nor are links, of a pack that nobody verified', async () => {
    const tree = {
      type: 'tree',
      body: new Uint8Array(0),
      oid: '4b825dc642cb6eb9a060e54bf8d69288fbee4904' as Oid,
    } as const
    const links = { kind: 'tree', against: undefined, removed: [], added: [nobody] } as const
    const { bytes, table } = await encodePack(nodeRuntime, [{ ...tree, links }])
    const unverified = new PackPlace()
    unverified.add('pack', bytes, table, false)
    expect(await (await open(unverified)).links(tree.oid)).toMatchObject({ added: [] })
  })
})

it('tells a tree in full when the one that it was told by is gone', async () => {
  const blob = named('content')
  const body = encodeTree([{ mode: 0o100644, name: 'a', oid: blob.oid }])
  const tree = { type: 'tree', body, oid: nameObject(nodeRuntime, { type: 'tree', body }) } as const
  const links = { kind: 'tree', against: nobody, removed: [], added: [] } as const
  const alone = new PackPlace()
  await addPack(alone, 'pack', blob, { ...tree, links })
  const whole = { kind: 'tree', against: undefined, removed: [], added: [blob.oid] }
  expect(await (await open(alone)).links(tree.oid)).toEqual(whole)
})

describe('many packs', () => {
  it('are searched as one: the oldest copy wins, the verified one first', async () => {
    const many = new PackPlace()
    const shared = named('shared')
    const { bytes, table } = await encodePack(nodeRuntime, [shared])
    many.add('unverified', bytes, table, false)
    for (let i = 0; i < 300; i++) await addPack(many, `p${i}`, shared, named(`own ${i}`))
    const objects = await open(many)
    for (let i = 0; i < 300; i++) {
      const [found] = await objects.locate(named(`own ${i}`).oid)
      expect(found?.pack.id).toBe(`p${i}`)
    }
    many.remove('p0')
    await objects.refresh()
    expect(await objects.has(named('own 0').oid)).toBe(false)
    expect(await objects.has(named('own 1').oid)).toBe(true)
    expect((await objects.read(shared.oid)).body).toEqual(shared.body)
  })

  it('are asked before a catalog when they are older than what it names, and verified', async () => {
    const [shared, other] = [named('shared'), named('other')]
    const place = new PackPlace()
    await addPack(place, 'base', shared)
    const { bytes, table } = await encodePack(nodeRuntime, [shared])
    place.add('unverified', bytes, table, false)
    const late = await encodePack(nodeRuntime, [shared, other])
    place.add('late', late.bytes, late.table)
    const index = await openPackIndexBytes(late.table.encodeIndex())
    const catalog = await mergeIndexes([{ index, pack: 'late' }])
    const read = async (start: number, end: number) => catalog.subarray(start, end)
    place.catalogs = [{ covers: ['late'], size: catalog.length, read }]
    await addPack(place, 'newest', shared, other)
    const objects = await open(place)
    const [oldest] = await objects.locate(shared.oid)
    expect(oldest?.pack.id).toBe('base')
    const [covered] = await objects.locate(other.oid)
    expect(covered?.pack.id).toBe('late')
  })

  it('are searched by their catalog, also when it is older than they are', async () => {
    const [one, two, three] = [named('one'), named('two'), named('three')]
    const covered = new PackPlace()
    const parts = []
    for (const [pack, held] of [
      ['a', [one]],
      ['b', [two, one]],
    ] as const) {
      const { bytes, table } = await encodePack(nodeRuntime, held)
      covered.add(pack, bytes, table)
      parts.push({ index: await openPackIndexBytes(table.encodeIndex()), pack })
    }
    const catalog = await mergeIndexes(parts)
    covered.catalogs = [
      {
        covers: ['a', 'b'],
        size: catalog.length,
        read: async (start, end) => catalog.subarray(start, end),
      },
    ]
    await addPack(covered, 'c', three)
    const objects = await open(covered)
    for (const each of [one, two, three])
      expect((await objects.read(each.oid)).body).toEqual(each.body)
    covered.remove('a')
    await objects.refresh()
    expect((await objects.locate(one.oid)).map(({ pack }) => pack.id)).toEqual(['b'])
  })
})
