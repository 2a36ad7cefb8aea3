/**
 * The front of an answer that a page is receiving, kept in IndexedDB until all of it is there: what the page that follows need not
 * ask for again.
 *
 * One database for all repositories of a site, beside theirs: what is in it can be had again, and is lost without harm. So it is
 * written with relaxed durability, only where there is room for it twice, and thrown away after a day. Who begins a front, or
 * goes on with one, takes it over: an earlier writer finds that it is not its own any more.
 *
 * @module
 */
import { concat } from '@datakit/git/bytes'
import { MalformedError, UnavailableError } from '@datakit/git/error'
import { crc32 } from '@datakit/git/pack/crc32'
import { openDB, type DBSchema, type IDBPDatabase, type IDBPTransaction } from 'idb'
import { randomId } from '../update.ts'

/** Name of the database. */
const DATABASE = 'datakit-answers'
/** After this long without a byte a front is thrown away, in milliseconds. */
export const LIFETIME = 24 * 3_600_000
/** The most that is kept of one answer, in bytes: as much as a body of a request may have. */
const MOST = 512 * 1024 * 1024
/** What arrives is gathered up to so many bytes… */
const CHUNK = 256 * 1024
/** …or for so long, in milliseconds. */
const PAUSE = 500
/** Between two looks at how much room there is, in bytes. */
const STRIDE = 8 * 1024 * 1024

interface FrontRow {
  readonly key: string
  readonly note: Uint8Array<ArrayBuffer>
  /** Who writes it. */
  readonly writer: string
  readonly size: number
  readonly chunks: number
  /** When it was written last, in milliseconds since 1970. */
  readonly at: number
}

interface ChunkRow {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly crc: number
}

interface Schema extends DBSchema {
  readonly fronts: { key: string; value: FrontRow }
  readonly chunks: { key: [name: string, number: number]; value: ChunkRow }
}

const STORES = ['fronts', 'chunks'] as const

type Writing = IDBPTransaction<Schema, typeof STORES, 'readwrite'>

/** Which front, and by which clock. */
interface Front {
  readonly name: string
  /** Milliseconds since 1970. */
  readonly clock: () => number
}

/**
 * Keeps the front of one answer for the repository of this name: the `AnswerKeeper` of `@datakit/datakit/keep-answer`. `clock`
 * gives milliseconds since 1970.
 */
export function answerKeeper(name: string, clock: () => number = Date.now): Keeper {
  return new Keeper({ name, clock })
}

class Keeper {
  readonly #front: Front

  constructor(front: Front) {
    this.#front = front
  }

