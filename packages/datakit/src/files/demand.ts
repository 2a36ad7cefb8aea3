/**
 * Demand: what is not here comes when somebody reads it, and stays.
 *
 * Whoever knows what will be read (a walk, a merge, a hundred files) says so, and all of it is asked for in one request;
 * readers at the same time share one. Where it comes from, `on-demand.ts` and `../sync/server-promisor.ts` know.
 *
 * @module
 */
import { MissingError, NotHereError, RefusedError, UnavailableError } from '@datakit/git/error'
import type { GitObject, ObjectType } from '@datakit/git/object'
import { EMPTY_TREE, type Oid } from '@datakit/git/oid'
import type { Links } from '@datakit/git/pack/links'
import type { Repository } from '../repository.ts'
import type { StatSource } from './object-source.ts'

/** Where objects come from that were left there. */
export interface ObjectFetcher {
  /**
   * Brings the objects, and of a directory everything but its files. Gives those that are not to be had.
   *
   * @throws UnavailableError when it is out of reach
   * @throws MissingError, RefusedError when one of them is not to be had, and perhaps the others are
   */
  fetchObjects(oids: readonly Oid[], signal: AbortSignal): Promise<readonly Oid[]>
  /** Ends all of it. */
  readonly signal?: AbortSignal | undefined
}

/** Gives what has the objects that were left with the remote of a name; `undefined` when there is nothing. */
export type FindFetcher = (
  name: string,
) => Promise<ObjectFetcher | undefined> | ObjectFetcher | undefined

/** Objects that one request asks for at most. */
const BATCH = 20_000

/** Objects of one remote that are asked for together. */
interface Batch {
  readonly oids: Set<Oid>
  /** What went wrong with some of them; complete when `done` is. */
  readonly failures: Map<Oid, unknown>
  /** Never rejects. */
  readonly done: Promise<void>
  /** Aborted when nobody waits any more. */
  readonly stop: AbortController
  waiting: number
}

/** The objects of a repository, with those that its remotes have. */
export class OnDemand implements StatSource {
  readonly #repository: Repository
  readonly #find: FindFetcher
  /** Batches that are still joined, by remote. */
  readonly #open = new Map<string, Batch>()
  /** Batches that were not ended, by what is in them. */
  readonly #running = new Map<Oid, Batch>()

  constructor(repository: Repository, find: FindFetcher) {
    this.#repository = repository
    this.#find = find
  }

  read(oid: Oid): Promise<GitObject> {
    return this.#online(() => this.#objects.read(oid))
  }

  stat(oid: Oid): Promise<{ readonly type: ObjectType; readonly size: number }> {
    return this.#online(() => this.#objects.stat(oid))
  }

  links(oid: Oid): Promise<Links | undefined> {
    return this.#online(() => this.#objects.links(oid))
  }

  /**
   * Fetches those of the objects that were left with a remote, in one request: they are wanted soon. Of a directory comes
   * everything but the files.
   *
   * @throws NotHereError when the remote is out of reach; the signal's reason
   */
  async ahead(oids: Iterable<Oid | undefined>, signal?: AbortSignal): Promise<void> {
    const byRemote = new Map<string, Oid[]>()
    for (const oid of new Set(oids)) {
      if (oid === undefined || oid === EMPTY_TREE || (await this.#objects.has(oid))) continue
      const remote = await this.#objects.state.promised(oid)
      if (remote !== undefined) byRemote.set(remote, [...(byRemote.get(remote) ?? []), oid])
    }
    await Promise.all([...byRemote].map(([remote, some]) => this.#fetch(some, remote, signal)))
  }

  get #objects() {
    return this.#repository.store.objects
  }

  async #online<Result>(work: () => Promise<Result>): Promise<Result> {
    // An object may be a delta whose base is elsewhere, too.
    const asked = new Set<string>()
    for (;;) {
      try {
        return await work()
      } catch (error) {
        if (!(error instanceof NotHereError) || asked.has(error.oid)) throw error
        asked.add(error.oid)
        // An error has it as text; it was read out of an object.
        await this.#fetch([error.oid as Oid], error.remote)
      }
    }
  }

  async #fetch(oids: readonly Oid[], remote: string, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    const batches = new Map<Batch, Oid[]>()
    for (const oid of oids) {
      const batch = this.#join(oid, remote)
      batches.set(batch, [...(batches.get(batch) ?? []), oid])
    }
    await Promise.all([...batches].map(([batch, some]) => waitFor(batch, some, signal)))
  }

  /** The batch that brings an object: one that is under way, or the one that is gathered at the moment. */
  #join(oid: Oid, remote: string): Batch {
    const running = this.#running.get(oid)
    if (running !== undefined && !running.stop.signal.aborted) return running
    const open = this.#open.get(remote)
    const isOpen = open !== undefined && open.oids.size < BATCH && !open.stop.signal.aborted
    const batch = isOpen ? open : this.#begin(remote)
    batch.oids.add(oid)
    this.#running.set(oid, batch)
    return batch
  }

