/**
 * A process: whoever runs until it ends or is killed, and the place as it sees it.
 *
 * @module
 */
import type {
  CatalogInfo,
  PackWriter,
  Place,
  State,
  UpdateOutcome,
  UpdateRequest,
} from '@datakit/git/place'
import type { Scheduler } from './scheduler.ts'

/** What the server's own process is called. */
export const APP = 'app'

/** What is called who comes in between. */
export const AMBUSH = 'ambush'

/** What is thrown at those who wait for a process that was killed. */
export class KilledError extends Error {
  override readonly name = 'KilledError'
}

/** A tab or a server, from its start to its end. Killed, it never goes on from the gate where it stands. */
export class Process {
  readonly name: string
  /** Branches that whoever sits before it wants to lose commits of, with what it does at the moment. */
  readonly wishes = new Set<string>()
  /** Refs that it has moved with what it does at the moment. */
  readonly moved = new Set<string>()
  /** Faults that hit what it does at the moment. */
  readonly faults: string[] = []
  readonly #scheduler: Scheduler
  readonly #death = Promise.withResolvers<never>()
  #isAlive = true

  constructor(name: string, scheduler: Scheduler) {
    this.name = name
    this.#scheduler = scheduler
    // Often nobody waits for it.
    this.#death.promise.catch(() => undefined)
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  /** A gate. */
  async step(): Promise<void> {
    if (!this.#isAlive) return new Promise(() => {})
    return this.#scheduler.step(this)
  }

  /** Ends it where it stands: none of its code runs any more, not even to clean up. */
  kill(): void {
    this.#isAlive = false
    this.#scheduler.drop(this)
    this.#death.reject(new KilledError(`${this.name} was killed`))
  }

  /** What it does, or the news that it was killed. @throws KilledError */
  run<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#death.promise])
  }
}

/** Told of every update that was made, before anybody else goes on. */
export type Observer = (
  request: UpdateRequest,
  context: { readonly before: State; readonly after: State; readonly process: Process },
) => Promise<void>

/** What stands between a process and a place. */
export interface Gates {
  readonly scheduler: Scheduler
  readonly process: Process
  /** How likely a read stops at a gate; updates do, before and after. */
  readonly density: number
  readonly observe: Observer
}

/** The place with gates: whoever uses it can be killed at each, and others go on meanwhile. */
export function gatedPlace(raw: Place, gates: Gates): Place {
  const { scheduler, process, density } = gates
  const outside = <T>(work: Promise<T>): Promise<T> => scheduler.outside(work)
  const gate = async (): Promise<void> => {
    if (!process.isAlive || scheduler.chance(density)) await process.step()
  }
  return {
    ...raw,
    async read(options) {
      await gate()
      return trackedState(await outside(raw.read(options)), scheduler)
    },
    async update(request) {
      await process.step()
      const outcome = await outside(observedUpdate(raw, request, gates))
      await process.step()
      return outcome
    },
    async writePack() {
      return gatedWriter(await outside(raw.writePack()), { gate, outside })
    },
    async readPack(...span) {
      await gate()
      return outside(raw.readPack(...span))
    },
    async *streamPack(...span) {
      yield* tracked(raw.streamPack(...span), scheduler)
    },
    async readIndex(...span) {
      await gate()
      return outside(raw.readIndex(...span))
    },
    async markVerified(ids) {
      await gate()
      await outside(raw.markVerified(ids))
    },
    async *log(ref) {
      yield* tracked(raw.log(ref), scheduler)
    },
    async sweep(options) {
      await gate()
      return outside(raw.sweep(options))
    },
  }
}

async function observedUpdate(
  raw: Place,
  request: UpdateRequest,
  { process, observe }: Gates,
): Promise<UpdateOutcome> {
  const before = await raw.read()
  const outcome = await raw.update(request)
  if (outcome.state !== 'done') return outcome
  for (const { name } of request.refs) process.moved.add(name)
  await observe(request, { before, after: await raw.read(), process })
  return outcome
}

function gatedWriter(
  raw: PackWriter,
  {
    gate,
    outside,
  }: {
    readonly gate: () => Promise<void>
    readonly outside: <T>(work: Promise<T>) => Promise<T>
  },
): PackWriter {
  return {
    write: (piece) => outside(raw.write(piece)),
    read: (start, end) => outside(raw.read(start, end)),
    async finish(summary) {
      await gate()
      return outside(raw.finish(summary))
    },
    abort: () => outside(raw.abort()),
  }
}

/** A state whose answers may need I/O. */
function trackedState(raw: State, scheduler: Scheduler): State {
  const outside = <T>(work: Promise<T>): Promise<T> => scheduler.outside(work)
  return {
    version: raw.version,
    repository: raw.repository,
    exists: raw.exists,
    head: raw.head,
    packs: raw.packs,
    catalogs: raw.catalogs.map((catalog): CatalogInfo => ({
      covers: catalog.covers,
      size: catalog.size,
      read: (start, end) => outside(catalog.read(start, end)),
    })),
    shallow: raw.shallow,
    ref: (name) => outside(raw.ref(name)),
    refs: (prefix) => tracked(raw.refs(prefix), scheduler),
    promised: (oid) => outside(raw.promised(oid)),
    receipt: (id) => outside(raw.receipt(id)),
  }
}

async function* tracked<T>(source: AsyncIterable<T>, scheduler: Scheduler): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await scheduler.outside(iterator.next())
      if (next.done === true) return
      yield next.value
    }
  } finally {
    await iterator.return?.()
  }
}
