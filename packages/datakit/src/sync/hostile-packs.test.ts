/**
 * What a client takes of packs that were made to break it: little memory, little time, and nothing of them.
 */
import { describe, expect, it } from 'vitest'
import { concat } from '@datakit/git/bytes'
import { GitError } from '@datakit/git/error'
import { encodePackHeader } from '@datakit/git/pack/write-pack'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryPlace } from '@datakit/storage/memory'
import { createHash } from 'node:crypto'
import {
  doubling,
  insertion,
  nameOf,
  ofsEntry,
  refEntry,
  sectionsOf,
  wholeEntry,
  type Entry,
} from '../../test/hostile-pack.ts'
import { blobOf, commitOf, lieInPlaceOf, objectOf, treeOf } from '../../test/hostile-server.ts'
import { Network } from '../../test/network.ts'
import { Repository } from '../repository.ts'
import { sync } from './sync.ts'

const MB = 1024 * 1024
const MAIN = 'refs/heads/main'
const blob = blobOf('x')
const tree = treeOf([['100644', 'a', blob]])
const commit = commitOf(tree.oid)
const good = [blob, tree, commit].map((each) => wholeEntry(each, each.body))
const root = { oid: nameOf('root'), type: 'tree' } as const
/** The head, whose tree has any name. */
const head = commitOf(root.oid)
const headEntry = wholeEntry(head, head.body)

/** A tree that is made by deltas one on the other, the last one under the name that the head has for it. */
function chain(steps: number, first: Uint8Array, delta: (size: number) => Uint8Array): Entry[] {
  const named = (i: number): typeof root =>
    i === steps ? root : { ...root, oid: nameOf(`step ${i}`) }
  const entries = [wholeEntry(named(0), first)]
  for (let i = 1, { length } = first; i <= steps; i++) {
    const bytes = delta(length)
    entries.push(refEntry(named(i), named(i - 1).oid, bytes))
    length *= 2
  }
  return [...entries, headEntry]
}

function withRow(entries: readonly Entry[], row: Partial<Entry['row']>): Entry[] {
  return entries.map((each, i) => (i === 1 ? { ...each, row: { ...each.row, ...row } } : each))
}

type Sections = readonly [pack: Uint8Array, index: Uint8Array]
const [goodPack, goodIndex] = sectionsOf(good)
const inCircle = ['p', 'q'].map((name) => ({ ...root, oid: nameOf(name) }))
const [p = root, q = root] = inCircle
const same = doubling(4)

const packs: readonly (readonly [what: string, sections: () => Sections, problem: RegExp])[] = [
  ['deltas that double to gigabytes', () => sectionsOf(chain(24, tree.body, doubling)), /allowed/],
  [
    'a tree that inflates to half a gigabyte',
    () => sectionsOf([wholeEntry(root, new Uint8Array(0), 500 * MB), headEntry]),
    /bytes/,
  ],
  [
    'a tree that really does',
    () => sectionsOf([wholeEntry(root, new Uint8Array(80 * MB)), headEntry]),
    /bytes/,
  ],
  [
    'a body that goes on behind its size',
    () => sectionsOf([wholeEntry(root, new Uint8Array(MB), 40), headEntry]),
    /zlib|holds/,
  ],
  [
    'deltas that go in a circle',
    () =>
      sectionsOf([
        refEntry(p, q.oid, same),
        refEntry(q, p.oid, same),
        refEntry(root, p.oid, same),
        headEntry,
      ]),
    /circle/,
  ],
  ['a delta of itself', () => sectionsOf([refEntry(root, root.oid, same), headEntry]), /circle/],
  ['a delta at no distance', () => sectionsOf([ofsEntry(root, 0, same), headEntry]), /circle/],
  [
    'a delta of what is before the pack',
    () => {
      const entry = ofsEntry(root, 2 ** 40, same)
      return sectionsOf([{ ...entry, row: { ...root, base: undefined } }, headEntry])
    },
    /knows no base/,
  ],
  [
    'a delta of what is not here',
    () => sectionsOf([refEntry(root, nameOf('nowhere'), same), headEntry]),
    /is not there/,
  ],
  ['a million objects, and none there', () => emptyPack(1_000_000), /has more than/],
  ['four billion objects, and none there', () => emptyPack(2 ** 32 - 1), /has more than/],
  [
    'an index of more objects',
    () => [goodPack, sectionsOf([...good, headEntry])[1]],
    /same number/,
  ],
  ['an index of fewer', () => [goodPack, sectionsOf(good.slice(1))[1]], /same number/],
  [
    'an offset within the header',
    () => [goodPack, sectionsOf(withRow(good, { offset: 4 }))[1]],
    /outside/,
  ],
  [
    'an offset behind the pack',
    () => [goodPack, sectionsOf(withRow(good, { offset: 9000 }))[1]],
    /outside/,
  ],
  [
    'an offset beyond 4 GiB',
    () => [goodPack, sectionsOf(withRow(good, { offset: 2 ** 45 }))[1]],
    /outside/,
  ],
  [
    'a length behind the pack',
    () => [goodPack, sectionsOf(withRow(good, { length: 2 ** 31 }))[1]],
    /outside/,
  ],
  [
    'an offset in the middle of an entry',
    () => [goodPack, sectionsOf(withRow(good, { offset: 16 }))[1]],
    /no copy/,
  ],
  [
    'an entry within another',
    () => [goodPack, sectionsOf(withRow(good, { length: 3 }))[1]],
    /no copy/,
  ],
  ['an index that is cut short', () => [goodPack, goodIndex.subarray(0, -9)], /index/],
  ['an index of noise', () => [goodPack, goodPack], /index/],
  [
    'a trailer of another',
    () => [concat([goodPack.subarray(0, -1), Uint8Array.of(0)]), goodIndex],
    /trailer/,
  ],
  ['nothing but a trailer', () => [goodPack.subarray(-20), goodIndex], /trailer/],
]

