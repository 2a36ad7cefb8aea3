/** Stock Git at work in a repository while the place is. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { deflateSync } from 'node:zlib'

import { concat, toHex, utf8 } from '@datakit/git/bytes'
import { Objects } from '@datakit/git/objects'
import { parseOid, type Oid } from '@datakit/git/oid'
import type { Place } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import {
  commitObject,
  emptyTree,
  findFiles,
  git,
  gitMeanwhile,
  placeRefs,
  stageObjects,
  stockRefs,
  temporaryDirectory,
} from '../../test/git-sample.ts'
import { collect, done, request } from '../../test/samples.ts'
import { openGitDirectory } from './depot.ts'

const MAIN = 'refs/heads/main'
const THREE = ['refs/heads/one', 'refs/heads/three', 'refs/heads/two']

let root = ''
let directory = ''
let place: Place

beforeEach(async () => {
  root = temporaryDirectory()
  directory = `${root}/repository.git`
  git(root, 'init', '-q', '--bare', '-b', 'main', directory)
  place = await openGitDirectory(directory)
})

afterEach(async () => {
  await place.close()
  rmSync(root, { recursive: true, force: true })
})

/** Makes the commits of a chain and moves a ref over them, one at a time; gives the last one. */
async function commitTo(ref: string, count: number, from?: Oid): Promise<Oid> {
  let at = from
  for (let i = 0; i < count; i++) {
    const commit = commitObject(`${ref} ${i}`, at === undefined ? [] : [at])
    const addPacks = [await stageObjects(place, [commit, emptyTree])]
    await done(place, request([{ name: ref, from: at, to: commit.oid }], { addPacks }))
    at = commit.oid
  }
  return at ?? parseOid('')
}

async function expectSound(): Promise<void> {
  expect(await placeRefs(place)).toEqual(stockRefs(directory))
  git(directory, 'fsck', '--strict')
  expect(findFiles(directory, /\.(lock|keep)$|datakit\/journal\/./)).toEqual([])
}

describe('many refs at once', () => {
  // Seen to fail when every ref is moved by its own lock, and when refs with files of their own are not folded first.
  it('shows stock git all of them moved or none', { timeout: 60_000 }, async () => {
    const [a, b] = [commitObject('a'), commitObject('b')]
    const addPacks = [await stageObjects(place, [a, b, emptyTree])]
    const create = THREE.map((name) => ({ name, from: undefined, to: a.oid }))
    await done(place, request(create, { addPacks }))
    let moving = true
    const seen: string[][] = []
    const reading = (async () => {
      while (moving) {
        const listed = await gitMeanwhile(directory, 'for-each-ref', '--format=%(objectname)')
        seen.push(listed.split('\n'))
      }
    })()
    for (let i = 0; i < 60; i++) {
      const [from, to] = i % 2 === 0 ? [a.oid, b.oid] : [b.oid, a.oid]
      // Now and then the refs are files of their own before, as other programs leave them.
      if (i % 4 === 3) for (const name of THREE) writeLoose(name, from)
      await done(place, request(THREE.map((name) => ({ name, from, to }))))
    }
    moving = false
    await reading
    expect(seen.length).toBeGreaterThan(30)
    for (const oids of seen) expect(oids).toEqual([oids[0], oids[0], oids[0]])
    await expectSound()
  })
})

function writeLoose(name: string, oid: Oid): void {
  writeFileSync(`${directory}/scratch`, `${oid}\n`)
  renameSync(`${directory}/scratch`, `${directory}/${name}`)
}

describe('stock git meanwhile', () => {
  it('pushes, collects garbage and packs refs', { timeout: 60_000 }, async () => {
    const work = `${root}/work`
    git(root, 'clone', '-q', directory, work)
    git(work, 'checkout', '-q', '-b', 'theirs')
    let writing = true
    // One after the other: git itself loses a push to `gc --prune=now` at the same time.
    const working = (async () => {
      for (let i = 0; writing; i++) {
        await gitMeanwhile(work, 'commit', '-q', '--allow-empty', '-m', `theirs ${i}`)
        await gitMeanwhile(work, 'push', '-q', 'origin', 'theirs')
        await collectGarbage()
      }
    })()
    const ours = await commitTo(MAIN, 60)
    const other = await commitTo('refs/heads/a/b/other', 20)
    writing = false
    await working
    expect(git(directory, 'rev-parse', MAIN)).toBe(ours)
    expect(git(directory, 'rev-list', '--count', MAIN)).toBe('60')
    expect(git(directory, 'rev-parse', 'a/b/other')).toBe(other)
    expect(git(directory, 'rev-parse', 'theirs')).toBe(git(work, 'rev-parse', 'theirs'))
    await expectSound()
  })

  it('lets nobody lose a race for one ref', { timeout: 60_000 }, async () => {
    const commits = Array.from({ length: 40 }, (_, i) => commitObject(`${i}`))
    const first = commitObject('first')
    const addPacks = [await stageObjects(place, [first, ...commits, emptyTree])]
    await done(place, request([{ name: MAIN, from: undefined, to: first.oid }], { addPacks }))
    const moves = await Promise.all([moveByPlace(commits), moveByGit(commits)])
    expect(moves.flat()).toHaveLength(40)
    // Every move that was acknowledged began where another ended: together they are one chain.
    const froms = new Set(moves.flat().map(({ from }) => from))
    expect(froms.size).toBe(moves.flat().length)
    await expectSound()
  })
})

