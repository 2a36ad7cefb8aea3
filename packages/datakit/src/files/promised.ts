/**
 * Promised objects: what a fetch left with its remote (`filter`) is fetched when it is wanted. Without the remote, whoever
 * wants it gets the error *not here* (`NotHereError`), and nothing was changed.
 *
 * @module
 */
import { randomId } from '@datakit/git/bytes'
import { MissingError, NotHereError, UnavailableError } from '@datakit/git/error'
import { EMPTY_TREE, type Oid } from '@datakit/git/oid'
import type { NamedRemote } from '@datakit/git/remote-list'
import { receivePromised } from '@datakit/git/transport/promised'
import { Remote, type RemoteOptions } from '@datakit/git/transport/remote'
import type { ReceiveLimits } from '@datakit/git/transport/stage'
import { isGitlinkMode, isTreeMode } from '@datakit/git/tree'
import { History } from '../history/history.ts'
import { OWN_LIMITS } from '../limits.ts'
import { readTree } from './read-tree.ts'
import type { Repository } from '../repository.ts'

/** How a remote is reached. */
export interface PromisorOptions extends RemoteOptions {
  /** What a pack may be at most; 4 GiB - 1 when left out. */
  readonly limits?: ReceiveLimits | undefined
}

/** A remote that promised objects, and how it is reached. */
export interface Promisor extends PromisorOptions {
  readonly remote: NamedRemote
}

/** Objects that one request asks for. */
const BATCH = 1000

/**
 * Fetches objects by name.
 *
 * @throws UnavailableError, RefusedError, UnsupportedError as `fetchRemote`; the remote must give objects by oid
 * @throws MissingError when the remote does not give what it was asked for
 */
export async function fetchPromised(
  repository: Repository,
  promisor: Promisor,
  oids: readonly Oid[],
): Promise<void> {
  for (let wants = [...new Set(oids)]; wants.length > 0;) {
    const left = await fetchSome(repository, promisor, wants)
    // Git leaves out a file that was asked for beside a directory that it is in: the filter is for that.
    const [first] = left.length === wants.length ? left : []
    if (first !== undefined) throw new MissingError('what a remote promised', first)
    wants = left
  }
}

/** Fetches what comes in one request; gives the rest. */
async function fetchSome(
  { store }: Repository,
  { remote, limits, ...access }: Promisor,
  wants: readonly Oid[],
): Promise<Oid[]> {
  // Of a directory comes what it is made of, and not all files in it: Git asks like this, too.
  const filter = 'blob:none'
  const { pack, close } = await new Remote(remote.url, access).fetch({ wants, haves: [], filter })
  try {
    return await receivePromised(store.objects, {
      id: randomId(),
      oids: wants,
      pack,
      remote: remote.name,
      limits: { ...OWN_LIMITS, ...limits },
      log: { who: store.who(), why: `fetch ${remote.name}: promised objects` },
      signal: access.signal,
    })
  } finally {
    await close()
  }
}

/**
 * Does `work`, and where that needs what was left with a remote, fetches it and does the work again from its beginning: it
 * must be such that this does no harm, as a read or a merge is.
 *
 * @param promisor the remote of a name, as the promise has it
 * @throws NotHereError when the remote is out of reach, with why as its cause; what `work` and {@link fetchPromised} throw
 */
export async function withPromised<Result>(
  repository: Repository,
  promisor: (name: string) => Promise<Promisor> | Promisor,
  work: () => Promise<Result>,
): Promise<Result> {
  const asked = new Set<string>()
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof NotHereError) || asked.has(error.oid)) throw error
      asked.add(error.oid)
      await fetchOne(repository, await promisor(error.remote), error)
    }
  }
}

async function fetchOne(
  repository: Repository,
  promisor: Promisor,
  { oid, remote }: NotHereError,
): Promise<void> {
  try {
    // An error has it as text; it was read out of an object.
    await fetchPromised(repository, promisor, [oid as Oid])
  } catch (cause) {
    if (cause instanceof UnavailableError) throw new NotHereError(oid, remote, { cause })
    throw cause
  }
}

/**
 * Makes whole what commits lead to: their files, and with `history` those of every commit behind them. How many objects came.
 *
 * Costs a request for every thousand objects, and for every level of directories that are not here.
 *
 * @throws as {@link fetchPromised}
 */
export async function fetchMissing(
  repository: Repository,
  promisor: Promisor,
  { tips, history = false }: { readonly tips: readonly Oid[]; readonly history?: boolean },
): Promise<number> {
  const { store } = repository
  const graph = new History(store)
  const commits = history ? await graph.missing(tips, []) : tips
  const roots: Oid[] = []
  for (const commit of commits) roots.push((await graph.node(commit)).tree)
  const walk = new MissingWalk(repository)
  let came = 0
  for (let open = roots; open.length > 0;) {
    const missing = await walk.look(open)
    for (let at = 0; at < missing.length; at += BATCH)
      await fetchPromised(
        repository,
        promisor,
        missing.slice(at, at + BATCH).map(({ oid }) => oid),
      )
    came += missing.length
    open = missing.flatMap(({ oid, isTree }) => (isTree ? [oid] : []))
  }
  return came
}

interface MissingObject {
  readonly oid: Oid
  readonly isTree: boolean
}

/** Walks trees, each once. */
class MissingWalk {
  readonly #repository: Repository
  readonly #seen = new Set<Oid>([EMPTY_TREE])

  constructor(repository: Repository) {
    this.#repository = repository
  }

  /** What is promised of these trees and of what they lead to; what lies below a missing tree comes later. */
  async look(trees: readonly Oid[]): Promise<MissingObject[]> {
    const { store } = this.#repository
    const missing = new Map<Oid, MissingObject>()
    const stack = [...trees]
    // A tree that was missing is looked at again when it has come.
    for (const oid of trees) this.#seen.delete(oid)
    for (let tree = stack.pop(); tree !== undefined; tree = stack.pop()) {
      if (this.#seen.has(tree)) continue
      this.#seen.add(tree)
      if (await this.#isMissing(tree)) {
        missing.set(tree, { oid: tree, isTree: true })
        continue
      }
      for (const { mode, oid } of await readTree(store, tree)) {
        if (isGitlinkMode(mode) || this.#seen.has(oid)) continue
        if (isTreeMode(mode)) stack.push(oid)
        else if (await this.#isMissing(oid)) missing.set(oid, { oid, isTree: false })
        if (!isTreeMode(mode)) this.#seen.add(oid)
      }
    }
    return [...missing.values()]
  }

  async #isMissing(oid: Oid): Promise<boolean> {
    const { objects } = this.#repository.store
    return !(await objects.has(oid)) && (await objects.state.promised(oid)) !== undefined
  }
}
