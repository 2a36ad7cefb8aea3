import { readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'

import { Objects } from '@datakit/git/objects'
import type { StagedPack } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { afterEach, beforeEach, expect, it } from 'vitest'

import {
  commitObject,
  emptyTree,
  findFiles,
  git,
  stageObjects,
  temporaryDirectory,
} from '../../test/git-sample.ts'
import { done, request } from '../../test/samples.ts'
import { openGitDirectory, type GitDirectoryPlace } from './depot.ts'

const MAIN = 'refs/heads/main'
const DAY = 24 * 60 * 60 * 1000
const one = commitObject('one')
const two = commitObject('two', [one.oid])
const three = commitObject('three', [two.oid])

let directory = ''
let now = 0
let place: GitDirectoryPlace
let small: StagedPack

beforeEach(async () => {
  directory = temporaryDirectory()
  git(directory, 'init', '-q', '--bare', '-b', 'main')
  now = Date.now()
  place = await openGitDirectory(directory, { clock: () => now })
  small = await stageObjects(place, [one, emptyTree])
  await done(place, request([{ name: MAIN, from: undefined, to: one.oid }], { addPacks: [small] }))
})

afterEach(async () => {
  await place.close()
  rmSync(directory, { recursive: true, force: true })
})

/** A live pack that holds what the small one does, and more. */
async function addCover(more = two, verified = true): Promise<StagedPack> {
  const pack = { ...(await stageObjects(place, [one, emptyTree, more])), verified }
  await done(place, request([], { addPacks: [pack] }))
  return pack
}

async function liveIds(): Promise<string[]> {
  return (await place.read()).packs.map(({ id }) => id)
}

it('takes no unverified pack for proof that another can go', async () => {
  const cover = await addCover(two, false)
  const remove = request([], { removePacks: [small.id] })
  await expect(place.update(remove)).rejects.toMatchObject({ code: 'not-contained' })
  await place.markVerified([cover.id])
  await done(place, remove)
})

it('takes no unverified pack that comes along for proof', async () => {
  const cover = { ...(await stageObjects(place, [one, emptyTree, two])), verified: false }
  const remove = request([], { addPacks: [cover], removePacks: [small.id] })
  await expect(place.update(remove)).rejects.toMatchObject({ code: 'not-contained' })
})

it('makes a condemned pack live again when only an unverified one holds it', async () => {
  const cover = await addCover()
  await done(place, request([], { removePacks: [small.id] }))
  for (const ending of ['idx', 'pack'])
    rmSync(`${directory}/objects/pack/${cover.id}.${ending}`, { force: true })
  await addCover(three, false)
  expect((await place.sweep({ grace: 0 })).deleted).toBe(0)
  expect(await liveIds()).toContain(small.id)
})

it('deletes a condemned pack by the clock that it was condemned by', async () => {
  await addCover()
  await done(place, request([], { removePacks: [small.id] }))
  now += DAY - 1
  expect((await place.sweep({ grace: DAY })).deleted).toBe(0)
  now += 1
  expect((await place.sweep({ grace: DAY })).deleted).toBe(1)
  git(directory, 'fsck', '--strict')
})

it('expires stages by the same clock', async () => {
  await stageObjects(place, [two])
  expect((await place.sweep({ grace: 0 })).deleted).toBe(0)
  now += 2 * DAY
  expect((await place.sweep({ grace: 0 })).deleted).toBe(1)
})

it('finishes a deletion that was cut, but takes no pack that Git is writing', async () => {
  await addCover()
  await done(place, request([], { removePacks: [small.id] }))
  // As after a crash: the `.idx` goes first.
  const path = `${directory}/objects/pack/${small.id}`
  rmSync(`${path}.idx`, { force: true })
  await place.sweep({ grace: 0 })
  expect(statSync(`${path}.pack`).isFile()).toBe(true)
  now += DAY
  expect((await place.sweep({ grace: 0 })).deleted).toBe(1)
  expect(findFiles(directory, new RegExp(small.id))).toEqual([])
  git(directory, 'fsck', '--strict')
})

it('removes its own temporary files when they are old', async () => {
  writeFileSync(`${directory}/datakit/index/${'a'.repeat(32)}.tmp`, '')
  await place.sweep({ grace: 0 })
  expect(findFiles(directory, /\.tmp$/)).toHaveLength(1)
  now += DAY
  await place.sweep({ grace: 0 })
  expect(findFiles(directory, /\.tmp$/)).toEqual([])
})

it.each(['deletes the pack that took its place', 'makes the very same pack again'])(
  'shows a pack again that was given up, where git %s',
  async (how) => {
    const cover = await addCover()
    await done(place, request([], { removePacks: [small.id] }))
    expect(await liveIds()).toEqual([cover.id])
    const path = `${directory}/objects/pack/${small.id}`
    if (how.startsWith('makes')) {
      // As a repack does, whose pack is named after what is in it.
      const bytes = readFileSync(`${path}.pack`)
      for (const ending of ['pack', 'idx']) rmSync(`${path}.${ending}`)
      writeFileSync(`${path}.pack`, bytes)
      git(directory, 'index-pack', `${path}.pack`)
    }
    // The one that came last is the one whose objects git takes from the other.
    const later = new Date(Date.now() + 60_000)
    utimesSync(`${path}.pack`, later, later)
    git(directory, 'update-ref', MAIN, one.oid)
    git(directory, 'repack', '-d', '-q', '-a', `--keep-pack=${small.id}.pack`)
    expect(await liveIds()).toContain(small.id)
    const objects = await Objects.open(place, nodeRuntime)
    expect((await objects.read(one.oid)).type).toBe('commit')
    now += 2 * DAY
    await place.sweep({ grace: DAY })
    expect(await liveIds()).toContain(small.id)
    git(directory, 'fsck', '--strict')
  },
)

it('takes what git has packed anew for the proof that it was, and what it has dropped for none', async () => {
  const relying = (name: string, reliesOn: readonly string[]) =>
    place.update(request([{ name, from: undefined, to: one.oid }], { reliesOn }))
  const dropped = await addCover(two)
  // Whoever relied on them has read their indexes.
  for (const { id } of [small, dropped]) await place.readIndex(id, 0, 4)
  git(directory, 'repack', '-a', '-d', '-q')
  expect(await liveIds()).toHaveLength(1)
  expect(await relying('refs/heads/a', [small.id])).toMatchObject({ state: 'done' })
  const lost = { state: 'lost', packs: [dropped.id] }
  expect(await relying('refs/heads/b', [small.id, dropped.id])).toMatchObject(lost)
})
