import { expect, it } from 'vitest'
import { PackPlace } from '../test/pack-place.ts'
import { ObjectLookup } from './object-lookup.ts'
import type { Oid } from './oid.ts'
import { packRow } from './pack/pack-table.ts'
import { rowTable } from './pack/row-table.ts'
import type { Place } from './place.ts'

function oid(beginning: string, end: string): Oid {
  return `${beginning}${end.padStart(40 - beginning.length, '0')}` as Oid
}

/** A place with one object in each of its packs, by the index alone. */
function placeOf(oids: readonly Oid[]): PackPlace {
  const place = new PackPlace()
  for (const [i, oid] of oids.entries()) {
    const row = { oid, offset: 12, length: 20, crc: 0, size: 9, base: undefined, links: undefined }
    place.add(`p${i}`, new Uint8Array(52), rowTable([packRow({ ...row, type: 'blob' })]))
  }
  return place
}

// Seen to fail when: what the table gives for a beginning is taken for the object; the other packs are not asked.
it('tells objects apart that begin alike, and finds none that only begins like one', async () => {
  const oids = [oid('abcdef01', '1'), oid('abcdef01', '2'), oid('0bcdef01', '3')]
  const place = placeOf(oids)
  const lookup = new ObjectLookup(place as unknown as Place, await place.read())
  const packs = await Promise.all(oids.map((oid) => lookup.find(oid)))
  expect(packs.map((found) => found.map(({ pack }) => pack.id))).toEqual([['p0'], ['p1'], ['p2']])
  expect(await lookup.find(oid('abcdef01', '4'))).toEqual([])
})
