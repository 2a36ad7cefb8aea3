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
import type { KeptReceipt } from '../update.ts'

/** Name of a pack's row, which stays when small packs are appended and the pack gets another id. */
export type Home = string

/** A row that is small and that much depends on: with a checksum of its own, as chunks have. */
export interface Sealed {
  /** CRC-32 of the rest as JSON; rows of version 1 have none. */
  readonly crc?: number
}

/** The one small row that every read and every update begins with. */
export interface Header extends Sealed {
  /**
   * The lowest schema versions of programs that may read and write this database; that of the database when left out. A
   * newer program that adds what older ones need not know says so here, and they go on.
   */
  readonly needs?: { readonly read: number; readonly write: number }
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

export interface RefRow extends Sealed {
  readonly oid: Oid
  readonly peeled: Oid | undefined
  /** The update that put it there. */
  readonly number: number
}

export interface LogRow extends Sealed {
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

/** Bytes in a chunk; the last one of a pack has fewer. */
export const CHUNK = 256 * 1024

/** What of a pack a chunk holds: its bytes or its index. */
export const PACK_BYTES = 0
export const INDEX_BYTES = 1
export type ChunkKind = typeof PACK_BYTES | typeof INDEX_BYTES

/** The rows of each store, their keys and its indexes. */
export interface RowTypes {
  readonly state: { key: 'header'; value: Header; index: never }
  readonly refs: { key: Uint8Array<ArrayBuffer>; value: RefRow; index: never }
  readonly log: { key: [number, number]; value: LogRow; index: 'ref' }
  readonly receipts: { key: string; value: KeptReceipt; index: 'at' }
  readonly packs: { key: Home; value: PackRow; index: 'id' | 'changed' }
  readonly aliases: { key: PackId; value: AliasRow; index: 'at' }
  readonly chunks: { key: [Home, ChunkKind, number]; value: ChunkRow; index: never }
  readonly promised: { key: Oid; value: PromisedRow; index: never }
}

export type StoreName = keyof RowTypes

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

/** Counts up when the rows become others. Version 1 had no checksums on small rows, and another index of the log. */
export const SCHEMA_VERSION = 2

/** Makes the stores of a new database. */
export function createStores(database: IDBDatabase): void {
  for (const name of ['state', 'refs', 'chunks', 'promised'] as const)
    database.createObjectStore(name)
  const log = database.createObjectStore('log', { keyPath: ['number', 'line'] })
  log.createIndex('ref', 'ref')
  database.createObjectStore('receipts', { keyPath: 'id' }).createIndex('at', 'at')
  const packs = database.createObjectStore('packs', { keyPath: 'home' })
  packs.createIndex('id', 'id', { unique: true })
  packs.createIndex('changed', 'changed')
  database.createObjectStore('aliases').createIndex('at', 'at')
}

/**
 * Takes the rows of version 1 over. Its index of the log had the name of the ref and the numbers in one key, which WebKit puts
 * into a wrong order (seen in WebKitGTK 2.50: numbers behind bytes, in an array). An index of the names alone needs no numbers: equal
 * names are in the order of the rows.
 */
export function upgradeStores(upgrade: IDBTransaction): void {
  const log = upgrade.objectStore('log')
  log.deleteIndex('ref')
  log.createIndex('ref', 'ref')
}

/** Every chunk of a pack and its index. */
export function chunksOf(home: Home): IDBKeyRange {
  return IDBKeyRange.bound([home], [home, []])
}
