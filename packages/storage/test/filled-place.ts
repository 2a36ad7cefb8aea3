/**
 * A repository that has something of everything, for those who check and mend.
 *
 * @module
 */
import type { GitObject } from '@datakit/git/object'
import type { Oid } from '@datakit/git/oid'
import { makeDelta } from '@datakit/git/pack/delta'
import type { PackObject } from '@datakit/git/pack/write-pack'
import type { Place } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { compact } from '../src/maintenance.ts'
import { Author } from './author.ts'
import { done, move, request, stage } from './samples.ts'

const MAIN = 'refs/heads/main'

/**
 * Makes a repository with a table of refs, pieces of the log, tables of receipts, packs of every kind. Every object that was
 * committed goes into `clone`.
 */
export async function fillPlace(place: Place, clone: Map<Oid, GitObject>): Promise<void> {
  const author = new Author()
  const files = Object.fromEntries(
    Array.from({ length: 20 }, (_, i) => [`dir-${i % 4}/file-${i}`, lines(i, 300)]),
  )
  const to: Target = { place, author, clone }
  await commit(to, files)
  const tags = Array.from({ length: 200 }, (_, i) =>
    move(`refs/tags/v${i}`, undefined, author.head),
  )
  await done(place, request(tags))
  for (let i = 0; i < 14; i++) {
    const log = { who: 'Ada <ada@example.org>', why: 'x'.repeat(700) }
    await commit(to, { [`dir-${i % 4}/file-${i}`]: lines(i + 100, 300) }, log)
    if (i === 8) await compact(place, nodeRuntime)
  }
}

interface Target {
  readonly place: Place
  readonly author: Author
  readonly clone: Map<Oid, GitObject>
}

async function commit(
  { place, author, clone }: Target,
  files: Readonly<Record<string, Uint8Array>>,
  log = { who: 'Ada <ada@example.org>', why: 'commit' },
): Promise<void> {
  const from = author.head
  const objects = author.commit(files)
  const { packs } = await place.read()
  const before = [...clone].find(([, { type }]) => type === 'blob')
  // Every pack but the first is thin: a blob in it is a delta against one of the first.
  const thin: PackObject[] = objects.map((object) => {
    if (before === undefined || object.type !== 'blob') return object
    return { ...object, delta: { base: before[0], bytes: makeDelta(before[1].body, object.body) } }
  })
  for (const { oid, type, body } of objects) clone.set(oid, { type, body })
  const needs = packs.slice(0, 1).map(({ id }) => id)
  const staged = await stage(place, thin, before === undefined ? [] : needs)
  await done(place, request([move(MAIN, from, author.head)], { addPacks: [staged], log }))
}

function lines(seed: number, count: number): Uint8Array {
  const text = Array.from({ length: count }, (_, i) => `key ${i}: ${(seed * i) % 97}\n`)
  return new TextEncoder().encode(text.join(''))
}
