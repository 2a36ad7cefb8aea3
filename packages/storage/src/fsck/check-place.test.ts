import { Objects } from '@datakit/git/objects'
import { parseOid } from '@datakit/git/oid'
import type { Place } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { expect, it } from 'vitest'
import { Author } from '../../test/author.ts'
import { codes, gather } from '../../test/checking.ts'
import { done, move, request, stage } from '../../test/samples.ts'
import { memoryPlace } from '../memory.ts'
import { checkPlace } from './check-place.ts'
import { repairPlace } from './repair-place.ts'

const MAIN = 'refs/heads/main'

/** A place with three commits, a pack each. */
async function filled(): Promise<Place> {
  const place = memoryPlace()
  const author = new Author()
  for (let i = 0; i < 3; i++) {
    const from = author.head
    const objects = author.commit({ [`a/${i}`]: new TextEncoder().encode(`${i}\n`.repeat(99)) })
    const addPacks = [await stage(place, objects)]
    await done(place, request([move(MAIN, from, author.head)], { addPacks }))
  }
  return place
}

/** The place as if a byte of one of its packs were wrong. */
function spoilt(place: Place, id: string, at: number): Place {
  return {
    ...place,
    async readPack(pack, start, end) {
      const bytes = (await place.readPack(pack, start, end)).slice()
      if (pack === id && start <= at && at < end)
        bytes[at - start] = (bytes[at - start] ?? 0) ^ 0xff
      return bytes
    },
  }
}

it('checks a place in memory as any other', async () => {
  const place = await filled()
  const said = await gather(checkPlace(place, nodeRuntime))
  expect(codes(said)).toEqual([])
  expect(said.counts).toMatchObject({ packs: 3, refs: 1, unreachable: 0 })
  await done(place, request([move('refs/tags/odd', undefined, parseOid('e'.repeat(40)))]))
  expect(codes(await gather(checkPlace(place, nodeRuntime)))).toEqual(['missing'])
})

it('finds whatever byte of a pack is wrong', async () => {
  const place = await filled()
  const [, pack] = (await place.read()).packs
  for (let at = 0; at < (pack?.size ?? 0); at++) {
    const said = await gather(checkPlace(spoilt(place, pack?.id ?? '', at), nodeRuntime))
    expect([at, codes(said).includes('pack')]).toEqual([at, true])
  }
})

it('mends a pack that is spoilt from a copy', async () => {
  const place = await filled()
  const [, pack] = (await place.read()).packs
  const broken = spoilt(place, pack?.id ?? '', 20)
  const { result: health } = await gather(checkPlace(broken, nodeRuntime))
  const sound = await filled()
  const objects = await Objects.open(sound, nodeRuntime)
  const options = { copy: async (oid: Parameters<typeof objects.read>[0]) => objects.read(oid) }
  await gather(repairPlace(broken, nodeRuntime, { health, options }))
  expect(codes(await gather(checkPlace(broken, nodeRuntime)))).toEqual([])
  expect((await place.read()).packs.some(({ id }) => id === pack?.id)).toBe(false)
})
