import { Objects } from '@datakit/git/objects'
import type { Place } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { blob, done, request, stage } from '../test/samples.ts'
import { openGitDirectory } from './git-directory/depot.ts'
import { memoryPlace } from './memory.ts'
import { keepUp, needsUpkeep, UpkeepSchedule } from './upkeep.ts'

const values = Array.from({ length: 12 }, (_, i) => blob(`value ${i}`))

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'datakit-upkeep-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

async function keepEach(place: Place, objects: typeof values): Promise<void> {
  for (const object of objects)
    await done(place, request([], { addPacks: [await stage(place, [object])] }))
}

async function packIds(place: Place): Promise<string[]> {
  return (await place.read()).packs.map(({ id }) => id)
}

it('merges packs when more than eight small ones have piled up, not before', async () => {
  const place = memoryPlace()
  await keepEach(place, values.slice(0, 8))
  expect(needsUpkeep(await place.read())).toBe(false)
  expect((await keepUp(place, nodeRuntime)).merged).toBe(0)
  await keepEach(place, values.slice(8))
  expect(needsUpkeep(await place.read())).toBe(true)
  expect((await keepUp(place, nodeRuntime)).merged).toBe(12)
  expect(await packIds(place)).toHaveLength(1)
  const objects = await Objects.open(place, nodeRuntime)
  for (const value of values) expect((await objects.read(value.oid)).body).toEqual(value.body)
})

it('deletes what was merged when its grace is over, and lets it be read until then', async () => {
  let now = 1_000_000
  const place = memoryPlace({ clock: () => now })
  await keepEach(place, values)
  const [first = ''] = await packIds(place)
  await keepUp(place, nodeRuntime, { grace: 1000 })
  expect((await place.readPack(first, 0, 4)).length).toBe(4)
  now += 1001
  expect((await keepUp(place, nodeRuntime, { grace: 1000 })).deleted).toBe(12)
  await expect(place.readPack(first, 0, 4)).rejects.toThrow('is not there')
})

it('does nothing to a repository that does not exist', async () => {
  const place = memoryPlace()
  const report = await keepUp(place, nodeRuntime)
  expect(report).toEqual({ verified: 0, damaged: [], merged: 0, deleted: 0 })
  expect((await place.read()).exists).toBe(false)
})

it('runs once for many changes, and takes in those that come while it runs', async () => {
  const place = memoryPlace()
  const problems: unknown[] = []
  const schedule = new UpkeepSchedule(nodeRuntime, { delay: 5, log: (each) => problems.push(each) })
  await keepEach(place, values.slice(0, 6))
  const first = schedule.changed('a', place)
  await keepEach(place, values.slice(6))
  expect(schedule.changed('a', place)).toBe(first)
  await first
  expect(await packIds(place)).toHaveLength(1)
  expect(problems).toEqual([])
})

it('begins anew where a run was cut off without a word', async () => {
  const place = memoryPlace()
  await keepEach(place, values)
  const stuck: Place = { ...place, read: () => new Promise(() => {}) }
  const schedule = new UpkeepSchedule(nodeRuntime, { delay: 1, log: () => {} })
  const now = vi.spyOn(Date, 'now').mockReturnValue(1_000_000)
  void schedule.changed('a', stuck)
  now.mockReturnValue(1_000_000 + 6 * 60_000)
  await schedule.changed('a', place)
  now.mockRestore()
  expect(await packIds(place)).toHaveLength(1)
})

it('reports a place that fails, and does not reject', async () => {
  const broken: Place = { ...memoryPlace(), read: () => Promise.reject(new Error('no disk')) }
  const problems: unknown[] = []
  const schedule = new UpkeepSchedule(nodeRuntime, { delay: 1, log: (each) => problems.push(each) })
  await schedule.changed('a', broken)
  expect(problems).toEqual([new Error('no disk')])
})

it('stops waiting when it is closed', async () => {
  const place = memoryPlace()
  await keepEach(place, values)
  const schedule = new UpkeepSchedule(nodeRuntime, { delay: 3_600_000, log: () => {} })
  const run = schedule.changed('a', place)
  await schedule.close()
  await run
  expect(await packIds(place)).toHaveLength(12)
})

it('leaves packs alone that an operator keeps or that are borrowed, and a repository that git finds in order', async () => {
  const lender = join(folder, 'lender.git')
  const path = join(folder, 'own.git')
  for (const each of [lender, path]) git(folder, 'init', '--quiet', '--bare', each)
  const lent = await openGitDirectory(lender)
  await keepEach(lent, values.slice(0, 2))
  await lent.close()
  writeFileSync(join(path, 'objects/info/alternates'), `${lender}/objects\n`)
  const place = await openGitDirectory(path)
  await keepEach(place, values.slice(2, 3))
  const [, , kept = ''] = await packIds(place)
  writeFileSync(join(path, 'objects/pack', `${kept}.keep`), 'by hand')
  await keepEach(place, values.slice(3))
  await keepUp(place, nodeRuntime, { grace: 0, maxSmall: 2 })
  const packs = await packIds(place)
  expect(packs).toHaveLength(4)
  expect(packs.slice(0, 3)).toContain(kept)
  const onDisk = readdirSync(join(path, 'objects/pack')).filter((name) => name.endsWith('.pack'))
  expect(onDisk.toSorted()).toEqual(
    packs
      .slice(2)
      .map((id) => `${id}.pack`)
      .toSorted(),
  )
  git(path, 'fsck', '--strict')
  expect(git(path, 'cat-file', 'blob', values[11]?.oid ?? '')).toBe('value 11')
  await place.close()
})

function git(cwd: string, ...args: readonly string[]): string {
  return execFileSync('git', ['-C', cwd, ...args]).toString()
}
