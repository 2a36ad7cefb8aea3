/**
 * Memory: a place that lasts as long as the program. For tests, and for repositories that are fetched, read and dropped.
 *
 * A state is immutable: an update makes the next one and swaps it in, synchronously, so whoever read a state keeps that
 * moment. See `packages/git/src/place.ts` for what a place promises.
 *
 * @module
 */
import { concat } from '@datakit/git/bytes'
import { MissingError, RefusedError, UnavailableError } from '@datakit/git/error'
import type { Oid } from '@datakit/git/oid'
import type {
  Depot,
  Head,
  LogEntry,
  PackId,
  PackInfo,
  PackSummary,
  PackWriter,
  Place,
  Ref,
  StagedPack,
  State,
  UpdateOutcome,
  UpdateRequest,
} from '@datakit/git/place'
import { compareNames } from '@datakit/git/ref-name'
import { logLines } from './log-lines.ts'
import { checkRefConflicts } from './ref-conflicts.ts'
import { checkReceipt, checkRequest } from './check-request.ts'
import {
  digestUpdate,
  findDangling,
  findDifferences,
  FIRST_HEAD,
  movedRefs,
  outlivedReceipts,
  randomId,
  STAGE_LIFETIME,
  type KeptReceipt,
} from './update.ts'

/** What a memory place can be told. */
export interface MemoryOptions {
  /** Milliseconds since 1970, for receipts, the log and graces; `Date.now` when left out. */
  readonly clock?: (() => number) | undefined
}

/** A repository in memory that nobody else has. */
export function memoryPlace(options: MemoryOptions = {}): Place {
  return openPlace(new MemoryRepository(options.clock ?? Date.now))
}

/** Repositories in memory, under names. Places of one name share one repository. */
export function memoryDepot(options: MemoryOptions = {}): Depot {
  const repositories = new Map<string, MemoryRepository>()
  return {
    async open(name) {
      if (name === '')
        throw new RefusedError('bad-name', 'Cannot open a repository: its name is empty')
      const repository = repositories.get(name) ?? new MemoryRepository(options.clock ?? Date.now)
      repositories.set(name, repository)
      return openPlace(repository)
    },
    async *list() {
      for (const [name, { moment }] of [...repositories].toSorted(([a], [b]) =>
        compareNames(a, b),
      )) {
        if (moment.repository !== '') yield { name, refused: undefined }
      }
    },
    async close() {},
  }
}

interface RefValue {
  readonly oid: Oid
  readonly peeled: Oid | undefined
}

/** One state. Never changed once it is current. */
interface Moment {
  readonly number: number
  readonly repository: string
  readonly head: Head
  readonly refs: ReadonlyMap<string, RefValue>
  readonly packs: ReadonlyMap<PackId, PackInfo>
  readonly shallow: ReadonlySet<Oid>
  readonly promised: ReadonlyMap<Oid, string>
}

const NOTHING: Moment = {
  number: 0,
  repository: '',
  head: FIRST_HEAD,
  refs: new Map(),
  packs: new Map(),
  shallow: new Set(),
  promised: new Map(),
}

interface Pack {
  readonly info: PackInfo
  readonly bytes: Uint8Array
  readonly index: Uint8Array
  /** When it was staged, or condemned. */
  readonly since: number
}

/** What all places of one repository share. */
class MemoryRepository {
  readonly clock: () => number
  readonly listeners = new Set<() => void>()
  /** Every pack that can be read: staged, live or condemned. */
  readonly packs = new Map<PackId, Pack>()
  readonly log: LogEntry[] = []
  readonly receipts = new Map<string, KeptReceipt>()
  moment = NOTHING
  /** Packs that were live once, so that nobody brings a condemned one back. */
  readonly #wasLive = new Set<PackId>()

  constructor(clock: () => number) {
    this.clock = clock
  }

  get version(): string {
    return versionOf(this.moment)
  }

  isLive(id: PackId): boolean {
    return this.moment.packs.has(id)
  }

