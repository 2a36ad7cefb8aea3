/** Hearing of what stock git does while it does it: the process that listens is not blocked meanwhile. */
import { execFile } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { promisify } from 'node:util'
import type { Oid } from '@datakit/git/oid'
import type { Place } from '@datakit/git/place'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  commitObject,
  emptyTree,
  git,
  stageObjects,
  temporaryDirectory,
} from '../../test/git-sample.ts'
import { done, request } from '../../test/samples.ts'
import { openGitDirectory } from './depot.ts'

/** Well below the two seconds after which refs are looked at in any case. */
const SOON = 1000

let root = ''
let directory = ''
let place: Place
let commits: Oid[] = []

beforeEach(async () => {
  root = temporaryDirectory()
  directory = `${root}/repository.git`
  git(root, 'init', '-q', '--bare', '-b', 'main', directory)
  place = await openGitDirectory(directory)
  const objects = ['one', 'two'].map((message) => commitObject(message, []))
  const addPacks = [await stageObjects(place, [...objects, emptyTree])]
  commits = objects.map(({ oid }) => oid)
  await done(
    place,
    request([{ name: 'refs/heads/main', from: undefined, to: commits[0] }], { addPacks }),
  )
  // Without a reflog to write, git renames its lock in the moment in which it made it.
  rmSync(`${directory}/logs`, { recursive: true })
})

afterEach(async () => {
  await place.close()
  rmSync(root, { recursive: true, force: true })
})

const updateRef = (...args: readonly string[]) =>
  promisify(execFile)('git', ['update-ref', ...args], { cwd: directory })

/** Milliseconds from the end of `act` until the refs were heard to be as `isSo` says. */
async function heard(act: () => Promise<unknown>, isSo: () => Promise<boolean>): Promise<number> {
  let stop = (): void => {}
  const heardIt = new Promise<void>((resolve) => {
    stop = place.subscribe(async () => {
      if (await isSo()) resolve()
    })
  })
  // The process would end while it waits for notices alone.
  const alive = setInterval(() => {}, 1000)
  await act()
  const before = performance.now()
  await heardIt
  clearInterval(alive)
  stop()
  return performance.now() - before
}

const isAt = (name: string, oid: Oid | undefined) => async () =>
  (await (await place.read()).ref(name)) === oid

describe('subscribers of a Git directory', () => {
  it('hear of every ref that git moves, soon', async () => {
    let late = 0
    // Somebody listens all the time, as a server does.
    const stop = place.subscribe(() => {})
    for (let i = 1; i <= 40; i++) {
      const to = commits[i % 2]
      const act = () => updateRef('refs/heads/main', to ?? '')
      if ((await heard(act, isAt('refs/heads/main', to))) > SOON) late++
    }
    stop()
    expect(late).toBe(0)
  })

  it.each(['refs/heads/a/b/c/d', 'refs/notes/x', 'refs/heads/a/again'])(
    'hear of %s, whose directories are new, go and come back',
    async (name) => {
      const stop = place.subscribe(() => {})
      for (let i = 0; i < 4; i++) {
        const [one, two] = commits
        expect(await heard(() => updateRef(name, one ?? ''), isAt(name, one))).toBeLessThan(SOON)
        expect(await heard(() => updateRef(name, two ?? ''), isAt(name, two))).toBeLessThan(SOON)
        expect(await heard(() => updateRef('-d', name), isAt(name, undefined))).toBeLessThan(SOON)
        // Git leaves empty directories, and removes them when they are in the way.
        if (i % 2 === 0) rmSync(`${directory}/refs/heads/a`, { recursive: true, force: true })
      }
      stop()
    },
  )

  it('hear of packed refs', async () => {
    const stop = place.subscribe(() => {})
    git(directory, 'pack-refs', '--all')
    const act = () => updateRef('-d', 'refs/heads/main')
    expect(await heard(act, isAt('refs/heads/main', undefined))).toBeLessThan(SOON)
    stop()
  })

  it('hear of a directory that has more directories of refs than notices are asked for', async () => {
    for (let i = 0; i < 300; i++) mkdirSync(`${directory}/refs/heads/d${i}`)
    const stop = place.subscribe(() => {})
    const names = ['refs/heads/main', 'refs/heads/d299/x', 'refs/heads/d0/x']
    for (const name of names) {
      const act = () => updateRef(name, commits[1] ?? '')
      expect(await heard(act, isAt(name, commits[1]))).toBeLessThan(3000)
    }
    stop()
  })
})
