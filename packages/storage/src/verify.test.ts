import { utf8 } from '@datakit/git/bytes'
import { nameObject, type ObjectType } from '@datakit/git/object'
import { Objects } from '@datakit/git/objects'
import type { Oid } from '@datakit/git/oid'
import { rowsOfIndex } from '@datakit/git/pack/index-table'
import { openPackIndexBytes } from '@datakit/git/pack/pack-index'
import { packRow, PackTable, unpackRow, type PackRow } from '@datakit/git/pack/pack-table'
import { encodePack, type PackObject } from '@datakit/git/pack/write-pack'
import type { Place } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { encodeTree } from '@datakit/git/tree'
import { expect, it } from 'vitest'
import { blob, done, oid, request } from '../test/samples.ts'
import { compact } from './maintenance.ts'
import { memoryPlace } from './memory.ts'
import { verifyPacks } from './verify.ts'

type Named = PackObject & { readonly oid: Oid }

function named(type: ObjectType, body: Uint8Array): Named {
  return { type, body, oid: nameObject(nodeRuntime, { type, body }) }
}

function tree(...children: readonly Named[]): Named {
  const entries = children.map((child, i) => ({ mode: 0o100644, name: `f${i}`, oid: child.oid }))
  return named('tree', encodeTree(entries))
}

function commit(of: Named, parents: readonly Oid[], seconds: number): Named {
  const ada = `Ada <ada@example.org> ${seconds} +0000`
  const lines = [`tree ${of.oid}`, ...parents.map((parent) => `parent ${parent}`)]
  return named('commit', utf8(`${lines.join('\n')}\nauthor ${ada}\ncommitter ${ada}\n\nedit\n`))
}

/** Keeps a pack that nobody verified, under an index with rows as `change` makes them. */
async function keep(
  place: Place,
  objects: readonly PackObject[],
  change: (row: PackRow) => PackRow = (row) => row,
): Promise<void> {
  const { bytes, table } = await encodePack(nodeRuntime, objects)
  const claimed = new PackTable()
  for (const row of await rowsOfIndex(await openPackIndexBytes(table.encodeIndex())))
    claimed.addRaw(packRow(change(unpackRow(row))))
  const writer = await place.writePack()
  await writer.write(bytes)
  const staged = await writer.finish({ table: claimed, needs: [], verified: false })
  await done(place, request([], { addPacks: [staged] }))
}

const [one, two] = [blob('one'), blob('two')]
const [first, second] = [tree(one), tree(one, two)]
const root = commit(first, [], 1_000_000_000)
const child = commit(second, [root.oid], 1_000_000_100)
const history = [child, root, second, first, two, one]

it('marks packs that are what their index says, and lets them be merged', async () => {
  const place = memoryPlace()
  await keep(place, history)
  await keep(place, [commit(first, [child.oid], 1_000_000_200)])
  expect(await compact(place, nodeRuntime)).toEqual({ merged: 0 })
  expect(await verifyPacks(place, nodeRuntime)).toEqual({ verified: 2, damaged: [] })
  expect((await place.read()).packs.map(({ verified }) => verified)).toEqual([true, true])
  expect(await verifyPacks(place, nodeRuntime)).toEqual({ verified: 0, damaged: [] })
})

it('leaves packs over a size to another run, and takes objects that are open', async () => {
  const place = memoryPlace()
  await keep(place, history)
  await keep(place, [two])
  const [large, small] = (await place.read()).packs.map(({ size }) => size)
  expect(large).toBeGreaterThan(small ?? Infinity)
  const options = { objects: await Objects.open(place, nodeRuntime), maxSize: small }
  const marks = async () => (await place.read()).packs.map(({ verified }) => verified)
  expect(await verifyPacks(place, nodeRuntime, options)).toEqual({ verified: 1, damaged: [] })
  expect(await marks()).toEqual([false, true])
  expect(await verifyPacks(place, nodeRuntime, options)).toEqual({ verified: 0, damaged: [] })
  expect(await verifyPacks(place, nodeRuntime)).toEqual({ verified: 1, damaged: [] })
  expect(await marks()).toEqual([true, true])
})

it('takes trees that the index tells by another tree', async () => {
  const place = memoryPlace()
  await keep(place, history, (row) =>
    row.oid === second.oid
      ? { ...row, links: { kind: 'tree', against: first.oid, removed: [], added: [two.oid] } }
      : row,
  )
  expect(await verifyPacks(place, nodeRuntime)).toEqual({ verified: 1, damaged: [] })
})

const lies: [string, Oid, (row: PackRow) => PackRow][] = [
  ['a checksum', one.oid, (row) => ({ ...row, crc: row.crc ^ 1 })],
  ['a size', one.oid, (row) => ({ ...row, size: 4 })],
  ['a type', one.oid, (row) => ({ ...row, type: 'tag', links: { kind: 'tag', target: two.oid } })],
  ['a name', one.oid, (row) => ({ ...row, oid: oid(1) })],
  [
    'the parents of a commit',
    child.oid,
    (row) => ({
      ...row,
      links: { kind: 'commit', tree: second.oid, parents: [], time: 1_000_000_100, generation: 1 },
    }),
  ],
  [
    'the children of a tree',
    second.oid,
    (row) => ({
      ...row,
      links: { kind: 'tree', against: undefined, removed: [], added: [one.oid] },
    }),
  ],
]

it.each(lies)('finds an index out that is wrong about %s', async (_what, of, change) => {
  const place = memoryPlace()
  await keep(place, history, (row) => (row.oid === of ? change(row) : row))
  const { verified, damaged } = await verifyPacks(place, nodeRuntime)
  expect(verified).toBe(0)
  expect(damaged).toHaveLength(1)
  expect((await place.read()).packs[0]?.verified).toBe(false)
})

it('does not take a pack that names an object which is nowhere', async () => {
  const place = memoryPlace()
  await keep(place, [child, second, one, two])
  expect((await verifyPacks(place, nodeRuntime)).damaged[0]?.problem).toContain(root.oid)
  await done(place, request([], { shallow: { add: [child.oid], remove: [] } }))
  expect((await verifyPacks(place, nodeRuntime)).verified).toBe(1)
})

// Seen to fail when only the names of what is named are looked for.
it.each([
  ['a tree that is a file', commit(one, [], 1_000_000_000), one],
  ['a parent that is a tree', commit(first, [first.oid], 1_000_000_000), first],
])('does not take a commit with %s, wherever that is', async (_what, wrong, named) => {
  const together = memoryPlace()
  await keep(together, [wrong, first, one])
  const apart = memoryPlace()
  await keep(apart, [first, one])
  await keep(apart, [wrong])
  for (const place of [together, apart]) {
    const { damaged } = await verifyPacks(place, nodeRuntime)
    expect(damaged.map(({ problem }) => problem)).toEqual([expect.stringContaining(named.oid)])
  }
})

it('takes a commit of the empty tree, which need not be stored', async () => {
  const place = memoryPlace()
  await keep(place, [commit(tree(), [], 1_000_000_000)])
  expect(await verifyPacks(place, nodeRuntime)).toEqual({ verified: 1, damaged: [] })
})
