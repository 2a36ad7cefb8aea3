import { rowsOfIndex } from '@datakit/git/pack/index-table'
import { openPackIndexBytes } from '@datakit/git/pack/pack-index'
import { PackTable } from '@datakit/git/pack/pack-table'
import { encodePack, type PackObject } from '@datakit/git/pack/write-pack'
import type { Place } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { expect, it } from 'vitest'
import { Author } from '../../test/author.ts'
import { codes, gather } from '../../test/checking.ts'
import { blob, done, move, request, stage } from '../../test/samples.ts'
import { memoryPlace } from '../memory.ts'
import { verifyPacks } from '../verify.ts'
import { checkPlace } from './check-place.ts'
import { repairPlace } from './repair-place.ts'

/** A first commit of two files; the last object is the commit. */
function firstCommit(): { readonly objects: readonly PackObject[]; readonly author: Author } {
  const author = new Author()
  const file = (text: string) => new TextEncoder().encode(text)
  return { objects: author.commit({ 'd/a': file('one\n'), 'd/b': file('two\n') }), author }
}

/** Keeps objects in a pack that nobody verified, under an index with a wrong checksum. */
async function keepLying(place: Place, objects: readonly PackObject[]): Promise<void> {
  const { bytes, table } = await encodePack(nodeRuntime, objects)
  const lying = new PackTable()
  for (const row of await rowsOfIndex(await openPackIndexBytes(table.encodeIndex())))
    lying.addRaw({ ...row, crc: row.crc ^ 1 })
  const writer = await place.writePack()
  await writer.write(bytes)
  const staged = await writer.finish({ table: lying, needs: [], verified: false })
  await done(place, request([], { addPacks: [staged] }))
}

/** Mends what can be mended; tells how much that was. */
async function repair(place: Place): Promise<number> {
  const { result: health } = await gather(checkPlace(place, nodeRuntime))
  const { mended } = await gather(repairPlace(place, nodeRuntime, { health, options: {} }))
  return mended.length
}

async function marks(place: Place): Promise<boolean[]> {
  return (await place.read()).packs.map(({ verified }) => verified)
}

it('takes a pack that it indexed anew for proved where all is there that its objects name', async () => {
  const place = memoryPlace()
  await keepLying(place, firstCommit().objects)
  expect((await verifyPacks(place, nodeRuntime)).damaged).toHaveLength(1)
  expect(await repair(place)).toBe(1)
  expect(await marks(place)).toEqual([true])
  expect(codes(await gather(checkPlace(place, nodeRuntime)))).toEqual([])
})

// Seen to fail when every pack that was indexed anew is taken for proved.
it('leaves a pack to its proof that names what is nowhere', async () => {
  const { objects } = firstCommit()
  const gone = objects.find(({ type }) => type === 'blob')
  const place = memoryPlace()
  await keepLying(
    place,
    objects.filter((object) => object !== gone),
  )
  expect(await repair(place)).toBe(1)
  expect(await marks(place)).toEqual([false])
  const { damaged } = await verifyPacks(place, nodeRuntime)
  expect(damaged.map(({ problem }) => problem)).toEqual([expect.stringContaining(gone?.oid ?? '-')])
})

// Seen to fail when a pack that was written anew is taken for proved.
it('proves nothing by writing it anew', async () => {
  const { objects, author } = firstCommit()
  const place = memoryPlace()
  const { bytes, table } = await encodePack(nodeRuntime, objects)
  const writer = await place.writePack()
  const at = bytes.length - 30
  await writer.write(bytes.with(at, (bytes[at] ?? 0) ^ 0xff))
  const staged = await writer.finish({ table, needs: [], verified: false })
  await done(place, request([], { addPacks: [staged] }))
  const addPacks = [await stage(place, [...objects, blob('three')])]
  await done(place, request([move('refs/heads/main', undefined, author.head)], { addPacks }))
  expect(await marks(place)).toEqual([false, true])
  expect(await repair(place)).toBe(1)
  expect((await marks(place)).toSorted()).toEqual([false, true])
  expect(await verifyPacks(place, nodeRuntime)).toEqual({ verified: 1, damaged: [] })
})
