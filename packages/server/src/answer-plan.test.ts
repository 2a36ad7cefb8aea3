/**
 * The name of a plan beside the bytes that it stands for: whoever has less gets other bytes of the same objects.
 */
import { mkdtempSync, rmSync, writeFileSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { concat, toHex } from '@datakit/git/bytes'
import { Objects } from '@datakit/git/objects'
import { parseOid, type Oid } from '@datakit/git/oid'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { selectObjects, type SelectRequest } from '@datakit/git/transport/select'
import { streamPack } from '@datakit/git/transport/serve'
import type { SyncScope } from '@datakit/git/protocol/sync-choice'
import { openGitDirectory } from '@datakit/storage/git-directory'
import { git } from '../../../test/support/stock-git.ts'
import { selectionOf } from './answer-choice.ts'
import { planOf } from './answer-plan.ts'

const folder = mkdtempSync(join(tmpdir(), 'datakit-plan-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Bytes that cannot be compressed, the same in every run. */
function noise(size: number, seed: number): Buffer {
  let state = seed
  return Buffer.from(
    Uint8Array.from({ length: size }, () => (state = (state * 48_271) % 2_147_483_647) & 255),
  )
}

/** The name of a plan, and what the pack is that is made by it. */
interface Made {
  readonly plan: string | undefined
  readonly objects: number
  readonly pack: string
}

describe('the name of a plan', () => {
  let objects: Objects
  let [first, second]: Oid[] = []

  const names = Array.from({ length: 45 }, (_, i) => `a/new-${i}`)
  const one = noise(100_000, 7)

  beforeAll(async () => {
    const commit = async (files: readonly (readonly [string, Uint8Array])[]): Promise<Oid> => {
      for (const [path, body] of files) {
        mkdirSync(join(folder, path, '..'), { recursive: true })
        writeFileSync(join(folder, path), body)
      }
      await git(folder, 'add', '-A')
      await git(folder, 'commit', '-qm', 'files')
      return parseOid(await git(folder, 'rev-parse', 'HEAD'))
    }
    await git(folder, 'init', '-q', '-b', 'main')
    first = await commit([['a/base', concat([one, noise(5000, 3)])]])
    second = await commit([
      ['a/one', one],
      ...names.map((name, i) => [name, noise(100_000, 100 + i)] as const),
    ])
    // What is new is a delta against what was there.
    await git(folder, 'repack', '-adfq', '--window=100')
    objects = await Objects.open(await openGitDirectory(join(folder, '.git')), nodeRuntime)
  })

  /** Makes the answer for whoever has the first commit, and wants what is in `wanted` of the second. */
  async function make(wanted: SyncScope): Promise<Made> {
    const request: SelectRequest = {
      wants: second === undefined ? [] : [second],
      haves: first === undefined ? [] : [first],
      ...selectionOf(wanted),
    }
    const selection = await selectObjects(objects, request)
    await selection.locate()
    const pieces: Uint8Array[] = []
    for await (const piece of streamPack(objects, selection, { thin: true })) pieces.push(piece)
    const pack = toHex(nodeRuntime.sha1(concat(pieces)))
    return { plan: await planOf(objects, selection, request), objects: selection.count, pack }
  }

  const cases: [string, SyncScope][] = [
    ['paths that leave out what deltas rest on', { paths: ['a/one', ...names] }],
    ['a size of files that does', { blobLimit: 104_000 }],
  ]

  it.each(cases)('is another one with %s, as the bytes are', async (_, wanted) => {
    const [all, part] = [await make({}), await make(wanted)]
    expect(part.objects).toBe(all.objects)
    expect(part.pack).not.toBe(all.pack)
    expect(part.plan).toMatch(/^[0-9a-f]{40}$/)
    expect(part.plan).not.toBe(all.plan)
    expect(await make(wanted)).toEqual(part)
  })

  // Seen to fail when the paths, the limit, or what is held were left out of the digest.
  it('depends on each thing that was left out, for whom the same objects are sent too', async () => {
    const request: SelectRequest = { wants: second === undefined ? [] : [second], haves: [] }
    const selection = await selectObjects(objects, request)
    await selection.locate()
    const others: Partial<SelectRequest>[] = [
      {},
      selectionOf({ paths: ['a'] }),
      selectionOf({ paths: ['b'] }),
      selectionOf({ blobLimit: 1_000_000 }),
      { held: selectionOf({}) },
      { held: selectionOf({ paths: ['a'] }) },
      { held: selectionOf({ blobLimit: 1_000_000 }) },
      { ...selectionOf({ paths: ['a'] }), held: selectionOf({ paths: ['b'] }) },
    ]
    const plans: (string | undefined)[] = []
    for (const other of others)
      plans.push(await planOf(objects, selection, { ...request, ...other }))
    expect(plans).not.toContain(undefined)
    // Who holds all has as much as who says nothing of it.
    expect(plans[4]).toBe(plans[0])
    expect(new Set(plans).size).toBe(others.length - 1)
  })
})
