/**
 * Connection: the database of one place, opened again when it dies.
 *
 * Browsers end connections on their own: Safari when a page was in the background, all of them when site data is
 * cleared or another tab upgrades. The next transaction then fails with an `InvalidStateError`, an `UnknownError` or an
 * abort. Work is repeated once on a new connection, so it has to be such that doing it twice is doing it once.
 *
 * @module
 */
import { UnavailableError } from '@datakit/git/error'
import { openDB } from 'idb'
import {
  createStores,
  SCHEMA_VERSION,
  type Database,
  type Schema,
  type StoreName,
  type Transaction,
} from './schema.ts'

/** How long tabs of an older version have to close the database, in milliseconds. */
const PATIENCE = 5000

/** Names of the browser's errors that a new connection may do without. */
const mortal = new Set([
  'InvalidStateError',
  'UnknownError',
  'AbortError',
  'TransactionInactiveError',
])

/** A connection died on the way of a commit: it was made, or it was not. */
export class LostAnswerError extends UnavailableError {}

/** Runs transactions on one database. */
export class Connection {
  readonly name: string
  #opening: Promise<Database> | undefined
  #isClosed = false

  constructor(name: string) {
    this.name = name
  }

  /**
   * The database, opened if it is not open.
   *
   * @throws UnavailableError when the browser refuses, another tab keeps an older version open, or a newer version of the
   *   program wrote it
   */
  open(): Promise<Database> {
    if (this.#isClosed)
      throw new UnavailableError(`Cannot use "${this.name}": its place was closed`)
    const opening = (this.#opening ??= openDatabase(this.name, () => this.#forget(opening)))
    opening.catch(() => this.#forget(opening))
    return opening
  }

  /** Reads in one transaction. `work` awaits nothing but requests of the transaction. */
  read<T>(
    stores: StoreName[],
    work: (transaction: Transaction<'readonly'>) => Promise<T>,
  ): Promise<T> {
    return this.#run(stores, 'readonly', work)
  }

  /**
   * Writes in one transaction that is on disk when this resolves. `work` awaits nothing but requests of the transaction;
   * what it throws undoes the transaction.
   *
   * @throws LostAnswerError when nobody can tell whether it was written
   * @throws UnavailableError when the disk or the quota is full; nothing has happened then
   */
  write<T>(
    stores: StoreName[],
    work: (transaction: Transaction<'readwrite'>) => Promise<T>,
  ): Promise<T> {
    return this.#run(stores, 'readwrite', work)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const opening = this.#opening
    this.#opening = undefined
    ;(await opening?.catch(() => undefined))?.close()
  }

  async #run<T, Mode extends 'readonly' | 'readwrite'>(
    stores: StoreName[],
    mode: Mode,
    work: (transaction: Transaction<Mode>) => Promise<T>,
  ): Promise<T> {
    const attempt = async () => {
      const opening = this.open()
      const database = await opening
      try {
        const transaction = database.transaction(stores, mode, { durability: 'strict' })
        return await finish(transaction, work)
      } catch (error) {
        if (isDeath(error)) {
          this.#forget(opening)
          database.close()
        }
        throw explained(this.name, error)
      }
    }
    try {
      return await attempt()
    } catch (error) {
      if (!isDeath(error)) throw error
      return await attempt().catch((again: unknown) => {
        // Work that fails by itself has looked, and found that nothing was written.
        throw error instanceof LostAnswerError && again instanceof UnavailableError ? error : again
      })
    }
  }

  #forget(opening: Promise<Database>): void {
    if (this.#opening === opening) this.#opening = undefined
  }
}

async function finish<T, Mode extends 'readonly' | 'readwrite'>(
  transaction: Transaction<Mode>,
  work: (transaction: Transaction<Mode>) => Promise<T>,
): Promise<T> {
  // Looked at below in any case; without this an abort would also be reported as unhandled.
  const ended = transaction.done.then(
    () => undefined,
    (error: unknown) => ({ error: transaction.error ?? error }),
  )
  let result: T
  try {
    result = await work(transaction)
  } catch (error) {
    try {
      transaction.abort()
    } catch {
      // It has ended already: by the error that is thrown here.
    }
    const failure = await ended
    // A request that fails with the transaction says "AbortError"; the transaction knows why.
    throw error instanceof DOMException && error.name === 'AbortError'
      ? (failure?.error ?? error)
      : error
  }
  const failure = await ended
  if (!failure) return result
  if (!isDeath(failure.error)) throw failure.error
  const message = `Cannot tell whether "${transaction.db.name}" was written: its database died`
  throw new LostAnswerError(message, { cause: failure.error })
}

/** Opens a database and makes its stores when it is new; `onEnd` hears when it was closed from outside. */
function openDatabase(name: string, onEnd: () => void): Promise<Database> {
  return new Promise((resolve, reject) => {
    let isLate = false
    const giveUp = () => {
      isLate = true
      const problem = 'close its other tabs, which run an older version'
      reject(new UnavailableError(`Cannot open "${name}": ${problem}`))
    }
    const open = async () => {
      const database = await openDB<Schema>(name, SCHEMA_VERSION, {
        upgrade: createStores,
        // Tabs that are in the middle of a transaction close when it ends.
        blocked: () => void setTimeout(giveUp, PATIENCE),
        blocking(_current, _blocked, event) {
          // Whoever upgrades or deletes the database waits for this.
          if (event.target instanceof IDBDatabase) event.target.close()
          onEnd()
        },
        terminated: onEnd,
      })
      if (isLate) database.close()
      else resolve(database)
    }
    open().catch((error: unknown) => reject(explained(name, error)))
  })
}

function isDeath(error: unknown): boolean {
  const cause = error instanceof UnavailableError ? error.cause : error
  return cause instanceof DOMException && mortal.has(cause.name)
}

const advice: Readonly<Record<string, string>> = {
  QuotaExceededError:
    "the browser's storage is full; free space on this device, or delete what this site keeps and does not need",
  VersionError: 'a newer version of this program wrote it; reload the page',
}

/** Our error for one of the browser's. */
function explained(name: string, cause: unknown): unknown {
  if (!(cause instanceof DOMException)) return cause
  const problem = advice[cause.name] ?? `its database failed with "${cause.name}: ${cause.message}"`
  return new UnavailableError(`Cannot use "${name}": ${problem}`, { cause })
}
