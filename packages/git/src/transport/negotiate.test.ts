import { describe, expect, it } from 'vitest'

import { memoryPlace } from '../../../storage/src/memory.ts'
import { randomHistory } from '../../test/history.ts'
import type { RealRepository } from '../../test/real-git.ts'
import { random, seed } from '../../test/seed.ts'
import { load } from '../../test/support/load.ts'
import { Objects } from '../objects.ts'
import { parseOid, type Oid } from '../oid.ts'
import { nodeRuntime } from '../runtime/node.ts'
import { OPEN_FETCH } from './fetch-policy.ts'
import { checkWants, commonHaves, isReady } from './negotiate.ts'
import { ALL_REFS, type Readable } from './reach.ts'

const CASES = 4
console.info(`negotiate: seed ${seed}, ${CASES} cases`)

function oid(git: RealRepository, name: string): Oid {
  return parseOid(git.run(['rev-parse', name]))
}

/** A history, and a place that has `main`, and before had a commit behind no ref now. */
async function forced(): Promise<{ git: RealRepository; objects: Objects; gone: Oid; tip: Oid }> {
  const git = randomHistory({ files: 5, commits: 6, random: random() })
  for (const tag of git.run(['tag']).split('\n')) if (tag !== '') git.run(['tag', '-d', tag])
  const tip = oid(git, 'main')
  // Of a tree that no other commit has: random ones come back.
  const blob = git.run(['hash-object', '-w', '--stdin'], 'gone')
  const tree = git.run(['mktree'], `100644 blob ${blob}\tgone\n`)
  const gone = parseOid(git.run(['commit-tree', '-p', tip, '-m', 'Gone', tree]))
  const place = memoryPlace()
  for (const main of [gone, tip]) {
    git.run(['update-ref', 'refs/heads/main', main])
    await load(place, git.folder)
  }
  const objects = await Objects.open(place, nodeRuntime)
  return { git, objects, gone, tip }
}

describe('what a client may want', () => {
  it('is what refs point at and what lies behind, not what happens to be in a pack', async () => {
    const { git, objects, gone, tip } = await forced()
    await checkWants(objects, [tip, oid(git, 'main~2')], OPEN_FETCH)
    expect(await objects.has(gone)).toBe(true)
    await expect(checkWants(objects, [tip, gone], OPEN_FETCH)).rejects.toMatchObject({
      code: 'not-our-ref',
    })
    // A tree or a file counts where a ref leads to it, and only there.
    await checkWants(objects, [oid(git, 'main^{tree}'), oid(git, 'main~2^{tree}')], OPEN_FETCH)
    const tree = oid(git, `${gone}^{tree}`)
    await expect(checkWants(objects, [tree], OPEN_FETCH)).rejects.toThrow('not our ref')
    await checkWants(objects, [gone, tree], { ...OPEN_FETCH, wants: 'any' })
    git.remove()
  })

  // Seen to fail when it is looked first whether something is there.
  it('takes the same work to find out of what is hidden and of what never was', async () => {
    const { git, objects, gone, tip } = await forced()
    const workOf = async (asked: Oid): Promise<string[]> => {
      const looks: string[] = []
      // With what was found for the one before, it would take none.
      const fresh = await Objects.open(objects.place, nodeRuntime)
      const readable = { ...ALL_REFS, key: `all but those ${asked}` }
      const locate = fresh.locate.bind(fresh)
      fresh.locate = (oid) => {
        looks.push(oid === asked ? 'what is asked for' : oid)
        return locate(oid)
      }
      await commonHaves(fresh, [asked], readable)
      const policy = { ...OPEN_FETCH, readable }
      await checkWants(fresh, [asked], policy).catch(() => undefined)
      return looks
    }
    const nothing = await workOf(parseOid('1'.repeat(40)))
    expect(nothing).toContain(tip)
    for (const hidden of [gone, oid(git, `${gone}^{tree}`)])
      expect(await workOf(hidden)).toEqual(nothing)
    git.remove()
  })

  it('is nothing of refs that it may not read', async () => {
    const { git, objects, tip } = await forced()
    const nobody: Readable = { key: 'nobody', includes: () => false }
    await expect(checkWants(objects, [tip], { ...OPEN_FETCH, readable: nobody })).rejects.toThrow(
      'not our ref',
    )
    expect(await commonHaves(objects, [tip], nobody)).toEqual([])
    git.remove()
  })
})

describe('what a client has', () => {
  it('counts when a ref leads to it', async () => {
    const { git, objects, gone, tip } = await forced()
    const old = oid(git, 'main~3')
    const stranger = parseOid('1'.repeat(40))
    expect(await commonHaves(objects, [stranger, gone, old, tip], ALL_REFS)).toEqual([old, tip])
    git.remove()
  })

  it(`is enough when every want leads to it or to a parent through commits that are no older, as Git looks for it (${CASES} histories)`, async () => {
    for (let i = 0; i < CASES; i++) {
      const git = randomHistory({ files: 5, commits: 15, random: random(seed + i) })
      const place = memoryPlace()
      await load(place, git.folder)
      const objects = await Objects.open(place, nodeRuntime)
      const commits = git.run(['rev-list', 'main']).split('\n').map(parseOid)
      for (const want of commits.slice(0, 5)) {
        for (const have of commits.slice(0, 5)) {
          const enough = leadsTo(parentsByTime(git), want, have)
          expect(await isReady(objects, [want], [have]), `${want} to ${have}`).toBe(enough)
        }
      }
      const [tip, next, ...older] = commits
      const last = older.at(-1)
      if (tip === undefined || next === undefined || last === undefined)
        throw new Error('There are fifteen')
      expect(await isReady(objects, [tip, next], [last])).toBe(true)
      expect(await isReady(objects, [tip, last], [tip])).toBe(false)
      expect(await isReady(objects, [tip], [])).toBe(false)
      git.remove()
    }
  })
})

type History = ReadonlyMap<string, { readonly time: number; readonly parents: readonly string[] }>

function parentsByTime(git: RealRepository): History {
  const listed = git.run(['rev-list', '--timestamp', '--parents', 'main']).split('\n')
  const rows = listed.map((line) => line.split(' '))
  return new Map(rows.map(([time, oid = '', ...parents]) => [oid, { time: Number(time), parents }]))
}

/** Whether a way leads from `want` to `have` or a parent of it, past commits that are as new as `have`. */
function leadsTo(history: History, want: string, have: string): boolean {
  const found = history.get(have)
  const near = new Set([have, ...(found?.parents ?? [])])
  const stack = [want]
  for (let oid = stack.pop(); oid !== undefined; oid = stack.pop()) {
    if (near.has(oid)) return true
    const node = history.get(oid)
    if (oid === want || (node?.time ?? 0) >= (found?.time ?? 0))
      stack.push(...(node?.parents ?? []))
  }
  return false
}
