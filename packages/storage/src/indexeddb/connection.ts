/**
 * Connection: the database of one place, opened again when it dies.
 *
 * Browsers end connections on their own: Safari when a page was in the background, all of them when site data is
 * cleared or another tab upgrades. The next transaction then fails with an `InvalidStateError`, an `UnknownError` or an
 * abort. Work is repeated on new connections, so it has to be such that doing it twice is doing it once.
 *
 * A database that was deleted opens again, empty. So a connection remembers which repository it has seen, and every
 * transaction looks whether it is still that one.
 *
 * @module
 */
import { MalformedError, UnavailableError, type UnavailableReason } from '@datakit/git/error'
import { begin, ended, unseal, type Transaction } from './database.ts'
import { later } from './loading.ts'
import { createStores, SCHEMA_VERSION, type StoreName } from './schema.ts'

/** How long tabs of an older version have to close the database, in milliseconds. */
const PATIENCE = 5000
/** Before the work is tried again, each time that a connection died; in milliseconds. */
const PAUSES = [0, 50, 250, 1000]

/** Names of the browser's errors that a new connection may do without. */
const mortal = new Set([
  'InvalidStateError',
  'UnknownError',
  'AbortError',
  'TransactionInactiveError',
])

type Mode = 'readonly' | 'readwrite'

/** A connection died on the way of a commit: it was made, or it was not. */
export class LostAnswerError extends UnavailableError {}

/** Runs transactions on one database. */
export class Connection {
  readonly name: string
  /** Id of the repository that must be there, once one was seen or expected. */
  repository: string | undefined
  /** Called when the database was closed from outside: deleted, upgraded, lost. */
  onEnd: () => void = ignore
  #opening: Promise<IDBDatabase> | undefined
  #isClosed = false
  /** A page that is frozen hears of no upgrade, and would be in the way of it. */
  readonly #release = () => {
    const opening = this.#opening
    this.#opening = undefined
    void opening?.then((database) => database.close(), ignore)
  }

  constructor(name: string, repository?: string) {
    this.name = name
    this.repository = repository
    // The event is of the document, which a worker has not got.
    addEventListener('freeze', this.#release, true)
  }

  /**
   * Opens the database if it is not open.
   *
   * @throws UnavailableError when the browser refuses, or another tab keeps an older version open
   */
  async open(): Promise<void> {
    await this.#insist(() => this.#database())
  }

  /** Reads in one transaction. `work` awaits nothing but requests of the transaction. */
  read<T>(
    stores: StoreName[],
    work: (transaction: Transaction<'readonly'>) => Promise<T>,
  ): Promise<T> {
    return this.#insist(() => this.#run(stores, 'readonly', work))
  }

  /**
   * Writes in one transaction that is on disk when this resolves. `work` awaits nothing but requests of the transaction;
   * what it throws undoes the transaction.
   *
   * @throws LostAnswerError when nobody can tell whether it was written
   * @throws UnavailableError when the disk or the quota is full, the repository is gone, or is for newer programs only;
   *   nothing has happened then
   */
  write<T>(
    stores: StoreName[],
    work: (transaction: Transaction<'readwrite'>) => Promise<T>,
  ): Promise<T> {
    return this.#insist(() => this.#run(stores, 'readwrite', work))
  }

  async close(): Promise<void> {
    this.#isClosed = true
    removeEventListener('freeze', this.#release, true)
    this.#release()
  }

  #database(): Promise<IDBDatabase> {
    if (this.#isClosed)
      throw new UnavailableError(`Cannot use "${this.name}": its place was closed`)
    const opening = (this.#opening ??= openDatabase(this.name, () => {
      this.#forget(opening)
      this.onEnd()
    }))
    opening.catch(() => this.#forget(opening))
    return opening
  }

  /** Tries again, with pauses, as long as connections die. */
  async #insist<T>(attempt: () => Promise<T>): Promise<T> {
    let lost: unknown
    for (let attempts = 0; ; attempts++) {
      try {
        return await attempt()
      } catch (error) {
        if (error instanceof LostAnswerError) lost ??= error
        const pause = isDeath(error) ? PAUSES[attempts] : undefined
        if (pause === undefined) {
          const told = await explained(this.name, error)
          // Work that fails by itself has looked, and found that nothing was written.
          throw told instanceof UnavailableError ? (lost ?? told) : told
        }
        await new Promise((resolve) => setTimeout(resolve, pause))
      }
    }
  }

  async #run<T, M extends Mode>(
    stores: StoreName[],
    mode: M,
    work: (transaction: Transaction<M>) => Promise<T>,
  ): Promise<T> {
    const opening = this.#database()
    const database = await opening
    try {
      const transaction = begin(database, stores, mode)
      const all = () => Promise.all([work(transaction), this.#check(transaction, stores)])
      return (await finish(transaction.raw, all))[0]
    } catch (error) {
      if (isDeath(error)) {
        this.#forget(opening)
        database.close()
      }
      throw error
    }
  }

  /** Looks whether the repository is the one that was seen, and may be read or written by this version of the program. */
  async #check({ mode, raw, objectStore }: Transaction, stores: StoreName[]): Promise<void> {
    if (!stores.includes('state')) return
    const header = await objectStore('state').get('header')
    const { version } = raw.db
    // A transaction that writes may just have made the rows, for its first update.
    const looks = !header && mode === 'readonly' && stores.includes('packs')
    if (looks && (await isUsed(objectStore)))
      throw new MalformedError(`the repository in "${this.name}"`, 'its root row is missing')
    const { read, write } = header?.needs ?? { read: version, write: version }
    if ((mode === 'readonly' ? read : write) > SCHEMA_VERSION) throw barred('storage-newer')
    unseal(header, `the repository in "${this.name}"`)
    this.repository ??= header?.repository
    if (this.repository !== header?.repository) throw barred('storage-gone')
  }

  #forget(opening: Promise<IDBDatabase>): void {
    if (this.#opening === opening) this.#opening = undefined
  }
}

