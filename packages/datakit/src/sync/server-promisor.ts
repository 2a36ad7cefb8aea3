/**
 * The server as a promisor: what a sync left there is fetched by name, through the door of sync.
 *
 * Spec: docs/sync-protocol.md, "Objects by name"
 *
 * @module
 */
import { randomId } from '@datakit/git/bytes'
import { MalformedError, UnavailableError } from '@datakit/git/error'
import type { Oid } from '@datakit/git/oid'
import { SyncError } from '../error.ts'
import { OnDemand, type ObjectFetcher } from '../files/demand.ts'
import type { Repository } from '../repository.ts'
import { publish } from '../transaction/update.ts'
import { receivePack, type ReceivedPack } from './incoming-pack.ts'
import { findLeft, SERVER } from './left-out.ts'
import { exchange, type Answer, type ServerOptions } from './sync-exchange.ts'
import { readKnown } from './sync-refs.ts'

/** Those that a sync has set up, and for which server. */
const own = new WeakMap<OnDemand, ServerOptions>()

/** Has the repository fetch from this server what was left there, unless somebody else has said where it is fetched from. */
export function promiseBy(repository: Repository, options: ServerOptions): void {
  const { store } = repository
  const before = store.onDemand && own.get(store.onDemand)
  if (store.onDemand !== undefined && (before === undefined || before === options)) return
  store.onDemand = new OnDemand(repository, serverPromisor(repository, options))
  own.set(store.onDemand, options)
}

/**
 * Finds the server under the name that syncs promise it by; to be given to `fetchOnDemand` where a repository is read before it
 * was synced.
 */
export function serverPromisor(
  repository: Repository,
  { url, token, fetch }: Omit<ServerOptions, 'signal'>,
): (name: string) => ObjectFetcher | undefined {
  const fetcher: ObjectFetcher = {
    fetchObjects: (oids, signal) =>
      fetchByName(repository, { url, token, fetch, signal }, oids).catch(unreached),
  }
  return (name) => (name === SERVER ? fetcher : undefined)
}

/**
 * Fetches trees and files by name; gives those that the server does not give.
 *
 * @throws SyncError when the server does not answer, or says no; `unsupported` when it is too old to be asked
 */
async function fetchByName(
  { store }: Repository,
  options: ServerOptions,
  objects: readonly Oid[],
): Promise<readonly Oid[]> {
  const log = { who: store.who(), why: 'sync: objects by name' }
  const { repository } = await readKnown(await store.state())
  const request = {
    id: randomId(),
    repository,
    known: undefined,
    haves: [],
    updates: [],
    head: undefined,
    log,
    // A server that does not know what is asked for would send all that it has otherwise.
    wantPack: false,
    pack: 0,
    // Comes back from a server that knows of parts, and so of objects by name.
    choice: {},
    objects,
  }
  const answer = await exchange(options, request, new Uint8Array(0))
  const received = await receiveNamed(store, options.url, answer).finally(answer.close)
  if (received === undefined) return objects
  const { staged, promised } = received
  await publish(store.place, { refs: [], addPacks: [staged], promised, log }, options)
  await store.state()
  const missing: Oid[] = []
  for (const oid of objects) if (!(await store.objects.has(oid))) missing.push(oid)
  return missing
}

/** Takes in the pack of an answer that was asked for objects by name. @throws as `receivePack`, SyncError `unsupported` */
async function receiveNamed(
  store: Repository['store'],
  url: string,
  answer: Answer,
): Promise<ReceivedPack | undefined> {
  if (answer.header.choice === undefined)
    throw new SyncError(
      'unsupported',
      `Cannot fetch objects by name from ${url}: the server is from before that could be done; have it updated, or sync without a choice`,
    )
  const nothing = { heads: [], choice: {} }
  const named: Answer = {
    ...answer,
    findLeft: (objects, index) => findLeft(objects, index, nothing),
  }
  return receivePack(store, named, { refs: new Map() })
}

/** @throws UnavailableError for what passes, and the error itself otherwise */
function unreached(error: unknown): never {
  if (!isPassing(error)) throw error
  throw new UnavailableError(error.message, { cause: error })
}

function isPassing(error: unknown): error is Error {
  if (error instanceof SyncError)
    return /^(?:offline|not-datakit|cut-off|plan-gone)$/.test(error.code) || error.status >= 429
  // An answer that ends too early, and looks as if it were whole, comes of what stands between the two.
  return error instanceof MalformedError
}
