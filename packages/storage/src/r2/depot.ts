/**
 * R2: repositories in a bucket, for Workers.
 *
 * One mutable object a repository, its root, replaced by conditional puts; everything else is immutable and has a key
 * that is never used again. To list the refs is one read. R2 takes about one write a second to a key, so a repository
 * takes about one update a second; more are answered `busy`.
 *
 * See `packages/git/src/place.ts` for what a place promises and docs/storage-format.md, "R2", for what is in the bucket.
 *
 * @module
 */
import { ByteCache } from '@datakit/git/byte-cache'
import { UnavailableError } from '@datakit/git/error'
import type {
  Depot,
  LogEntry,
  PackId,
  Place,
  UpdateOutcome,
  UpdateRequest,
} from '@datakit/git/place'
import { compareNames } from '@datakit/git/ref-name'
import { checkRequest, digestUpdate } from '../update.ts'
import { listAll, type Bucket } from './bucket.ts'
import { decide } from './change.ts'
import { nameOfRoot, ROOT_PREFIX } from './keys.ts'
import { readSegment } from './overflow.ts'
import { Repository } from './repository.ts'
import type { Root } from './root.ts'
import { Store } from './store.ts'
import { sweep } from './sweep.ts'
import { Units } from './units.ts'

export type { Bucket } from './bucket.ts'

/** What a depot in R2 can be told. */
export interface R2Options {
  /** Milliseconds since 1970, for receipts, the log and graces; `Date.now` when left out. */
  readonly clock?: (() => number) | undefined
  /** How long an update waits for its turn before it answers `busy`, in milliseconds; 3,000 when left out. */
  readonly patience?: number | undefined
  /** How far apart the bucket takes two writes to one key, in milliseconds; 1,000 when left out, as R2 has it. */
  readonly writeInterval?: number | undefined
  /** How many bytes of immutable objects are kept in memory; 16 MB when left out. */
  readonly cacheBytes?: number | undefined
}

/** How many roots are kept in memory, to be validated by the next read. */
const REPOSITORIES = 64

/** Repositories in a bucket. Keep one depot for an isolate: what it remembers may be used by any request. */
export function r2Depot(bucket: Bucket, options: R2Options = {}): Depot {
  const store = new Store(bucket, new ByteCache(options.cacheBytes ?? 16_000_000))
  const settings = {
    clock: options.clock ?? Date.now,
    patience: options.patience ?? 3000,
    writeInterval: options.writeInterval ?? 1000,
  }
  const shared = new Map<string, Shared>()
  return {
    async open(name) {
      const repository = shared.get(name)?.repository ?? new Repository(store, name, settings)
      const entry = shared.get(name) ?? { repository, units: new Units(repository) }
      shared.delete(name)
      shared.set(name, entry)
      for (const oldest of shared.keys()) if (shared.size > REPOSITORIES) shared.delete(oldest)
      return openPlace(entry)
    },
    async *list() {
      const names: string[] = []
      for await (const { key } of listAll(bucket, ROOT_PREFIX)) {
        const name = nameOfRoot(key)
        if (name !== undefined) names.push(name)
      }
      for (const name of names.sort(compareNames)) yield { name, refused: undefined }
    },
    async close() {
      shared.clear()
    },
  }
}

/** What all places of one name share. */
interface Shared {
  readonly repository: Repository
  readonly units: Units
}

function openPlace({ repository, units }: Shared): Place {
  const own = new Set<() => void>()
  let closed = false
  const open = <T>(value: T): T => {
    if (closed) throw new UnavailableError('Cannot use a repository: its place was closed')
    return value
  }
  return {
    traits: { kind: 'r2', keepsThinPacks: true, hearsOthers: false },
    async read({ signal } = {}) {
      signal?.throwIfAborted()
      const { state } = await open(repository).load()
      signal?.throwIfAborted()
      return state
    },
    update: async (request) => update(open({ repository, units }), request),
    writePack: async () => open(units).write(),
    readPack: async (id, start, end) => open(units).readPack(id, start, end),
    streamPack: (id, start, end) => open(units).streamPack(id, start, end),
    readIndex: async (id, start, end) => open(units).readIndex(id, start, end),
    markVerified: async (ids) => markVerified(open(repository), ids),
    log: (ref) => readLog(open(repository), ref),
    sweep: async ({ grace }) => ({ deleted: await sweep(open(repository), grace) }),
    subscribe(listener) {
      // A function of its own, so that one listener can subscribe twice.
      const call = () => void (own.has(call) && listener())
      own.add(call)
      open(repository).listeners.add(call)
      return () => {
        own.delete(call)
        repository.listeners.delete(call)
      }
    },
    async close() {
      closed = true
      for (const call of own) repository.listeners.delete(call)
      own.clear()
    },
  }
}

async function update(
  { repository, units }: Shared,
  request: UpdateRequest,
): Promise<UpdateOutcome> {
  checkRequest(request)
  const wish = {
    request,
    digest: digestUpdate(request),
    at: repository.settings.clock(),
    candidate: units.candidate,
    findStaged: (id: PackId) => units.findStaged(id),
  }
  // Of its own first try nobody knows the outcome but this update, which looks for it when it tries again.
  let isFirst = request.isFirst === true
  const outcome = await repository.swap((root) => {
    const decision = decide(repository.store, root, { ...wish, isFirst })
    isFirst = false
    return decision
  })
  if (outcome.state === 'done' || outcome.state === 'unknown') {
    units.named((request.addPacks ?? []).map(({ id }) => id))
  }
  return outcome
}

async function markVerified(repository: Repository, ids: readonly PackId[]): Promise<void> {
  const verified = new Set(ids)
  const outcome = await repository.swap(async (root) => {
    const changes = root.packs.some((pack) => verified.has(pack.id) && !pack.verified)
    if (!changes) return { answer: { state: 'done', version: '' } }
    const packs = root.packs.map((pack) =>
      verified.has(pack.id) ? { ...pack, verified: true } : pack,
    )
    return { next: { ...root, epoch: root.epoch + 1, packs } }
  })
  if (outcome.state === 'done') return
  throw new UnavailableError(
    'Cannot mark packs as verified: the repository takes no change at the moment',
  )
}

async function* readLog(repository: Repository, ref: string): AsyncGenerator<LogEntry> {
  const { root } = await repository.load()
  yield* linesOf(root.log.lines, ref)
  for (let older: Root['log']['older'] = root.log.older; older !== undefined;) {
    const segment = await readSegment(repository.store, root.repository, older)
    yield* linesOf(segment.lines, ref)
    older = segment.older
  }
}

function linesOf(lines: readonly LogEntry[], ref: string): LogEntry[] {
  return lines.filter((line) => line.ref === ref).toReversed()
}