  /** Makes the change or says why not, without an `await` anywhere: that is the lock. */
  update(request: UpdateRequest, digest: string): UpdateOutcome {
    const differences = findDifferences(request, {
      ref: (name) => this.moment.refs.get(name)?.oid,
      head: this.moment.head,
      repository: this.moment.repository,
      isLive: (id) => this.isLive(id),
      isStaged: (id) => this.packs.has(id) && !this.#wasLive.has(id),
    })
    const receipt = this.receipts.get(request.id)
    if (receipt) {
      checkReceipt(receipt, digest)
      if (receipt.outcome === 'done') return { state: 'done', version: receipt.version }
      return differences ?? { state: 'lost', refs: new Map(), head: undefined, packs: [] }
    }
    if (differences) {
      this.#keepReceipt(request.id, digest, 'lost')
      return differences
    }
    checkRefConflicts(request.refs, {
      has: (name) => this.moment.refs.has(name),
      under: (prefix) => [...this.moment.refs.keys()].filter((name) => name.startsWith(prefix)),
    })
    const next = this.#change(request)
    const dangling = findDangling(next.packs.values())
    if (dangling.length > 0)
      return { state: 'lost', refs: new Map(), head: undefined, packs: dangling }
    this.#publish(request, next)
    this.#keepReceipt(request.id, digest, 'done')
    return { state: 'done', version: this.version }
  }

  #change(request: UpdateRequest): Moment {
    const { moment } = this
    const refs = new Map(moment.refs)
    for (const { name, to, peeled } of movedRefs(request)) {
      if (to === undefined) refs.delete(name)
      else refs.set(name, { oid: to, peeled })
    }
    const packs = new Map(moment.packs)
    for (const id of request.removePacks ?? []) packs.delete(id)
    for (const { id, needs } of request.addPacks ?? []) {
      const pack = this.packs.get(id)
      if (pack) packs.set(id, needs ? { ...pack.info, needs } : pack.info)
    }
    const shallow = new Set(moment.shallow)
    for (const oid of request.shallow?.remove ?? []) shallow.delete(oid)
    for (const oid of request.shallow?.add ?? []) shallow.add(oid)
    const promised = new Map(moment.promised)
    for (const oid of request.promised?.add ?? []) promised.set(oid, request.promised?.remote ?? '')
    const repository = moment.repository || randomId()
    const head = request.head?.to ?? moment.head
    return { number: moment.number + 1, repository, head, refs, packs, shallow, promised }
  }

  #publish(request: UpdateRequest, next: Moment): void {
    const before = this.moment
    const at = this.clock()
    const resolve = (head: Head, when: 'before' | 'after') =>
      'oid' in head ? head.oid : (when === 'before' ? before : next).refs.get(head.ref)?.oid
    this.log.push(...logLines(request, at, resolve))
    for (const id of request.removePacks ?? []) {
      const pack = this.packs.get(id)
      if (pack) this.packs.set(id, { ...pack, since: at })
    }
    for (const { id } of request.addPacks ?? []) this.#wasLive.add(id)
    this.swap(next)
  }

  /** Makes `next` the current state and tells everyone. */
  swap(next: Moment): void {
    this.moment = next
    for (const listener of this.listeners) queueMicrotask(listener)
  }

  #keepReceipt(id: string, digest: string, outcome: 'done' | 'lost'): void {
    const at = this.clock()
    this.receipts.set(id, { id, digest, at, outcome, version: this.version })
    for (const old of outlivedReceipts([...this.receipts.values()], at))
      this.receipts.delete(old.id)
  }

  /** Deletes condemned packs and expired stages. Returns how many. */
  sweep(grace: number): number {
    const now = this.clock()
    let deleted = 0
    for (const [id, { since }] of this.packs) {
      const lifetime = this.#wasLive.has(id) ? grace : STAGE_LIFETIME
      if (this.isLive(id) || since > now - lifetime) continue
      this.packs.delete(id)
      deleted++
    }
    return deleted
  }
}