/** Git gives up where it cannot lock a ref within 100 ms, which we may hold for longer. */
async function collectGarbage(): Promise<unknown> {
  for (;;) {
    try {
      await gitMeanwhile(directory, 'gc', '-q', '--prune=now')
      return await gitMeanwhile(directory, 'pack-refs', '--all')
    } catch (error) {
      if (!(error instanceof Error) || !error.message.includes('.lock')) throw error
    }
  }
}

interface Move {
  readonly from: string
  readonly to: string
}

/** Moves main to commits that only the place uses, from wherever it is. */
async function moveByPlace(commits: readonly { readonly oid: Oid }[]): Promise<Move[]> {
  const moves: Move[] = []
  for (const { oid } of commits.filter((_, i) => i % 2 === 0)) {
    for (;;) {
      const from = await (await place.read()).ref(MAIN)
      const outcome = await place.update(request([{ name: MAIN, from, to: oid }]))
      if (outcome.state !== 'done') continue
      moves.push({ from: from ?? '', to: oid })
      break
    }
  }
  return moves
}

async function moveByGit(commits: readonly { readonly oid: Oid }[]): Promise<Move[]> {
  const moves: Move[] = []
  for (const { oid } of commits.filter((_, i) => i % 2 === 1)) {
    for (;;) {
      const from = await gitMeanwhile(directory, 'rev-parse', MAIN)
      const args = ['update-ref', MAIN, oid, from]
      const moved = await gitMeanwhile(directory, ...args).then(
        () => true,
        () => false,
      )
      if (!moved) continue
      moves.push({ from, to: oid })
      break
    }
  }
  return moves
}

describe('objects', () => {
  async function expectAllObjects(from: string): Promise<void> {
    const listed = git(from, 'cat-file', '--batch-all-objects', '--batch-check').split('\n')
    const objects = await Objects.open(place, nodeRuntime)
    for (const line of listed) {
      const [oid = '', type = '', size = ''] = line.split(' ')
      const object = await objects.read(parseOid(oid))
      expect([object.type, String(object.body.length)]).toEqual([type, size])
    }
  }

  function commitFiles(work: string, count: number): void {
    for (let i = 0; i < count; i++) {
      mkdirSync(`${work}/folder`, { recursive: true })
      writeFileSync(`${work}/folder/${i}`, `value ${count} ${i}\n`.repeat(i + 1))
      git(work, 'add', '.')
      git(work, 'commit', '-q', '-m', `commit ${i}`)
    }
    git(work, 'tag', '-f', '-a', '-m', 'a tag', 'v1')
  }

  it('reads loose objects, also those that are added later', async () => {
    const work = `${root}/work`
    git(root, 'init', '-q', '-b', 'main', work)
    await place.close()
    place = await openGitDirectory(`${work}/.git`)
    commitFiles(work, 5)
    await expectAllObjects(work)
    const before = (await place.read()).packs
    commitFiles(work, 7)
    await expectAllObjects(work)
    expect((await place.read()).packs.length).toBeLessThanOrEqual(before.length + 2)
    git(work, 'gc', '-q', '--prune=now')
    await expectAllObjects(work)
    expect((await place.read()).packs.map(({ id }) => id.slice(0, 5))).toEqual(['pack-'])
  })

  it('reads what is borrowed from another repository', async () => {
    const work = `${root}/work`
    git(root, 'init', '-q', '-b', 'main', work)
    commitFiles(work, 3)
    git(work, 'gc', '-q')
    commitFiles(work, 5)
    const borrower = `${root}/borrower.git`
    git(root, 'clone', '-q', '--bare', '--shared', work, borrower)
    await place.close()
    place = await openGitDirectory(borrower)
    await expectAllObjects(borrower)
    expect(await (await place.read()).ref(MAIN)).toBe(git(work, 'rev-parse', 'main'))
  })

  it('reads packs that hold deltas', async () => {
    const work = `${root}/work`
    git(root, 'clone', '-q', directory, work)
    commitFiles(work, 20)
    git(work, 'push', '-q', '--follow-tags', 'origin', 'HEAD:main')
    git(directory, 'gc', '-q')
    expect(git(directory, 'count-objects', '-v')).toContain('packs: 1')
    await expectAllObjects(directory)
  })

  it('reads a pack of another program that holds an object twice', async () => {
    const header = concat([utf8('PACK'), Uint8Array.of(0, 0, 0, 2, 0, 0, 0, 3)])
    const blobs = ['hello', 'other', 'hello'].map((text) => deflateSync(text))
    const entries = concat([header, ...blobs.flatMap((blob) => [Uint8Array.of(0x35), blob])])
    const trailer = nodeRuntime.sha1(entries)
    const path = `${directory}/objects/pack/pack-${toHex(trailer)}.pack`
    writeFileSync(path, concat([entries, trailer]))
    git(directory, 'index-pack', path)
    await expectAllObjects(directory)
    const [found] = (await place.read()).packs
    const remove = request([], { removePacks: [found?.id ?? ''] })
    await expect(place.update(remove)).rejects.toMatchObject({ code: 'not-contained' })
  })

  it('does not give up a pack that other packs do not hold', async () => {
    await commitTo(MAIN, 1)
    const [pack] = (await place.read()).packs
    const remove = request([], { removePacks: [pack?.id ?? ''] })
    await expect(place.update(remove)).rejects.toMatchObject({ code: 'not-contained' })
    await expectSound()
  })
})

