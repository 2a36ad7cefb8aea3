/**
 * Strays: what lies in a bucket and belongs to no repository at all.
 *
 * A pack that was staged for a repository that was never created, and everything of a repository whose root was deleted.
 * The sweep of a place does not see them, since it looks under the id of its own repository only.
 *
 * @module
 */
import { ByteCache } from '@datakit/git/byte-cache'
import { deleteAll, listAll, type Bucket } from './bucket.ts'
import { readCondemned } from './condemned.ts'
import { nameOfRoot, OBJECT_KINDS, packKey, ROOT_PREFIX } from './keys.ts'
import { Repository } from './repository.ts'
import { Store } from './store.ts'
import { isOld } from './sweep.ts'

/** What a sweep of strays can be told. */
export interface StrayOptions {
  /** Milliseconds since 1970; `Date.now` when left out. */
  readonly clock?: (() => number) | undefined
}

/**
 * Deletes strays that are older than a staged pack lives; safe while others read and write. Reads every root and lists
 * the whole bucket, so it is something for once a week. Tells how many objects it deleted.
 *
 * @throws MalformedError, UnsupportedError when a root cannot be read: nothing is deleted then
 */
export async function sweepStrays(bucket: Bucket, options: StrayOptions = {}): Promise<number> {
  const clock = options.clock ?? Date.now
  const known = await readKnown(bucket, clock)
  let deleted = 0
  for (const kind of OBJECT_KINDS) {
    let strays: string[] = []
    for await (const object of listAll(bucket, `${kind}/`)) {
      const { key } = object
      const repository = key.split('/')[1] ?? ''
      if (known.repositories.has(repository) || known.keys.has(key)) continue
      if (isOld(object, clock())) strays.push(key)
      if (strays.length < 1000) continue
      await deleteAll(bucket, strays)
      deleted += strays.length
      strays = []
    }
    await deleteAll(bucket, strays)
    deleted += strays.length
  }
  return deleted
}

/** Ids of all repositories, and keys that their roots name under other ids. */
async function readKnown(
  bucket: Bucket,
  clock: () => number,
): Promise<{ readonly repositories: ReadonlySet<string>; readonly keys: ReadonlySet<string> }> {
  const repositories = new Set<string>()
  const keys = new Set<string>()
  const store = new Store(bucket, new ByteCache(0))
  for await (const { key } of listAll(bucket, ROOT_PREFIX)) {
    const name = nameOfRoot(key)
    if (name === undefined) continue
    const { root } = await new Repository(store, name, {
      clock,
      patience: 0,
      writeInterval: 0,
    }).load()
    repositories.add(root.repository)
    const named = [
      ...root.packs.map(({ id }) => packKey(id) ?? id),
      ...(await readCondemned(store, root)).map((one) => one.key),
    ]
    for (const one of named) if (one.split('/')[1] !== root.repository) keys.add(one)
  }
  return { repositories, keys }
}
