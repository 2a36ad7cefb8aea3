/**
 * A page whose quota the tests move up and down, while it does what it is told to a repository.
 *
 * @module
 */
import { UnavailableError } from '@datakit/git/error'
import type { Place } from '@datakit/git/place'
import { portableRuntime } from '@datakit/git/runtime/portable'
import { Repository } from '@datakit/datakit/repository'
import { sync } from '@datakit/datakit/sync'
import { openIndexedDbPlace } from '@datakit/storage/indexeddb'
import { compact } from '@datakit/storage/maintenance'

/** What is to be done. */
export type QuotaWork = 'commit' | 'merge' | 'compact' | 'sync' | 'clone'

/** How it ended: `full` when the storage was, and nothing was changed. */
export type QuotaOutcome = 'done' | 'full'

const runtime = portableRuntime
const identity = () => ({ name: 'Ada', address: 'ada@example.org' })
const places = new Map<string, Promise<Place>>()

/** One place for each name as long as the page is open: nothing is opened anew when there is room again. */
async function open(name: string): Promise<Repository> {
  const place = places.get(name) ?? openIndexedDbPlace(name)
  places.set(name, place)
  return Repository.open(await place, { runtime, identity })
}

/** A text that no pack makes smaller by much. */
function noise(bytes: number): Uint8Array<ArrayBuffer> {
  const text = new Uint8Array(bytes)
  for (let i = 0; i < bytes; i += 65_536) crypto.getRandomValues(text.subarray(i, i + 65_536))
  return text
}

async function write(repository: Repository, branch: string, size: number): Promise<void> {
  const transaction = await repository.branch(branch).transaction()
  const path = `${branch}-${((await transaction.list('')).length % 5) + 1}`
  await transaction.write(path, noise(size))
  await transaction.commit({ message: `${path}: ${size} bytes` })
}

async function work(name: string, what: QuotaWork, size: number, url: string): Promise<void> {
  const repository = await open(name)
  if (what === 'commit') return write(repository, 'main', size)
  if (what === 'compact') return void (await compact(repository.store.place, runtime))
  if (what === 'sync') return void (await sync(repository, { url }))
  if (what === 'clone') return void (await sync(await open(`${name}-${size}`), { url }))
  const branch = repository.branch('side')
  if ((await branch.oid()) === undefined) {
    const head = await repository.branch('main').oid()
    if (head !== undefined) await branch.create(head)
  }
  await write(repository, 'side', size)
  const transaction = await repository.branch('main').transaction()
  const theirs = await branch.oid()
  if (theirs !== undefined) await transaction.merge(theirs)
  await transaction.commit({ message: 'Merge side' })
}

/** What the tests call. */
const quota = {
  /** Does it. Rejects with whatever is none of a full storage. */
  async work(name: string, what: QuotaWork, size: number, url: string): Promise<QuotaOutcome> {
    try {
      await work(name, what, size, url)
      return 'done'
    } catch (error) {
      if (error instanceof UnavailableError && error.reason === 'storage-full') return 'full'
      throw error
    }
  },

  /** Where the branches are, after all that they reach was read. */
  async heads(name: string): Promise<Record<string, string>> {
    const repository = await open(name)
    const heads: Record<string, string> = {}
    for (const branch of ['main', 'side']) {
      const head = await repository.branch(branch).head()
      if (head === undefined) continue
      heads[branch] = head.oid
      for await (const { path } of head.walk()) await head.read(path)
    }
    return heads
  },
}

Object.assign(globalThis, { quota })

export type Quota = typeof quota
