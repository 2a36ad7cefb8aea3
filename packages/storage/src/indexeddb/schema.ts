/**
 * The schema of a repository in IndexedDB: one database each, few and large rows.
 *
 * Refs are in blocks of some hundred, in the order in which Git has them (`ref-blocks.ts`): all are read at once, then those
 * that changed. Packs and their indexes are cut into chunks, each with its CRC-32.
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

export interface BlockRow extends Sealed {
  /** The first key that a ref in it can have; empty for the first block. */
  readonly first: string
  /** Its refs, a line each, with a line feed before it; see `ref-blocks.ts`. Empty where all of them were deleted. */
  readonly lines: string
  /** The update that wrote it. */
  readonly number: number
}

export interface LogRow extends Sealed {
  readonly number: number
  readonly line: number
  readonly ref: Uint8Array<ArrayBuffer>
  readonly from: Oid | undefined
  readonly to: Oid | undefined
  readonly who: string
  readonly at: number
  readonly why: string
}

/** The lines of an update that has many of them, which would be as many rows. */
export interface BatchRow extends Sealed {
  readonly number: number
  /** A line each, with a line feed before it: key of the ref, from and to, `-` where there is none. */
  readonly lines: string
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
  readonly blocks: { key: string; value: BlockRow; index: 'number' }
  readonly log: { key: [number, number]; value: LogRow; index: 'ref' }
  readonly batches: { key: number; value: BatchRow; index: never }
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
  'blocks',
  'log',
  'batches',
  'receipts',
  'packs',
  'aliases',
  'chunks',
  'promised',
]

/**
 * Counts up when the rows become others. Version 1 had no checksums on small rows, and another index of the log; version 2
 * had a row for every ref. `upgrade.ts` takes their rows over.
 */
export const SCHEMA_VERSION = 3

/** Makes the stores of a new database. */
export function createStores(database: IDBDatabase): void {
  for (const name of ['state', 'chunks', 'promised'] as const) database.createObjectStore(name)
  const log = database.createObjectStore('log', { keyPath: ['number', 'line'] })
  log.createIndex('ref', 'ref')
  database.createObjectStore('receipts', { keyPath: 'id' }).createIndex('at', 'at')
  const packs = database.createObjectStore('packs', { keyPath: 'home' })
  packs.createIndex('id', 'id', { unique: true })
  packs.createIndex('changed', 'changed')
  database.createObjectStore('aliases').createIndex('at', 'at')
  createBlocks(database)
}

/** Makes the stores that version 2 had not. */
export function createBlocks(database: IDBDatabase): void {
  database.createObjectStore('blocks', { keyPath: 'first' }).createIndex('number', 'number')
  database.createObjectStore('batches', { keyPath: 'number' })
}

/** Every chunk of a pack and its index. */
export function chunksOf(home: Home): IDBKeyRange {
  return IDBKeyRange.bound([home], [home, []])
}