function openPlace(repository: MemoryRepository): Place {
  const own = new Set<() => void>()
  let closed = false
  const open = () => {
    if (closed) throw new UnavailableError('Cannot use a repository: its place was closed')
    return repository
  }
  return {
    traits: { kind: 'memory', keepsThinPacks: true, hearsOthers: true },
    async read(options) {
      options?.signal?.throwIfAborted()
      return stateOf(open(), open().moment)
    },
    async update(request) {
      checkRequest(request)
      return open().update(request, digestUpdate(request))
    },
    async writePack() {
      return packWriter(open())
    },
    async readPack(id, start, end) {
      return packOf(open(), id).bytes.slice(start, end)
    },
    async *streamPack(id, start, end) {
      yield packOf(open(), id).bytes.slice(start, end)
    },
    async readIndex(id, start, end) {
      return packOf(open(), id).index.slice(start, end)
    },
    async markVerified(ids) {
      markVerified(open(), ids)
    },
    async *log(ref) {
      for (const entry of open().log.toReversed()) if (entry.ref === ref) yield entry
    },
    async sweep({ grace }) {
      return { deleted: open().sweep(grace) }
    },
    subscribe(listener) {
      // A function of its own, so that one listener can subscribe twice.
      const call = () => void (own.has(call) && listener())
      own.add(call)
      open().listeners.add(call)
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

function stateOf(repository: MemoryRepository, moment: Moment): State {
  return {
    version: versionOf(moment),
    repository: moment.repository,
    exists: moment.repository !== '',
    head: moment.head,
    packs: [...moment.packs.values()],
    catalogs: [],
    shallow: moment.shallow,
    async ref(name) {
      return moment.refs.get(name)?.oid
    },
    async *refs(prefix = ''): AsyncGenerator<Ref> {
      const names = [...moment.refs.keys()].filter((name) => name.startsWith(prefix))
      for (const name of names.sort(compareNames)) {
        const ref = moment.refs.get(name)
        if (ref) yield { name, ...ref }
      }
    },
    async promised(oid) {
      return moment.promised.get(oid)
    },
    async receipt(id) {
      return repository.receipts.get(id)
    },
  }
}

function packWriter(repository: MemoryRepository): PackWriter {
  let pieces: Uint8Array[] = []
  let ended = false
  // Pieces that were read together are kept together, so that reading while writing is not quadratic.
  const whole = () => {
    const bytes = pieces.length === 1 && pieces[0] ? pieces[0] : concat(pieces)
    pieces = [bytes]
    return bytes
  }
  return {
    async write(piece) {
      if (ended) throw new TypeError('Cannot write to a pack that has ended')
      pieces.push(piece.slice())
    },
    async read(start, end) {
      return whole().slice(start, end)
    },
    async finish({ table, needs, verified }: PackSummary): Promise<StagedPack> {
      ended = true
      const bytes = whole()
      const index = table.encodeIndex()
      const id = randomId()
      const objects = table.count
      const info = { id, size: bytes.length, indexSize: index.length, objects, needs, verified }
      repository.packs.set(id, { info, bytes, index, since: repository.clock() })
      return { id, size: bytes.length, objects, verified }
    },
    async abort() {
      ended = true
      pieces = []
    },
  }
}

function packOf(repository: MemoryRepository, id: PackId): Pack {
  const pack = repository.packs.get(id)
  if (!pack) throw new MissingError('a pack', id)
  return pack
}

function markVerified(repository: MemoryRepository, ids: readonly PackId[]): void {
  const { moment } = repository
  const packs = new Map(moment.packs)
  let marked = false
  for (const id of ids) {
    const info = packs.get(id)
    if (!info || info.verified) continue
    packs.set(id, { ...info, verified: true })
    marked = true
  }
  if (marked) repository.swap({ ...moment, number: moment.number + 1, packs })
}

function versionOf(moment: Moment): string {
  return `${moment.repository}.${moment.number}`
}