describe('the reflog', () => {
  it('is what git reflog reads', async () => {
    await commitTo(MAIN, 3)
    const lines = git(directory, 'reflog', 'show', '--format=%gn <%ge>: %gs', MAIN).split('\n')
    expect(lines).toEqual(Array.from({ length: 3 }, () => 'Ada <ada@example.org>: commit: edit'))
    expect(git(directory, 'reflog', 'show', '--format=%H', 'HEAD')).toBe(
      git(directory, 'rev-list', MAIN),
    )
  })

  it('tells lines of git from our own', async () => {
    const one = await commitTo(MAIN, 1)
    const two = parseOid(git(directory, 'commit-tree', '-p', one, '-m', 'two', `${one}^{tree}`))
    git(directory, 'update-ref', '-m', 'theirs', MAIN, two)
    await done(place, request([{ name: MAIN, from: two, to: one }]))
    const log = await collect(place.log(MAIN))
    expect(log.map(({ isForeign = false, external }) => [isForeign, external])).toEqual([
      [false, false],
      [true, false],
      [false, false],
    ])
    expect(log.map(({ who }) => who)).toEqual(Array.from({ length: 3 }, () => log[0]?.who))
  })

  it('shows a move that stock git did not log as external', async () => {
    const one = await commitTo(MAIN, 1)
    const two = parseOid(git(directory, 'commit-tree', '-p', one, '-m', 'two', `${one}^{tree}`))
    git(
      directory,
      '-c',
      'core.logAllRefUpdates=false',
      'update-ref',
      '--no-deref',
      'refs/heads/x',
      two,
    )
    rmSync(`${directory}/logs/refs/heads/x`, { force: true })
    writeLoose(MAIN, two)
    const found = { ref: MAIN, from: one, to: two, who: '', external: true }
    expect((await collect(place.log(MAIN)))[0]).toMatchObject(found)
    await done(place, request([{ name: MAIN, from: two, to: one }]))
    const log = await collect(place.log(MAIN))
    expect(log.map(({ external }) => external)).toEqual([false, true, false])
    expect(log[1]).toMatchObject(found)
    await expectSound()
  })

  it('outlives its ref, out of the sight of git', async () => {
    const at = await commitTo('refs/heads/a', 2)
    await done(place, request([{ name: 'refs/heads/a', from: at, to: undefined }]))
    await expectSound()
    await commitTo('refs/heads/a/b', 1)
    expect((await collect(place.log('refs/heads/a'))).map(({ to }) => to)[0]).toBeUndefined()
    expect(await collect(place.log('refs/heads/a'))).toHaveLength(3)
    await expectSound()
  })
})

describe('locks', () => {
  it('names a lock that somebody else left, and does not remove it', async () => {
    await place.close()
    place = await openGitDirectory(directory, { lockTimeout: 100 })
    const at = await commitTo(MAIN, 1)
    writeFileSync(`${directory}/${MAIN}.lock`, '')
    const wish = request([{ name: MAIN, from: at, to: undefined }])
    await expect(place.update(wish)).rejects.toThrow(`"${MAIN}.lock"`)
    expect(findFiles(directory, /\.lock$/)).toEqual([`${MAIN}.lock`])
    rmSync(`${directory}/${MAIN}.lock`)
    await done(place, wish)
    await expectSound()
  })

  it('tells subscribers what stock git did', async () => {
    await commitTo(MAIN, 1)
    const heard = new Promise<void>((resolve) => place.subscribe(resolve))
    git(directory, 'update-ref', 'refs/heads/other', MAIN)
    await heard
    expect(await (await place.read()).ref('refs/heads/other')).toBeDefined()
  })
})
