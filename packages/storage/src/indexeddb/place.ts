/**
 * IndexedDB: a place that lasts in the browser, shared by its tabs and workers.
 *
 * One database a repository; `schema.ts` says what is in it. Every update is one transaction of strict durability.
 *
 * Spec: https://www.w3.org/TR/IndexedDB-3/
 *
 * @module
 */
import { encodeName } from '@datakit/git/bytes'
import { MalformedError, RefusedError, UnavailableError } from '@datakit/git/error'
import type { Depot, PackId, Place, UpdateOutcome, UpdateRequest } from '@datakit/git/place'
import { digestUpdate, isRequest } from '../update.ts'
import { readChunks } from './chunks.ts'
import { Connection, LostAnswerError } from './connection.ts'
import { later } from './loading.ts'
import { FEW_LINES, makeUpdate, type Preparation } from './make-update.ts'
import { ALL_STORES, INDEX_BYTES, PACK_BYTES } from './schema.ts'
import { packWriter, type HeldPack, type Stages } from './stages.ts'
import { StateReader } from './state.ts'
import { planPacks, readTail, type Plan, type Tail } from './tail.ts'
import type { Crowd } from './turns.ts'

/** What an IndexedDB place can be told. */
export interface IndexedDbOptions {
  /** Milliseconds since 1970, for receipts, the log and graces; `Date.now` when left out. */
  readonly clock?: (() => number) | undefined
  /**
   * Id of the repository that is known to be there ({@link State.repository}). When it is not, the browser deleted it, and
   * every read and write says so (`UnavailableError` of reason `storage-gone`) instead of beginning a new one.
   */
  readonly repository?: string | undefined
}

/** How often an update is prepared anew because another tab was faster; after that it appends to nothing. */
const PREPARATIONS = 3

/**
 * Opens the repository in the database `name`, which is created when it is not there.
 *
 * @throws UnavailableError when the browser keeps no data for this page, or another tab holds an older version
 */
export async function openIndexedDbPlace(
  name: string,
  options: IndexedDbOptions = {},
): Promise<Place> {
  const connection = new Connection(name, options.repository)
  await connection.open()
  return placeOver(connection, options.clock ?? Date.now)
}

/** Repositories in IndexedDB, in databases whose names begin with `prefix`. */
export function indexedDbDepot(prefix = 'datakit:', options: IndexedDbOptions = {}): Depot {
  return {
    async open(name) {
      if (name === '')
        throw new RefusedError('bad-name', 'Cannot open a repository: its name is empty')
      return openIndexedDbPlace(prefix + name, options)
    },
    async *list() {
      const databases = await indexedDB.databases()
      const names = databases.flatMap(({ name = '' }) => (name.startsWith(prefix) ? [name] : []))
      for (const database of names.sort()) {
        const name = database.slice(prefix.length)
        try {
          if (await hasRepository(database)) yield { name, refused: undefined }
        } catch (error) {
          if (!(error instanceof UnavailableError)) throw error
          yield { name, refused: error.message }
        }
      }
    },
    async close() {},
  }
}

async function hasRepository(name: string): Promise<boolean> {
  const connection = new Connection(name)
  try {
    const read = connection.read(['state'], (transaction) =>
      transaction.objectStore('state').get('header'),
    )
    return (await read) !== undefined
  } finally {
    await connection.close()
  }
}

function placeOver(connection: Connection, clock: () => number): Place {
  const states = new StateReader(connection)
  const news = new News(connection.name)
  connection.onEnd = () => news.hear()
  const stages: Stages = { connection, clock, held: new Map<PackId, HeldPack>() }
  const updater = new Updater(stages, states)
  return {
    traits: { kind: 'indexeddb', keepsThinPacks: true, hearsOthers: true },
    async read(options) {
      options?.signal?.throwIfAborted()
      return states.read()
    },
    async update(request) {
      const outcome = await news.inTurn(() => updater.update(request))
      news.tell(outcome.state)
      return outcome
    },
    async writePack() {
      return packWriter(stages)
    },
    readPack: async (id, start, end) =>
      updater.held(id)?.bytes.subarray(start, end) ?? readPack(connection, id, [start, end]),
    async *streamPack(...span) {
      yield await this.readPack(...span)
    },
    readIndex: async (id, start, end) =>
      updater.held(id)?.index.subarray(start, end) ??
      readChunks(connection, { id, kind: INDEX_BYTES }, [start, end]),
    async markVerified(ids) {
      if (await (await later()).markVerified(connection, ids)) news.tell('done')
    },
    async *log(ref) {
      yield* (await later()).readLog(connection, { ref, key: encodeName(ref) })
    },
    async sweep({ grace }) {
      return (await later()).sweep(connection, clock(), grace)
    },
    subscribe: (listener) => news.subscribe(listener),
    async close() {
      news.close()
      await connection.close()
    },
  }
}

