/**
 * The same way of bundles between any two places, in any runtime: whole, and what came later.
 *
 * @module
 */
import type { Place } from '@datakit/git/place'
import type { Runtime } from '@datakit/git/runtime'
import { importBundle, verifyBundle } from '../src/bundle/bundle-import.ts'
import { exportBundle } from '../src/bundle/bundle.ts'
import { Repository } from '../src/repository.ts'

/** Refs, HEAD and files of a repository. */
export interface Carried {
  readonly refs: readonly string[]
  readonly head: unknown
  readonly files: readonly string[]
}

/** Commits in one place, carries the commits to the other in two bundles, and gives what both have then. */
export async function carryBundles(
  runtime: Runtime,
  from: Place,
  to: Place,
): Promise<{ readonly source: Carried; readonly copy: Carried }> {
  const [source, copy] = [
    await Repository.open(from, { runtime }),
    await Repository.open(to, { runtime }),
  ]
  const commit = async (content: string): Promise<void> => {
    await source.branch('main').commit(
      async (files) => {
        await files.write('a/same', 'content')
        await files.write('large', content.repeat(100_000))
        for (let i = 0; i < 200; i++) await files.write(`many/${content}/${i}`, `${i}`)
      },
      { message: content },
    )
  }
  await commit('first')
  await importBundle(copy, exportBundle(source))
  const since = (await copy.branches()).map(({ head }) => head)
  await commit('second')
  await source.branch('topic').create(since[0] ?? (await commitOf(source)))
  const options = { since, version: 3 } as const
  const { missing } = await verifyBundle(copy, exportBundle(source, options))
  if (missing.length > 0) throw new Error('What the bundle goes on from is there')
  await importBundle(copy, exportBundle(source, options))
  return { source: await carriedBy(source), copy: await carriedBy(copy) }
}

async function commitOf(repository: Repository) {
  const oid = await repository.branch('main').oid()
  if (oid === undefined) throw new Error('There are commits')
  return oid
}

async function carriedBy(repository: Repository): Promise<Carried> {
  const refs: string[] = []
  for await (const { name, oid } of (await repository.store.state()).refs())
    refs.push(`${oid} ${name}`)
  const files: string[] = []
  const head = await repository.branch('main').head()
  if (head !== undefined)
    for await (const { path } of head.walk())
      files.push(`${path}: ${(await head.readText(path))?.length ?? -1}`)
  return { refs, head: await repository.head(), files }
}
