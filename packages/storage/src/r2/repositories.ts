/**
 * Repositories of a bucket, as an isolate keeps them: one for each name, to be validated by the next read of its root.
 *
 * @module
 */
import { ByteCache } from '@datakit/git/byte-cache'
import type { Bucket } from './bucket.ts'
import { UpdateGroup } from './group.ts'
import { Repository } from './repository.ts'
import { Store } from './store.ts'
import { Units } from './units.ts'

/** What repositories in R2 can be told. */
export interface RepositoriesOptions {
  /** Milliseconds since 1970, for receipts, the log and graces; `Date.now` when left out. */
  readonly clock?: (() => number) | undefined
  /** How long an update waits for its turn before it answers `busy`, in milliseconds; 3,000 when left out. */
  readonly patience?: number | undefined
  /** How far apart the bucket takes two writes to one key, in milliseconds; 1,000 when left out, as R2 has it. */
  readonly writeInterval?: number | undefined
  /** How many bytes of immutable objects are kept in memory; 16 MB when left out. */
  readonly cacheBytes?: number | undefined
}

/** What all places of one name share. */
export interface Shared {
  readonly repository: Repository
  readonly units: Units
  readonly group: UpdateGroup
}

/** How many roots are kept in memory. */
const KEPT = 64

/** Keeps the repositories that were opened last. */
export class Repositories {
  readonly #store: Store
  readonly #options: RepositoriesOptions
  /** By name, in the order in which they were opened. */
  readonly #kept = new Map<string, Shared>()

  constructor(bucket: Bucket, options: RepositoriesOptions) {
    this.#store = new Store(bucket, new ByteCache(options.cacheBytes ?? 16_000_000))
    this.#options = options
  }

  /** @throws RefusedError `bad-name` */
  open(name: string): Shared {
    const shared = this.#kept.get(name) ?? this.#make(name)
    this.#kept.delete(name)
    this.#kept.set(name, shared)
    for (const oldest of this.#kept.keys()) if (this.#kept.size > KEPT) this.#kept.delete(oldest)
    return shared
  }

  clear(): void {
    this.#kept.clear()
  }

  #make(name: string): Shared {
    const { clock = Date.now, patience = 3000, writeInterval = 1000 } = this.#options
    const repository = new Repository(this.#store, name, { clock, patience, writeInterval })
    return { repository, units: new Units(repository), group: new UpdateGroup(repository) }
  }
}