  #begin(remote: string): Batch {
    const { promise: done, resolve } = Promise.withResolvers<void>()
    const stop = new AbortController()
    const batch: Batch = { oids: new Set(), failures: new Map(), done, stop, waiting: 0 }
    this.#open.set(remote, batch)
    // Who reads in the same turn joins.
    setTimeout(() => void this.#run(batch, remote).then(resolve), 0)
    return batch
  }

  /** Never rejects. */
  async #run(batch: Batch, remote: string): Promise<void> {
    if (this.#open.get(remote) === batch) this.#open.delete(remote)
    const oids = [...batch.oids]
    try {
      const fetcher = await this.#find(remote)
      if (fetcher === undefined) throw new MissingError('the list of remotes', remote)
      await this.#bring(batch, { fetcher, remote }, oids)
    } catch (error) {
      fail(batch, oids, { error, remote })
    } finally {
      for (const oid of oids) if (this.#running.get(oid) === batch) this.#running.delete(oid)
    }
  }

  /** Asks for all; where the remote has one of them no more, that is found out and the others come. */
  async #bring(batch: Batch, from: Source, oids: readonly Oid[]): Promise<void> {
    const { fetcher, remote } = from
    const signal = fetcher.signal
      ? AbortSignal.any([fetcher.signal, batch.stop.signal])
      : batch.stop.signal
    signal.throwIfAborted()
    try {
      const missing = await fetcher.fetchObjects(oids, signal)
      for (const oid of missing)
        fail(batch, [oid], { error: new MissingError('what a remote promised', oid), remote })
    } catch (error) {
      if (oids.length === 1 || !mayBeOne(error)) return fail(batch, oids, { error, remote })
      const middle = oids.length >> 1
      await this.#bring(batch, from, oids.slice(0, middle))
      await this.#bring(batch, from, oids.slice(middle))
    }
  }
}

/** What is asked, and under which name it was promised. */
interface Source {
  readonly fetcher: ObjectFetcher
  readonly remote: string
}

const NOBODY_IN: ReadonlySet<string> = new Set(['unauthorised', 'forbidden', 'no-repository'])

/** Whether a remote that is reached may say no to one of several objects alone. */
function mayBeOne(error: unknown): boolean {
  if (error instanceof RefusedError) return !NOBODY_IN.has(error.code)
  return error instanceof MissingError
}

function fail(
  { failures }: Batch,
  oids: readonly Oid[],
  { error, remote }: { readonly error: unknown; readonly remote: string },
): void {
  const isNotHad = error instanceof UnavailableError || mayBeOne(error)
  for (const oid of oids)
    failures.set(oid, isNotHad ? new NotHereError(oid, remote, { cause: error }) : error)
}

async function waitFor(
  batch: Batch,
  oids: readonly Oid[],
  signal: AbortSignal | undefined,
): Promise<void> {
  batch.waiting++
  const { promise: left, reject } = Promise.withResolvers<never>()
  const leave = (): void => reject(signal?.reason)
  signal?.addEventListener('abort', leave)
  try {
    await Promise.race([batch.done, left])
  } finally {
    signal?.removeEventListener('abort', leave)
    if (--batch.waiting === 0) batch.stop.abort()
  }
  for (const oid of oids) {
    const failure = batch.failures.get(oid)
    if (failure !== undefined) throw failure
  }
}
