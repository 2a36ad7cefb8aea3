/**
 * The browser's IndexedDB with promises and types: what a place uses of it, and no more.
 *
 * A promise of a request resolves while its transaction is still open, so that the next request can follow.
 *
 * Spec: https://www.w3.org/TR/IndexedDB-3/
 *
 * @module
 */
import { utf8 } from '@datakit/git/bytes'
import { MalformedError } from '@datakit/git/error'
import { crc32 } from '@datakit/git/pack/crc32'
import type { RowTypes, Sealed, StoreName } from './schema.ts'

type Value<Name extends StoreName> = RowTypes[Name]['value']
type Key<Name extends StoreName> = RowTypes[Name]['key']

/** Rows in the order of the keys of a store, or of one of its indexes. */
export interface Rows<RowKey, RowValue> {
  get(key: IDBValidKey | IDBKeyRange): Promise<RowValue | undefined>
  /** The key in the store of the first such row. */
  getKey(key: IDBValidKey): Promise<RowKey | undefined>
  getAll(query?: IDBKeyRange, limit?: number): Promise<RowValue[]>
  getAllKeys(query?: IDBValidKey | IDBKeyRange, limit?: number): Promise<RowKey[]>
  count(): Promise<number>
}

/** A store in a transaction. */
export interface Store<Name extends StoreName> extends Rows<Key<Name>, Value<Name>> {
  index(name: RowTypes[Name]['index']): Rows<Key<Name>, Value<Name>>
}

/** A transaction that is open as long as something is asked of it. */
export interface Transaction<Mode extends IDBTransactionMode = IDBTransactionMode> {
  readonly mode: Mode
  /** As the browser has it. */
  readonly raw: IDBTransaction
  objectStore<Name extends StoreName>(name: Name): Store<Name>
}

/** Begins a transaction of strict durability. @throws DOMException when the connection is closed */
export function begin<Mode extends 'readonly' | 'readwrite'>(
  database: IDBDatabase,
  stores: readonly StoreName[],
  mode: Mode,
): Transaction<Mode> {
  const raw = database.transaction(stores, mode, { durability: 'strict' })
  return {
    mode,
    raw,
    objectStore(name) {
      const store = raw.objectStore(name)
      return { ...rowsOf(store), index: (name) => rowsOf(store.index(name)) }
    },
  }
}

/** Resolves with what stopped a transaction, or with nothing once it is on disk. */
export function ended(
  transaction: IDBTransaction,
): Promise<{ readonly error: unknown } | undefined> {
  return new Promise((resolve) => {
    const fail = () => {
      const error = transaction.error ?? new DOMException('The transaction ended', 'AbortError')
      resolve({ error })
    }
    transaction.addEventListener('complete', () => resolve(undefined))
    transaction.addEventListener('error', fail)
    transaction.addEventListener('abort', fail)
  })
}

/** What a request gives. */
export function resultOf<Result>(request: IDBRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.addEventListener('success', () => resolve(request.result))
    request.addEventListener('error', () => reject(request.error))
  })
}

/** Puts a row. That it fails is not told here: it fails the transaction, which is waited for. */
export function putRow<Name extends StoreName>(
  transaction: Transaction<'readwrite'>,
  store: Name,
  row: RowTypes[Name]['value'],
  key?: RowTypes[Name]['key'],
): void {
  transaction.raw.objectStore(store).put(row, key)
}

/** Deletes rows, likewise. */
export function deleteRows<Name extends StoreName>(
  transaction: Transaction<'readwrite'>,
  store: Name,
  keys: RowTypes[Name]['key'] | IDBKeyRange,
): void {
  transaction.raw.objectStore(store).delete(keys)
}

/** The row with its checksum. */
export function seal<Row extends object>(row: Row): Row & Sealed {
  return { ...row, crc: checksum(row) }
}

/** Whether the row is as it was written, as far as that can be told. */
export function isSound(row: Sealed | undefined): boolean {
  return row?.crc === undefined || row.crc === checksum(row)
}

/** The row, if it is sound. @throws MalformedError when it is not */
export function unseal<Row extends Sealed | undefined>(row: Row, what: string): Row {
  if (isSound(row)) return row
  throw new MalformedError(what, 'its stored row fails its checksum')
}

function checksum(row: object): number {
  return crc32(utf8(JSON.stringify({ ...row, crc: undefined })))
}

function rowsOf<Name extends StoreName>(
  rows: IDBObjectStore | IDBIndex,
): Rows<Key<Name>, Value<Name>> {
  /** A promise of what the schema says is there. */
  const ask = <Result>(request: IDBRequest): Promise<Result> => resultOf(request)
  return {
    get: (key) => ask(rows.get(key)),
    getKey: (key) => ask(rows.getKey(key)),
    getAll: (query, limit) => ask(rows.getAll(query, limit)),
    getAllKeys: (query, limit) => ask(rows.getAllKeys(query, limit)),
    count: () => ask(rows.count()),
  }
}