async function readPack(
  connection: Connection,
  id: PackId,
  span: readonly [number, number],
): Promise<Uint8Array> {
  try {
    return await readChunks(connection, { id, kind: PACK_BYTES }, span)
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error
    return (await later()).readDamaged(connection, { id, span, error })
  }
}

/** Makes updates, and remembers the tail from one to the next. */
class Updater {
  readonly #stages: Stages
  readonly #states: StateReader
  /** The tail as far as we know, to be asked for when `undefined`. */
  #tail: { readonly tail: Tail | undefined } | undefined

  constructor(stages: Stages, states: StateReader) {
    this.#stages = stages
    this.#states = states
  }

  async update(request: UpdateRequest): Promise<UpdateOutcome> {
    if (!isRequest(request)) (await later()).checkRequest(request)
    const digest = digestUpdate(request)
    const { connection, held, clock } = this.#stages
    const rare = await rareFor(request)
    for (let attempt = 0; ; attempt++) {
      const tail = attempt < PREPARATIONS ? await this.#tailFor(request) : undefined
      const plan = planPacks(request, held, tail)
      const states = this.#states
      const preparation = { states, request, digest, plan, held, now: clock(), rare }
      const outcome = await states
        .mending(() =>
          connection.write(ALL_STORES, (transaction) => makeUpdate(transaction, preparation)),
        )
        .catch(unknownOutcome)
      if (outcome.state === 'done') {
        // What was made by this very update is to be found from here on.
        connection.repository ??= outcome.version.split('.')[0]
        this.#remember(request, plan)
      }
      if (outcome.state === 'other') (await later()).checkReceipt(outcome.receipt, digest)
      else if (outcome.state !== 'stale') return outcome
      this.#tail = undefined
    }
  }

  /** The tail, if it is this pack: the next commit reads it, and a pack never changes. */
  held(id: PackId): Tail | undefined {
    const tail = this.#tail?.tail
    return tail?.id === id ? tail : undefined
  }

  /** The tail, if a pack of the request may go behind it. */
  async #tailFor({ addPacks = [], removePacks = [] }: UpdateRequest): Promise<Tail | undefined> {
    const { connection, held } = this.#stages
    if (!addPacks.some(({ id }) => held.has(id))) return undefined
    this.#tail ??= { tail: await readTail(connection) }
    const { tail } = this.#tail
    return tail && removePacks.includes(tail.id) ? undefined : tail
  }

  #remember({ addPacks = [], removePacks = [] }: UpdateRequest, plan: Plan): void {
    for (const { id } of addPacks) this.#stages.held.delete(id)
    const tail = plan.at(-1)?.bundle
    if (tail) this.#tail = { tail }
    else if (addPacks.length > 0 || removePacks.length > 0) this.#tail = undefined
  }
}

/** What the update does that only few do, if it is one of them. */
async function rareFor(request: UpdateRequest): Promise<Preparation['rare']> {
  const { refs, head, shallow, promised, removePacks = [] } = request
  const isRare = head ?? shallow ?? promised ?? removePacks[0] ?? refs[FEW_LINES]
  return isRare || refs.some(({ from }) => from === undefined)
    ? (await later()).rareUpdate
    : undefined
}

function unknownOutcome(cause: unknown): UpdateOutcome {
  if (cause instanceof LostAnswerError) return { state: 'unknown', cause }
  throw cause
}

/** Tells listeners here and in other tabs what became of updates. */
class News implements Crowd {
  /** Makes an update: at once, until one was lost to another, here or in another tab. */
  inTurn: Crowd['inTurn'] = (update) => update()
  /** Of all who have the repository open; not there once the place is closed. */
  channel: BroadcastChannel | undefined
  readonly #listeners = new Set<() => void>()

  constructor(name: string) {
    this.channel = new BroadcastChannel(`datakit:${name}`)
    this.channel.addEventListener('message', ({ data }) => this.hear(data))
  }

  tell(what: UpdateOutcome['state']): void {
    queueMicrotask(() => this.hear(what))
    // Where it was closed meanwhile nobody listens any more, and the others will see.
    this.channel?.postMessage(what)
  }

  subscribe(listener: () => void): () => void {
    const call = () => listener()
    this.#listeners.add(call)
    return () => void this.#listeners.delete(call)
  }

  close(): void {
    this.#listeners.clear()
    this.channel?.close()
    this.channel = undefined
  }

  /** Calls the listeners; `what` became of an update. */
  hear(what?: unknown): void {
    // Where it cannot be loaded, nobody waits for anybody.
    if (what === 'lost')
      later().then(
        ({ crowd }) => crowd(this),
        () => {},
      )
    for (const listener of this.#listeners) listener()
  }
}
