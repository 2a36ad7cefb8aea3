/** A check of a repository in the browser, in parts, as a page's worker makes it. */
import { portableRuntime } from '@datakit/git/runtime/portable'
import { openDB } from 'idb'
import { afterEach, expect, it } from 'vitest'
import { Author } from '../../test/author.ts'
import { deletePlaces, openPlace, type NamedPlace } from '../../test/indexeddb-places.ts'
import { done, move, noise, request, stage } from '../../test/samples.ts'
import type { SavedPlaceCheck } from '../fsck/check-place.ts'
import { checkPart } from '../fsck/check-part.ts'
import type { Counts, Finding } from '../fsck/finding.ts'
import type { ChunkRow } from './schema.ts'

afterEach(deletePlaces)

const MAIN = 'refs/heads/main'
const limits = { bytes: 1, objects: 3 }

/** A repository of several packs. */
async function filled(): Promise<{ readonly place: NamedPlace; readonly author: Author }> {
  const place = await openPlace()
  const author = new Author()
  for (let i = 0; i < 3; i++) await commit(place, author, i)
  return { place, author }
}

async function commit(place: NamedPlace, author: Author, number: number): Promise<void> {
  const from = author.head
  // Too large to be appended to the pack before.
  const objects = author.commit({ [`a/${number}`]: noise(300_000, number).body })
  const addPacks = [await stage(place, objects)]
  await done(place, request([move(MAIN, from, author.head)], { addPacks }))
}

/** All parts of a check, each by another place on what the one before gave, as a page that is opened again. */
async function inParts(name: string, meanwhile = async (): Promise<void> => {}) {
  const findings: Finding[] = []
  let counts: Counts | undefined
  let after: SavedPlaceCheck | undefined
  for (let parts = 1; ; parts++) {
    const part = await checkPart(await openPlace(name), portableRuntime, { after, limits })
    findings.push(...part.findings)
    counts = part.counts
    if (part.next === undefined) return { findings, counts, parts }
    after = structuredClone(part.next)
    await meanwhile()
  }
}

it('finds nothing wrong with what is right, in parts as at once', async () => {
  const { place } = await filled()
  const once = await checkPart(place, portableRuntime)
  expect(once).toMatchObject({ findings: [], counts: { refs: 1, unreachable: 0 }, next: undefined })
  const { findings, counts, parts } = await inParts(place.name)
  expect({ findings, counts }).toEqual({ findings: [], counts: once.counts })
  expect(parts).toBeGreaterThan(4)
})

it('tells which object is damaged, as data', async () => {
  const { place } = await filled()
  const database = await openDB(place.name)
  const [key] = await database.getAllKeys('chunks')
  // The rows of this store are chunks.
  const row = (await database.get('chunks', key ?? '')) as ChunkRow
  const bytes = row.bytes.slice()
  // A single byte would be put right by the checksum of its chunk.
  for (let i = 1000; i < 1100; i++) bytes[i] = (bytes[i] ?? 0) ^ 0x55
  await database.put('chunks', { ...row, bytes }, key)
  database.close()
  const once = await checkPart(await openPlace(place.name), portableRuntime)
  expect(once.findings.map(({ code }) => code)).toContain('damaged')
  expect((await inParts(place.name)).findings).toEqual(once.findings)
})

it('comes to its end while the page commits', async () => {
  const { place, author } = await filled()
  let number = 3
  const { findings } = await inParts(place.name, () => commit(place, author, number++))
  expect(findings).toEqual([])
  expect(number).toBeGreaterThan(4)
})