/** Whether an update has ever put a pack here. */
async function isUsed(objectStore: Transaction['objectStore']): Promise<boolean> {
  const changed = objectStore('packs').index('changed')
  return (await changed.getAllKeys(IDBKeyRange.lowerBound(0), 1)).length > 0
}

async function finish<T>(transaction: IDBTransaction, work: () => Promise<T>): Promise<T> {
  const end = ended(transaction)
  let result: T
  try {
    result = await work()
  } catch (error) {
    try {
      transaction.abort()
    } catch {
      // It has ended already: by the error that is thrown here.
    }
    const failure = await end
    // A request that fails with the transaction says "AbortError"; the transaction knows why.
    throw error instanceof DOMException && error.name === 'AbortError'
      ? (failure?.error ?? error)
      : error
  }
  // What was read was read, however the transaction ends.
  const failure = transaction.mode === 'readonly' ? undefined : await end
  if (!failure) return result
  if (!isDeath(failure.error)) throw failure.error
  const message = `Cannot tell whether "${transaction.db.name}" was written: its database died`
  throw new LostAnswerError(message, { cause: failure.error })
}

/** What takes the rows of older versions over. */
type Upgrade = (upgrade: IDBTransaction) => Promise<void>

/** Opens a database and makes its stores when it is new; `onEnd` hears when it was closed from outside. Version 0 is as it is. */
async function openDatabase(
  name: string,
  onEnd: () => void,
  version = SCHEMA_VERSION,
  upgrade?: Upgrade,
): Promise<IDBDatabase> {
  try {
    return await openVersion({ name, onEnd, version, upgrade })
  } catch (error) {
    const why = error instanceof DOMException && error.name
    // Newer than we are. Whether it may be read all the same is said in it.
    if (why === 'VersionError') return openDatabase(name, onEnd, 0)
    // Older, and left as it is: nothing can be waited for while it is upgraded.
    if (why === 'AbortError' && !upgrade)
      return openDatabase(name, onEnd, version, (await later()).upgradeStores)
    throw error
  }
}

interface Opening {
  readonly name: string
  readonly onEnd: () => void
  readonly version: number
  readonly upgrade: Upgrade | undefined
}

function openVersion({ name, onEnd, version, upgrade }: Opening): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    let isLate = false
    const giveUp = () => {
      isLate = true
      reject(barred('storage-older'))
    }
    const request = indexedDB.open(name, version || undefined)
    request.addEventListener('upgradeneeded', ({ oldVersion }) => {
      const { transaction } = request
      if (oldVersion === 0) createStores(request.result)
      else if (upgrade && transaction)
        upgrade(transaction).catch((error: unknown) => {
          reject(error)
          transaction.abort()
        })
      else transaction?.abort()
    })
    // Tabs that are in the middle of a transaction close when it ends.
    request.addEventListener('blocked', () => setTimeout(giveUp, PATIENCE))
    request.addEventListener('error', () => reject(request.error))
    request.addEventListener('success', () => {
      const database = request.result
      const end = () => {
        database.close()
        onEnd()
      }
      database.addEventListener('close', end)
      // Whoever upgrades or deletes the database waits for this.
      database.addEventListener('versionchange', end)
      if (isLate) database.close()
      else resolve(database)
    })
  })
}

function isDeath(error: unknown): boolean {
  const cause = error instanceof UnavailableError ? error.cause : error
  return cause instanceof DOMException && mortal.has(cause.name)
}

/** Of the browser's errors, by their names; all others are `storage-broken`. */
const reasons: Readonly<Record<string, UnavailableReason>> = {
  QuotaExceededError: 'storage-full',
  SecurityError: 'storage-blocked',
}

/** Why the database may not be used, for {@link explained}. */
function barred(reason: UnavailableReason): UnavailableError {
  return new UnavailableError(reason, { reason })
}

/** Our error for one of the browser's or for a bare reason, with what to do about it. */
async function explained(name: string, error: unknown): Promise<unknown> {
  const cause = error instanceof DOMException ? error : undefined
  const known = error instanceof UnavailableError ? error.reason : 'unavailable'
  const reason = cause ? (reasons[cause.name] ?? 'storage-broken') : known
  if (reason === 'unavailable') return error
  // What advises may be out of reach as well.
  const told = await later().then(
    ({ advice }) => advice[reason],
    () => reason,
  )
  const what = cause ? ` (${cause})` : ''
  return new UnavailableError(`Cannot use "${name}": ${told}${what}`, { cause, reason })
}

function ignore(): void {}
