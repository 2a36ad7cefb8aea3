/** Updates whose owner died behind the point of no return, and what others did before they were found. */
import { existsSync, mkdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'

import { nameObject } from '@datakit/git/object'
import { parseOid } from '@datakit/git/oid'
import type { RefUpdate, UpdateRequest } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import {
  commitObject,
  emptyTree,
  findFiles,
  git,
  stageObjects,
  stockRefs,
  temporaryDirectory,
} from '../../test/git-sample.ts'
import { done, move, request } from '../../test/samples.ts'
import { decide } from './decide-update.ts'
import { openGitDirectory, type GitDirectoryPlace } from './depot.ts'
import { finishUpdate } from './finish-update.ts'
import { GitFiles } from './git-files.ts'
import { Journal } from './journal.ts'
import type { Decision } from './journal-format.ts'
import { planUpdate } from './make-update.ts'
import { holdPack } from './pack-placing.ts'

const MAIN = 'refs/heads/main'
const SIDE = 'refs/heads/side'
const one = commitObject('one')
const two = commitObject('two', [one.oid])
const three = commitObject('three', [two.oid])
const objects = [one, two, three, emptyTree]

let directory = ''
let place: GitDirectoryPlace

beforeEach(async () => {
  directory = temporaryDirectory()
  git(directory, 'init', '-q', '--bare', '-b', 'main')
  place = await openGitDirectory(directory)
  const refs = [MAIN, SIDE].map((name) => ({ name, from: undefined, to: one.oid }))
  await done(place, request(refs, { addPacks: [await stageObjects(place, objects)] }))
})

afterEach(async () => {
  await place.close()
  rmSync(directory, { recursive: true, force: true })
})

function advance(name: string): RefUpdate {
  return move(name, one.oid, two.oid)
}

/** Does an update up to its point of no return, then what `more` does, and leaves it as a process that dies. */
async function dieBehindCommit(
  wish: UpdateRequest,
  more: (files: GitFiles, journal: Journal, decision: Decision) => Promise<void> = async () => {},
): Promise<void> {
  const files = new GitFiles(directory)
  const plan = planUpdate(wish, Date.now())
  const journal = await Journal.begin(directory, plan)
  await journal.enter()
  const only = plan.refs.length === 1 ? plan.refs[0]?.to : undefined
  for (const [i, path] of plan.locks.entries()) {
    if (path === 'HEAD') await journal.take(i, `ref: ${SIDE}\n`, 1000)
    else await journal.take(i, only && `${only}\n`, 1000)
  }
  for (const id of plan.packs) await holdPack(files, journal, id)
  const decision = await decide(files, journal, { request: wish, plan, moment: await files.read() })
  await journal.commit(decision)
  await more(files, journal, decision)
  await journal.abandon()
}

/** What an operator does who was told to, or a power cut that came before the names of the locks were on the disk. */
function removeLocks(): void {
  for (const path of findFiles(directory, /\.lock$/)) rmSync(`${directory}/${path}`)
}

async function reopen(): Promise<void> {
  await place.close()
  place = await openGitDirectory(directory)
  expect(findFiles(directory, /\.(lock|keep)$|datakit\/journal\/./)).toEqual([])
  git(directory, 'fsck', '--strict')
}

async function outcomeOf({ id }: UpdateRequest): Promise<string | undefined> {
  return (await (await place.read()).receipt(id))?.outcome
}

it('is finished when its locks are there', async () => {
  const wish = request([advance(MAIN), advance(SIDE)])
  await dieBehindCommit(wish)
  await reopen()
  expect(stockRefs(directory)).toEqual([`${MAIN} ${two.oid}`, `${SIDE} ${two.oid}`])
  expect(await outcomeOf(wish)).toBe('done')
})

it('brings the packs of a promisor as such, so that Git finds nothing lost', async () => {
  const left = parseOid('1234567890123456789012345678901234567890')
  const body = Buffer.concat([Buffer.from('100644 left\0'), Buffer.from(left, 'hex')])
  const tree = { type: 'tree', body: Uint8Array.from(body) } as const
  const oid = await nameObject(nodeRuntime, tree)
  git(directory, 'remote', 'add', 'origin', 'http://127.0.0.1:1/x.git')
  git(directory, 'config', 'remote.origin.promisor', 'true')
  const pack = await stageObjects(place, [{ oid, ...tree }], { promisor: true })
  const wish = request([move('refs/tags/part', undefined, oid)], {
    addPacks: [pack],
    promised: { add: [left], remote: 'origin' },
  })
  await dieBehindCommit(wish)
  await reopen()
  expect(existsSync(`${directory}/objects/pack/${pack.id}.promisor`)).toBe(true)
  expect(await outcomeOf(wish)).toBe('done')
  expect(await (await place.read()).promised(left)).toBe('origin')
  expect(await (await place.read()).promised(three.oid)).toBeUndefined()
})

describe('when its locks were removed', () => {
  it.each([
    ['one ref', [advance(MAIN)]],
    ['many refs', [advance(MAIN), advance(SIDE)]],
    ['a deleted ref', [move(MAIN, one.oid, undefined)]],
  ])('changes nothing of what others did since: %s', async (_, refs: RefUpdate[]) => {
    const wish = request(refs)
    await dieBehindCommit(wish)
    removeLocks()
    git(directory, 'update-ref', MAIN, three.oid)
    git(directory, 'update-ref', 'refs/heads/new', three.oid)
    git(directory, 'pack-refs', '--all')
    const before = stockRefs(directory)
    await reopen()
    expect(stockRefs(directory)).toEqual(before)
    expect(await outcomeOf(wish)).toBeUndefined()
    expect((await place.update(wish)).state).toBe('lost')
  })

  it('says done of it only when it is', async () => {
    const wish = request([advance(MAIN)])
    await dieBehindCommit(wish)
    removeLocks()
    await reopen()
    expect(git(directory, 'rev-parse', MAIN)).toBe(one.oid)
    await done(place, wish)
    expect(git(directory, 'rev-parse', MAIN)).toBe(two.oid)
  })

  it('does not take back what was changed of the own state since', async () => {
    const hidden = commitObject('hidden', [three.oid])
    const pack = await stageObjects(place, [hidden])
    const wish = request([advance(MAIN)], { addPacks: [{ ...pack, verified: false }] })
    await dieBehindCommit(wish)
    removeLocks()
    const other = await stageObjects(place, [commitObject('other')])
    await done(place, request([], { addPacks: [{ ...other, verified: false }] }))
    await reopen()
    const unverified = (await place.read()).packs.filter(({ verified }) => !verified)
    expect(unverified.map(({ id }) => id)).toEqual([other.id])
  })

  it('does not trust its packs that were visible already', async () => {
    const pack = await stageObjects(place, [commitObject('hidden', [three.oid])])
    const wish = request([advance(MAIN), advance(SIDE)], {
      addPacks: [{ ...pack, verified: false }],
    })
    await dieBehindCommit(wish, async (files, journal, decision) => {
      removeLocks()
      const plan = planUpdate(wish, Date.now())
      await expect(finishUpdate(files, journal, { plan, decision })).rejects.toThrow('lock')
    })
    await reopen()
    const { packs } = await place.read()
    expect(packs.find(({ id }) => id === pack.id)?.verified).toBe(false)
  })

  it.each([
    ['one ref', [advance(MAIN)]],
    ['many refs', [advance(MAIN), advance(SIDE)]],
  ])('is done if its refs had moved, and leaves where others moved them: %s', async (_, refs) => {
    const wish = request(refs)
    await dieBehindCommit(wish, async (files, journal, decision) => {
      // The receipt cannot be written: the refs have moved, and the rest is open.
      renameSync(`${directory}/datakit/receipts`, `${directory}/aside`)
      mkdirSync(`${directory}/datakit/receipts`)
      const plan = planUpdate(wish, Date.now())
      await expect(finishUpdate(files, journal, { plan, decision })).rejects.toThrow('EISDIR')
      rmdirSync(`${directory}/datakit/receipts`)
      renameSync(`${directory}/aside`, `${directory}/datakit/receipts`)
    })
    removeLocks()
    git(directory, 'update-ref', MAIN, three.oid)
    await reopen()
    expect(git(directory, 'rev-parse', MAIN)).toBe(three.oid)
    expect(await outcomeOf(wish)).toBe('done')
  })

  it('moves HEAD along unless somebody else has moved it', async () => {
    for (const theirs of [undefined, 'refs/heads/theirs']) {
      const from = (await place.read()).head
      const current = parseOid(git(directory, 'rev-parse', MAIN))
      const to = current === one.oid ? two.oid : three.oid
      const wish = request([move(MAIN, current, to)], { head: { from, to: { ref: SIDE } } })
      await dieBehindCommit(wish, async (_, journal, decision) => {
        await journal.mark('moving')
        await journal.publish(decision.publish[0]?.lock ?? -1, MAIN)
      })
      removeLocks()
      if (theirs !== undefined) git(directory, 'symbolic-ref', 'HEAD', theirs)
      await reopen()
      expect(git(directory, 'rev-parse', MAIN)).toBe(to)
      expect(git(directory, 'symbolic-ref', 'HEAD')).toBe(theirs ?? SIDE)
      expect(await outcomeOf(wish)).toBe('done')
    }
  })
})

describe('when only the lock of our own was removed', () => {
  it('is undone by the next update', async () => {
    const wish = request([advance(MAIN)])
    await dieBehindCommit(wish)
    rmSync(`${directory}/datakit/update.lock`)
    await done(place, request([move(MAIN, one.oid, three.oid)]))
    expect(git(directory, 'rev-parse', MAIN)).toBe(three.oid)
    expect(findFiles(directory, /\.lock$|datakit\/journal\/./)).toEqual([])
  })
})

it('puts a ref where another one was that goes with it', async () => {
  writeFileSync(`${directory}/loose`, `${one.oid}\n`)
  mkdirSync(`${directory}/refs/heads`, { recursive: true })
  renameSync(`${directory}/loose`, `${directory}/${SIDE}`)
  await done(
    place,
    request([move(SIDE, one.oid, undefined), move(`${SIDE}/b`, undefined, two.oid)]),
  )
  expect(stockRefs(directory)).toEqual([`${MAIN} ${one.oid}`, `${SIDE}/b ${two.oid}`])
})

it('moves nothing when a lock goes while it is prepared', async () => {
  const hook = `#!/bin/sh\n[ "$1" != prepared ] || rm ${MAIN}.lock\n`
  writeFileSync(`${directory}/hooks/reference-transaction`, hook, { mode: 0o755 })
  await expect(place.update(request([advance(MAIN)]))).rejects.toThrow(`"${MAIN}.lock"`)
  expect(git(directory, 'rev-parse', MAIN)).toBe(one.oid)
  expect(existsSync(`${directory}/datakit/update.lock`)).toBe(false)
})
