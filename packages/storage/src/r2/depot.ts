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
import { listAll, type Bucket } from './bucket.ts'
import { askCoordinator, coordinatorOf, type Coordinator } from './coordinator.ts'
import { nameOfRoot, ROOT_PREFIX } from './keys.ts'
import { readSegment } from './overflow.ts'
import { Repositories, type RepositoriesOptions, type Shared } from './repositories.ts'
import type { Repository } from './repository.ts'
import type { Root } from './root.ts'
import { sweep } from './sweep.ts'
import { addedBy, updateRoot } from './update-root.ts'

export type { Bucket } from './bucket.ts'

/** What a depot in R2 can be told. */
export interface R2Options extends RepositoriesOptions {
  /** Makes the updates of a repository, for all isolates together; each makes its own when left out. */
  readonly coordinator?: ((name: string) => Coordinator) | undefined
}

/** Repositories in a bucket. Keep one depot for an isolate: what it remembers may be used by any request. */
export function r2Depot(bucket: Bucket, options: R2Options = {}): Depot {
  return depotOf(bucket, new Repositories(bucket, options), options.coordinator)
}

/** A coordinator, and a depot that sees what it writes without asking the bucket for it: for a Durable Object. */
export function r2Coordinated(
  bucket: Bucket,
  options: RepositoriesOptions = {},
): { readonly coordinator: Coordinator; readonly depot: Depot } {
  const repositories = new Repositories(bucket, options)
  return {
    coordinator: coordinatorOf(repositories),
    depot: depotOf(bucket, repositories, undefined),
  }
}

function depotOf(
  bucket: Bucket,
  repositories: Repositories,
  coordinator: R2Options['coordinator'],
): Depot {
  return {
    async open(name) {
      return openPlace(repositories.open(name), coordinator?.(name))
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
      repositories.clear()
    },
  }
}

function openPlace(shared: Shared, coordinator: Coordinator | undefined): Place {
  const { repository, units } = shared
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
    update: async (request) => update(open(shared), coordinator, request),
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
  coordinator: Coordinator | undefined,
  request: UpdateRequest,
): Promise<UpdateOutcome> {
  const { name } = repository
  const { candidate } = units
  const alone = (asked: UpdateRequest): Promise<UpdateOutcome> =>
    updateRoot({ repository, units, swap: (decide) => repository.swap(decide) }, asked, candidate)
  if (coordinator === undefined) return alone(request)
  const outcome = await askCoordinator(coordinator, { name, candidate, request })
  if (outcome === undefined) return alone({ ...request, isFirst: false })
  if (outcome.state === 'done' || outcome.state === 'unknown') units.named(addedBy(request))
  if (outcome.state === 'done') repository.tell()
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
