/**
 * Open repositories: keeps the last ones that were asked for, with what is known of their packs, between requests.
 *
 * Nothing that decides what a ref is comes from here: the state is read again for every request.
 *
 * @module
 */
import { GitError } from '@datakit/git/error'
import { Objects } from '@datakit/git/objects'
import type { Depot } from '@datakit/git/place'
import type { Runtime } from '@datakit/git/runtime'
import type { Policy, PolicyOf } from './policy.ts'
import { ProblemError } from './problem.ts'
import { checkRepositoryName } from './repository-name.ts'

/** How much is kept. The defaults fit into a Worker beside what `Admission` lets in and the caches of R2. */
export interface CacheOptions {
  /** How many repositories. */
  readonly repositories: number
  /** Bytes of each: bodies and windows of packs. */
  readonly bytes: number
}

/** What holds where nobody said otherwise. */
export const DEFAULT_CACHE: CacheOptions = { repositories: 4, bytes: 8_000_000 }

/** Bytes of a pack that are asked for at once: a request to a bucket costs more than the bytes. */
const WINDOW = 1024 * 1024

/** The repositories of a depot, the last used ones kept open. */
export class OpenRepositories {
  readonly #depot: Depot
  readonly #runtime: Runtime
  readonly #options: CacheOptions
  // In the order of their use, the last one at the end.
  readonly #open = new Map<string, Promise<Objects>>()

  constructor(depot: Depot, runtime: Runtime, options: CacheOptions = DEFAULT_CACHE) {
    this.#depot = depot
    this.#runtime = runtime
    this.#options = options
  }

  /**
   * The objects of a repository, at its state of this moment; `objects.state.exists` says whether there is one.
   *
   * @throws RefusedError `bad-name`, or with the reason why the place does not serve it
   */
  async open(name: string): Promise<Objects> {
    checkRepositoryName(name)
    const known = this.#open.get(name)
    if (known === undefined) return this.#openNew(name)
    this.#use(name, known)
    const objects = await known
    await objects.refresh()
    if (objects.state.exists) return objects
    // It was removed, and may have come back elsewhere: on disk a name has three forms.
    this.#open.delete(name)
    return this.#openNew(name)
  }

  /**
   * The same, with what the repository allows at this moment.
   *
   * @throws ProblemError `broken` when it is there and cannot be read: that is no fault of whoever asks
   */
  async openWith(
    policyOf: PolicyOf,
    name: string,
  ): Promise<{ readonly objects: Objects; readonly policy: Policy }> {
    try {
      const objects = await this.open(name)
      return { objects, policy: policyOf(objects.place) }
    } catch (error) {
      throw faultOf(name, error)
    }
  }

  /** Names of the repositories that exist, ordered, with the reason where one of them is not served. */
  list(): ReturnType<Depot['list']> {
    return this.#depot.list()
  }

  async #openNew(name: string): Promise<Objects> {
    const opened = this.#depot
      .open(name)
      .then((place) =>
        Objects.open(place, this.#runtime, { bytes: this.#options.bytes, window: WINDOW }),
      )
    this.#use(name, opened)
    try {
      const objects = await opened
      if (!objects.state.exists) this.#open.delete(name)
      return objects
    } catch (error) {
      this.#open.delete(name)
      throw error
    }
  }

  #use(name: string, objects: Promise<Objects>): void {
    this.#open.delete(name)
    this.#open.set(name, objects)
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= this.#options.repositories) return
      this.#open.delete(oldest)
    }
  }
}

function faultOf(name: string, cause: unknown): unknown {
  const isOurs =
    cause instanceof GitError && (cause.code === 'malformed' || cause.code === 'missing')
  if (!isOurs) return cause
  const message = `Repository "${name}" cannot be served: something in it is broken; the log of the server says what`
  return new ProblemError('broken', message, {}, { cause })
}