  /** What was kept last, if it was under this key and less than a day ago; anything else of this name is thrown away. */
  async find(key: string): Promise<KeptFront | undefined> {
    const { name, clock } = this.#front
    const row = await (await open()).get('fronts', name)
    if (row === undefined) return undefined
    if (row.key === key && row.size > 0 && row.at > clock() - LIFETIME)
      return new KeptFront(this.#front, row)
    await this.drop()
    return undefined
  }

  /** Begins anew. @throws UnavailableError when there is little room */
  async begin(key: string, note: Uint8Array<ArrayBuffer>): Promise<FrontWriter> {
    await checkRoom(0)
    const { name, clock } = this.#front
    const at = clock()
    const row = { key, note: note.slice(), writer: randomId(), size: 0, chunks: 0, at }
    await write(async (transaction) => {
      await sweep(transaction, at - LIFETIME)
      await dropFront(transaction, name)
      await transaction.objectStore('fronts').put(row, name)
    })
    return new FrontWriter(this.#front, row)
  }

  /** Throws away what is kept. */
  async drop(): Promise<void> {
    await write((transaction) => dropFront(transaction, this.#front.name))
  }
}

/** The front of an answer, as it was found. */
class KeptFront {
  readonly note: Uint8Array<ArrayBuffer>
  /** Bytes that are kept. */
  readonly size: number
  readonly #front: Front
  readonly #row: FrontRow

  constructor(front: Front, row: FrontRow) {
    this.note = row.note
    this.size = row.size
    this.#front = front
    this.#row = row
  }

  /** Its bytes. @throws MalformedError when they are not what was written */
  async *read(): AsyncGenerator<Uint8Array, void, undefined> {
    const database = await open()
    let size = 0
    for (let number = 0; number < this.#row.chunks; number++) {
      const row = await database.get('chunks', [this.#front.name, number])
      if (row === undefined || crc32(row.bytes) !== row.crc)
        throw new MalformedError('what was kept of an answer', `chunk ${number} is damaged or gone`)
      size += row.bytes.length
      yield row.bytes
    }
    if (size !== this.size)
      throw new MalformedError('what was kept of an answer', `it has ${size} bytes`)
  }

  /** Goes on behind its bytes. @throws UnavailableError when somebody else has written meanwhile */
  async append(): Promise<FrontWriter> {
    const { name } = this.#front
    const row = { ...this.#row, writer: randomId() }
    await write(async (transaction) => {
      await checkWriter(transaction, name, this.#row)
      await transaction.objectStore('fronts').put(row, name)
    })
    return new FrontWriter(this.#front, row)
  }
}

/** Takes the bytes of a front, in order. */
class FrontWriter {
  readonly #front: Front
  #row: FrontRow
  #pieces: Uint8Array<ArrayBuffer>[] = []
  #pending = 0
  /** When bytes were written last. */
  #at: number
  #writing: Promise<void> = Promise.resolve()
  #failure: unknown

  constructor(front: Front, row: FrontRow) {
    this.#front = front
    this.#row = row
    this.#at = front.clock()
  }

  /** Takes the next bytes. @throws what keeps them from being written */
  async write(piece: Uint8Array): Promise<void> {
    this.#pieces.push(piece.slice())
    this.#pending += piece.length
    if (this.#pending < CHUNK && this.#front.clock() - this.#at < PAUSE) return
    // One transaction at a time; what arrives meanwhile need not wait for it.
    await this.#writing
    this.#begin()
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Keeps all that was taken. @throws what keeps it from being written */
  async flush(): Promise<void> {
    await this.#writing
    this.#begin()
    await this.#writing
    if (this.#failure !== undefined) throw this.#failure
  }

  #begin(): void {
    if (this.#pending === 0 || this.#failure !== undefined) return
    const bytes = concat(this.#pieces)
    this.#pieces = []
    this.#pending = 0
    this.#at = this.#front.clock()
    this.#writing = this.#append(bytes).catch((error: unknown) => void (this.#failure = error))
  }

  async #append(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const { name, clock } = this.#front
    const before = this.#row
    const size = before.size + bytes.length
    if (Math.floor(size / STRIDE) > Math.floor(before.size / STRIDE)) await checkRoom(size)
    const row = { ...before, size, chunks: before.chunks + 1, at: clock() }
    await write(async (transaction) => {
      await checkWriter(transaction, name, before)
      const chunk = { bytes, crc: crc32(bytes) }
      await transaction.objectStore('chunks').put(chunk, [name, before.chunks])
      await transaction.objectStore('fronts').put(row, name)
    })
    this.#row = row
  }
}

/** Makes sure that the front is still as its writer left it. */
async function checkWriter(transaction: Writing, name: string, row: FrontRow): Promise<void> {
  const found = await transaction.objectStore('fronts').get(name)
  if (found?.writer === row.writer && found.chunks === row.chunks) return
  throw new UnavailableError(`Cannot keep what arrives for "${name}": another page does`)
}

/** Makes sure that there is room for as much again: what is received is stored, too. */
async function checkRoom(size: number): Promise<void> {
  if (size > MOST)
    throw new UnavailableError(`Cannot keep what arrives: more than ${MOST} bytes are too much`)
  // Not every WebKit tells.
  if (!('storage' in navigator)) return
  const { usage = 0, quota = Infinity } = await navigator.storage.estimate()
  if (quota - usage < 2 * size + STRIDE)
    throw new UnavailableError(
      'Cannot keep what arrives: the storage of the browser is almost full',
    )
}

async function dropFront(transaction: Writing, name: string): Promise<void> {
  await transaction.objectStore('fronts').delete(name)
  await transaction.objectStore('chunks').delete(IDBKeyRange.bound([name], [name, []]))
}

/** Throws away what nobody came back for since then. */
async function sweep(transaction: Writing, then: number): Promise<void> {
  const fronts = transaction.objectStore('fronts')
  for (const name of await fronts.getAllKeys()) {
    const row = await fronts.get(name)
    if (row !== undefined && row.at <= then) await dropFront(transaction, name)
  }
}

async function write(work: (transaction: Writing) => Promise<void>): Promise<void> {
  const database = await open()
  const transaction = database.transaction(STORES, 'readwrite', { durability: 'relaxed' })
  const { done } = transaction
  // Work that fails says why; the transaction only that it was aborted.
  done.catch(() => undefined)
  try {
    await work(transaction)
  } catch (error) {
    try {
      transaction.abort()
    } catch {
      // It has ended already, by the error that is thrown here.
    }
    throw error
  }
  await done
}

let connection: Promise<IDBPDatabase<Schema>> | undefined

/** Opened once, for every sync asks; again when the browser has ended it. */
function open(): Promise<IDBPDatabase<Schema>> {
  const forget = (): void => void (connection = undefined)
  connection ??= openDB<Schema>(DATABASE, 1, {
    upgrade(database) {
      for (const store of STORES) database.createObjectStore(store)
    },
    // A newer page, or whoever clears this site's data, waits for it.
    blocking(_current, _blocked, event) {
      forget()
      if (event.target instanceof IDBDatabase) event.target.close()
    },
    terminated: forget,
  }).catch((error: unknown) => {
    forget()
    throw error
  })
  return connection
}
