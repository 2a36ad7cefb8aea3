import { existsSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'

import { afterEach, beforeEach, expect, it } from 'vitest'

import {
  commitObject,
  emptyTree,
  git,
  stageObjects,
  temporaryDirectory,
} from '../../test/git-sample.ts'
import { done, request } from '../../test/samples.ts'
import { openGitDirectory, type GitDirectoryPlace } from './depot.ts'

const MAIN = 'refs/heads/main'
const commit = commitObject('pushed')
const create = { name: MAIN, from: undefined, to: commit.oid }

let directory = ''
let place: GitDirectoryPlace

beforeEach(async () => {
  directory = temporaryDirectory()
  git(directory, 'init', '-q', '--bare', '-b', 'main')
  place = await openGitDirectory(directory)
})

afterEach(async () => {
  await place.close()
  rmSync(directory, { recursive: true, force: true })
})

function stage() {
  return stageObjects(place, [commit, emptyTree])
}

function staged(): string[] {
  return readdirSync(`${directory}/datakit/stage`)
}

it('keeps the pack of a push when another push of equal bytes is declined', async () => {
  const [one, other] = [await stage(), await stage()]
  expect(other.id).toBe(one.id)
  await place.discard([other.id])
  await done(place, request([create], { addPacks: [one] }))
  git(directory, 'fsck', '--strict')
  expect(staged()).toEqual([])
})

it('forgets a pack when every push that staged it has let go of it', async () => {
  const [one, other, third] = [await stage(), await stage(), await stage()]
  for (const { id } of [one, other]) await place.discard([id])
  expect(staged()).toEqual([third.id])
  await place.discard([third.id])
  expect(staged()).toEqual([])
  expect((await place.update(request([create], { addPacks: [one] }))).state).toBe('lost')
})

it('keeps what is staged again for as long as that takes', async () => {
  const first = await stage()
  const dayAgo = new Date(Date.now() - 25 * 60 * 60 * 1000)
  utimesSync(`${directory}/datakit/stage/${first.id}`, dayAgo, dayAgo)
  const second = await stage()
  await place.sweep({ grace: 0 })
  await done(place, request([create], { addPacks: [second] }))
  git(directory, 'fsck', '--strict')
})

// Seen to fail when packs are linked from the stage after the point of no return.
it('loses no pack that was there under the locks, even if the stage goes', async () => {
  const hook = `#!/bin/sh\n[ "$1" != prepared ] || rm -r datakit/stage/*\n`
  writeFileSync(`${directory}/hooks/reference-transaction`, hook, { mode: 0o755 })
  await done(place, request([create], { addPacks: [await stage()] }))
  expect(staged()).toEqual([])
  git(directory, 'fsck', '--strict')
})

it('does not need our index of a pack, which can be made again', async () => {
  const pack = await stage()
  rmSync(`${directory}/datakit/stage/${pack.id}/index`)
  await done(place, request([create], { addPacks: [pack] }))
  expect(existsSync(`${directory}/datakit/index/${pack.id}`)).toBe(false)
  expect((await place.readIndex(pack.id, 0, 4)).length).toBe(4)
})
