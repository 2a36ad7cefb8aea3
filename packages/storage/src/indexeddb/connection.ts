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
import { openDatabase, type Database, type StoreName, type Transaction } from './schema.ts'

const mortal = new Set([
  'InvalidStateError',
  'UnknownError',
  'AbortError',
  'TransactionInactiveError',
])

/** Runs transactions on one database. */
export class Connection {
  readonly name: string
  #opening: Promise<Database> | undefined
  #isClosed = false

  constructor(name: string) {
    this.name = name
  }

  /** Opens the database, if it is not open, so that errors come early. */
  async open(): Promise<void> {
    await this.#database()
  }

  /** Reads in one transaction. `work` awaits nothing but requests of the transaction. */
  read<T>(
    stores: StoreName[],
    work: (transaction: Transaction<'readonly'>) => Promise<T>,
  ): Promise<T> {
    return this.#retry(async () => {
      const transaction = (await this.#database()).transaction(stores, 'readonly')
      return finish(transaction, work)
    })
  }

  /**
   * Writes in one transaction that is on disk when this resolves. `work` awaits nothing but requests of the transaction;
   * what it throws undoes the transaction.
   *
   * @throws UnavailableError when the disk or the quota is full; nothing has happened then
   */
  write<T>(
    stores: StoreName[],
    work: (transaction: Transaction<'readwrite'>) => Promise<T>,
  ): Promise<T> {
    return this.#retry(async () => {
      const database = await this.#database()
      const transaction = database.transaction(stores, 'readwrite', { durability: 'strict' })
      return finish(transaction, work)
    })
  }

  /** Ends the connection as a browser might, to be opened again by the next transaction. */
  async drop(): Promise<void> {
    const opening = this.#opening
    this.#opening = undefined
    ;(await opening?.catch(() => undefined))?.close()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.drop()
  }

  async #retry<T>(attempt: () => Promise<T>): Promise<T> {
    try {
      return await attempt()
    } catch (error) {
      if (!isDeath(error) || this.#isClosed) throw explained(this.name, error)
      await this.drop()
    }
    try {
      return await attempt()
    } catch (error) {
      throw explained(this.name, error)
    }
  }

  #database(): Promise<Database> {
    if (this.#isClosed)
      throw new UnavailableError(`Cannot use "${this.name}": its place was closed`)
    const opening = (this.#opening ??= openDatabase(this.name, {
      ended: () => {
        if (this.#opening === opening) this.#opening = undefined
      },
    }))
    opening.catch(() => {
      if (this.#opening === opening) this.#opening = undefined
    })
    return opening
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
  if (failure) throw failure.error
  return result
}

function isDeath(error: unknown): boolean {
  return error instanceof DOMException && mortal.has(error.name)
}

/** Our error for one of the browser's. */
function explained(name: string, error: unknown): unknown {
  if (!(error instanceof DOMException)) return error
  if (error.name === 'QuotaExceededError') {
    const advice = 'free space on this device, or delete what this site keeps and does not need'
    return new UnavailableError(
      `Cannot write to "${name}": the browser's storage is full; ${advice}`,
      {
        cause: error,
      },
    )
  }
  const problem = `${error.name}: ${error.message}`
  return new UnavailableError(`Cannot use "${name}": its database failed with "${problem}"`, {
    cause: error,
  })
}