/** A pack that announces objects and has none, and an index as empty. */
function emptyPack(count: number): Sections {
  const body = encodePackHeader(count)
  return [concat([body, createHash('sha1').update(body).digest()]), new Uint8Array(70_000)]
}

/** A client that counts what it inflates, and all that it has. */
async function client(): Promise<{
  repository: Repository
  inflated: () => number
  everything: () => Promise<unknown>
}> {
  let bytes = 0
  const runtime = { ...nodeRuntime }
  runtime.inflate = (...args) => {
    const body = nodeRuntime.inflate(...args)
    bytes += body.length
    return body
  }
  const identity = () => ({ name: 'Ada', address: 'ada@example.org' })
  const repository = await Repository.open(memoryPlace(), { runtime, identity })
  return {
    repository,
    inflated: () => bytes,
    async everything() {
      const { head: at, packs: kept, refs } = await repository.store.state()
      const found: unknown[] = []
      for await (const ref of refs.call(await repository.store.state())) found.push(ref)
      return { at, kept: kept.map(({ id }) => id), found }
    },
  }
}

/** A client that took an answer with this head and these entries, and how often it inflated since. */
async function taken(
  main: { readonly oid: string },
  entries: readonly Entry[],
): Promise<Awaited<ReturnType<typeof client>>> {
  const network = new Network()
  const header = { repository: '1'.repeat(32), refs: [{ name: MAIN, oid: main.oid }] }
  network.onAnswer = (answer) => lieInPlaceOf(answer, { header, sections: sectionsOf(entries) })
  const made = await client()
  await sync(made.repository, network.options)
  return made
}

describe('an answer with a pack', () => {
  it.each(packs)('of %s costs little and changes nothing', async (_, make, problem) => {
    const network = new Network()
    const sections = make()
    const oid = sections[0] === goodPack || sections[1] === goodIndex ? commit.oid : head.oid
    const header = { repository: '1'.repeat(32), refs: [{ name: MAIN, oid }] }
    network.onAnswer = (answer) => lieInPlaceOf(answer, { header, sections })
    const { repository, inflated, everything } = await client()
    const before = await everything()
    const error: unknown = await sync(repository, network.options).catch((cause: unknown) => cause)
    expect(error).toMatchObject({ code: 'malformed', cause: expect.any(GitError) })
    expect(error).toMatchObject({ message: expect.stringMatching(problem) })
    expect(await everything()).toEqual(before)
    expect(network.requests).toBe(1)
    expect(inflated()).toBeLessThan(MB)
  })
})

// Seen to fail when the directories of a tree are handed on as arguments, which a stack has no room for.
it('takes a directory of 150,000 directories', async () => {
  const empty = treeOf([])
  const names = Array.from({ length: 150_000 }, (_, i) => `${100_000 + i}`)
  const wide = treeOf(names.map((name) => ['40000', name, empty]))
  const main = commitOf(wide.oid)
  const { repository } = await taken(
    main,
    [wide, main].map((each) => wholeEntry(each, each.body)),
  )
  expect(await repository.branch('main').oid()).toBe(main.oid)
})

// Seen to fail when all deltas of a chain are kept until they are applied: none is inflated twice then.
it('reads an object behind deltas that are too much to be kept', async () => {
  const bodies = Array.from({ length: 6 }, (_, i) => new Uint8Array(14 * MB).fill(i))
  const blobs = bodies.map((body) => objectOf('blob', body))
  const big = treeOf([['100644', 'big', blobs[5] ?? blob]])
  const main = commitOf(big.oid)
  const chained = blobs.map((each, i) => {
    const before = blobs[i - 1]
    if (before === undefined) return wholeEntry(each, each.body)
    return refEntry(each, before.oid, insertion(before.body.length, each.body))
  })
  const rest = [big, main].map((each) => wholeEntry(each, each.body))
  const { repository, inflated } = await taken(main, [...chained, ...rest])
  const before = inflated()
  const { body } = await repository.store.objects.read(blobs[5]?.oid ?? main.oid)
  expect(body).toHaveLength(14 * MB)
  expect(body.at(-1)).toBe(5)
  // The whole one, the five deltas, and the first of them again.
  expect(Math.round((inflated() - before) / 14 / MB)).toBe(7)
})
