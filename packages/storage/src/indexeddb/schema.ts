/**
 * The schema of a repository in IndexedDB: one database each, few and large rows.
 *
 * Refs are rows under their own bytes, so that they are ordered as Git orders them and a commit touches one. The log is
 * the undo journal too: a state that was read at update n finds what a ref was by the first line behind n. Packs and
 * their indexes are cut into chunks, each with its CRC-32.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { Head, PackId } from '@datakit/git/place'
import type { DBSchema, IDBPDatabase, IDBPTransaction, StoreKey, StoreNames, StoreValue } from 'idb'
import type { KeptReceipt } from '../update.ts'

/** Name of a pack's row, which stays when small packs are appended and the pack gets another id. */
export type Home = string

/** The one small row that every read and every update begins with. */
export interface Header {
  /** How many updates there were. */
  readonly number: number
  readonly repository: string
  readonly head: Head
  readonly shallow: readonly Oid[]
  /** Home of the newest live pack; `undefined` once that was condemned. */
  readonly tail: Home | undefined
  /** What `number` was when rows of packs were last deleted. */
  readonly swept: number
}

export interface RefRow {
  readonly oid: Oid
  readonly peeled: Oid | undefined
  /** The update that put it there. */
  readonly number: number
}

export interface LogRow {
  readonly number: number
  readonly line: number
  readonly ref: Uint8Array<ArrayBuffer>
  readonly from: Oid | undefined
  /** What `from` peeled to. */
  readonly fromPeeled: Oid | undefined
  readonly to: Oid | undefined
  readonly who: string
  readonly at: number
  readonly why: string
}

export interface PackRow {
  readonly home: Home
  readonly id: PackId
  readonly state: 'staged' | 'live' | 'condemned'
  readonly size: number
  readonly indexSize: number
  readonly objects: number
  readonly needs: readonly Home[]
  readonly verified: boolean
  /** When it was staged or condemned, in milliseconds since 1970. */
  readonly since: number
  /** Place among the live packs, oldest first. */
  readonly order: number
  /** The update that changed this row last; -1 while it is staged. */
  readonly changed: number
}

/** A pack that was put into another one: where its entries are there. */
export interface AliasRow {
  readonly home: Home
  /** What to add to its offsets. */
  readonly shift: number
  readonly size: number
  readonly objects: number
  readonly trailer: Uint8Array<ArrayBuffer>
  readonly at: number
}

export interface ChunkRow {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly crc: number
}

export interface PromisedRow {
  readonly remote: string
  /** The update that recorded it. */
  readonly number: number
}

/** What of a pack a chunk holds: its bytes or its index. */
export const PACK_BYTES = 0
export const INDEX_BYTES = 1
export type ChunkKind = typeof PACK_BYTES | typeof INDEX_BYTES

export interface Schema extends DBSchema {
  state: { key: 'header'; value: Header }
  refs: { key: Uint8Array<ArrayBuffer>; value: RefRow }
  log: {
    key: [number, number]
    value: LogRow
    indexes: { ref: [Uint8Array<ArrayBuffer>, number, number] }
  }
  receipts: { key: string; value: KeptReceipt; indexes: { at: number } }
  packs: { key: Home; value: PackRow; indexes: { id: PackId; changed: number } }
  aliases: { key: PackId; value: AliasRow; indexes: { at: number } }
  chunks: { key: [Home, ChunkKind, number]; value: ChunkRow }
  promised: { key: Oid; value: PromisedRow }
}

export type StoreName = StoreNames<Schema>
export type Database = IDBPDatabase<Schema>
export type Transaction<Mode extends 'readonly' | 'readwrite' = 'readonly' | 'readwrite'> =
  IDBPTransaction<Schema, StoreName[], Mode>

/** Every store: what an update may touch. */
export const ALL_STORES: StoreName[] = [
  'state',
  'refs',
  'log',
  'receipts',
  'packs',
  'aliases',
  'chunks',
  'promised',
]

/** Counts up when the rows become others. */
export const SCHEMA_VERSION = 1

/** Makes the stores of a new database. */
export function createStores(database: Database): void {
  for (const name of ['state', 'refs', 'chunks', 'promised'] as const)
    database.createObjectStore(name)
  const log = database.createObjectStore('log', { keyPath: ['number', 'line'] })
  log.createIndex('ref', ['ref', 'number', 'line'])
  database.createObjectStore('receipts', { keyPath: 'id' }).createIndex('at', 'at')
  const packs = database.createObjectStore('packs', { keyPath: 'home' })
  packs.createIndex('id', 'id', { unique: true })
  packs.createIndex('changed', 'changed')
  database.createObjectStore('aliases').createIndex('at', 'at')
}

/** Every chunk of a pack and its index. */
export function chunksOf(home: Home): IDBKeyRange {
  return IDBKeyRange.bound([home], [home, []])
}

/** Puts a row. That it fails is not told here: it fails the transaction, which is waited for. */
export function putRow<Name extends StoreName>(
  transaction: Transaction<'readwrite'>,
  store: Name,
  row: StoreValue<Schema, Name>,
  key?: StoreKey<Schema, Name>,
): void {
  transaction.objectStore(store).put(row, key).catch(ignore)
}

/** Deletes rows, likewise. */
export function deleteRows<Name extends StoreName>(
  transaction: Transaction<'readwrite'>,
  store: Name,
  keys: StoreKey<Schema, Name> | IDBKeyRange,
): void {
  transaction.objectStore(store).delete(keys).catch(ignore)
}

function ignore(): void {}
