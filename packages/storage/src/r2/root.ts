/**
 * Root: the one mutable object of a repository, and all that is in it.
 *
 * It is JSON of at most 64 kB. Each list in it is bounded: what grows past its bound moves to an immutable object
 * (`overflow.ts`), and the root keeps where. Rows are arrays, to be small; a value that is not there is 0. Every root
 * carries an epoch and a random nonce, so that no two roots have the same bytes: R2's etag is a digest of the content.
 *
 * Spec: docs/storage-format.md, "R2"
 *
 * @module
 */
import { toHex, utf8 } from '@datakit/git/bytes'
import { UnsupportedError } from '@datakit/git/error'
import type { Oid } from '@datakit/git/oid'
import type { Head, LogEntry, PackId, PackInfo, Version } from '@datakit/git/place'
import { FIRST_HEAD, type KeptReceipt } from '../update.ts'
import { countFull, decodeCatalogs, encodeCatalogs, type CatalogRow } from './catalogs.ts'
import {
  decodeCondemned,
  encodeCondemned,
  type Condemned,
  type EarlierCondemned,
} from './condemned.ts'
import { Fields } from './fields.ts'
import { packId } from './keys.ts'
import type { TableShape } from './table.ts'

/** The format that is written, and the only one that is read. */
export const ROOT_FORMAT = 1

/** A table in the bucket. */
export interface TablePointer extends TableShape {
  /** Its id under `t/REPOSITORY/`. */
  readonly id: string
  /** When its newest row was made, in milliseconds since 1970. */
  readonly at: number
}

/** Where a ref points. */
export interface RefValue {
  readonly oid: Oid
  readonly peeled: Oid | undefined
}

/** The beginnings of lists that have grown too long for the root. */
export interface Ledger {
  /** Its id under `t/REPOSITORY/`. */
  readonly id: string
  readonly packs: readonly PackInfo[]
  /** Full ones. */
  readonly catalogs: readonly CatalogRow[]
  /** Either all shallow commits or none. */
  readonly shallow: ReadonlySet<Oid>
}

/** One state of a repository as it is kept. */
export interface Root {
  /** Random id of the repository, empty while there is none. */
  readonly repository: string
  /** Counts the updates of the root. */
  readonly epoch: number
  readonly head: Head
  /** Refs: a sorted table, and what changed since; `undefined` stands for a ref that was deleted. */
  readonly refs: {
    readonly table: TablePointer | undefined
    readonly changed: ReadonlyMap<string, RefValue | undefined>
  }
  readonly packs: readonly PackInfo[]
  /** The newest of what is condemned, and where the rest is. */
  readonly condemned: readonly Condemned[]
  readonly earlier: EarlierCondemned | undefined
  readonly ledger: Ledger | undefined
  readonly catalogs: readonly CatalogRow[]
  readonly shallow: ReadonlySet<Oid>
  readonly promised: {
    readonly table: TablePointer | undefined
    readonly added: ReadonlyMap<Oid, string>
  }
  /** The newest lines, oldest first, and the id under `l/REPOSITORY/` of those before them. */
  readonly log: { readonly older: string | undefined; readonly lines: readonly LogEntry[] }
  /** The newest receipts, oldest first, and tables of older ones, newest first. */
  readonly receipts: {
    readonly tables: readonly TablePointer[]
    readonly tail: readonly KeptReceipt[]
  }
}

/** The root of a repository that does not exist. */
export const NO_ROOT: Root = {
  repository: '',
  epoch: 0,
  head: FIRST_HEAD,
  refs: { table: undefined, changed: new Map() },
  packs: [],
  condemned: [],
  earlier: undefined,
  ledger: undefined,
  catalogs: [],
  shallow: new Set(),
  promised: { table: undefined, added: new Map() },
  log: { older: undefined, lines: [] },
  receipts: { tables: [], tail: [] },
}

/** Names the state that a root is. Epochs of one repository follow on each other, so they suffice. */
export function versionOf(repository: string, epoch: number): Version {
  return `${repository}.${epoch}`
}

/** The bytes of a root, different each time. */
export function encodeRoot(root: Root): Uint8Array<ArrayBuffer> {
  const { ledger } = root
  const value = {
    format: ROOT_FORMAT,
    epoch: root.epoch,
    nonce: toHex(crypto.getRandomValues(new Uint8Array(16))),
    repository: root.repository,
    head: root.head,
    refs: { table: root.refs.table, changed: encodeRefs(root) },
    ledger: ledger?.id,
    packs: encodePacks(root, root.packs.slice(ledger?.packs.length ?? 0)),
    condemned: encodeCondemned(root.condemned),
    earlier: root.earlier,
    catalogs: encodeCatalogs(root.catalogs.slice(ledger?.catalogs.length ?? 0), root.packs),
    shallow: ledger && ledger.shallow.size > 0 ? [] : [...root.shallow],
    promised: { table: root.promised.table, added: [...root.promised.added] },
    log: { older: root.log.older, lines: root.log.lines.map(encodeLine) },
    receipts: { tables: root.receipts.tables, tail: root.receipts.tail.map(encodeReceipt) },
  }
  return utf8(JSON.stringify(value))
}

/**
 * The root that bytes stand for. `readLedger` is asked when a part of it lies elsewhere.
 *
 * @throws MalformedError when they are no root
 * @throws UnsupportedError when they are a root of a later format
 */
export async function decodeRoot(bytes: Uint8Array, readLedger: ReadLedger): Promise<Root> {
  const fields = new Fields('a root')
  const value = fields.record(fields.decode(bytes))
  const format = fields.count(value['format'])
  if (format !== ROOT_FORMAT) throw new UnsupportedError(`Cannot read a root of format ${format}`)
  const repository = fields.id(value['repository'])
  const ledgerId = fields.optional(value['ledger'], (id) => fields.id(id))
  const ledger =
    ledgerId === undefined ? undefined : await openLedger(repository, ledgerId, readLedger)
  const packs = [...(ledger?.packs ?? []), ...decodePacks(fields, repository, value['packs'])]
  const refs = fields.record(value['refs'])
  const promised = fields.record(value['promised'])
  const log = fields.record(value['log'])
  const receipts = fields.record(value['receipts'])
  return {
    repository,
    epoch: fields.count(value['epoch']),
    head: decodeHead(fields, value['head']),
    refs: {
      table: fields.optional(refs['table'], (table) => decodePointer(fields, table)),
      changed: new Map(fields.list(refs['changed']).map((row) => decodeRef(fields, row))),
    },
    packs,
    condemned: decodeCondemned(fields, value['condemned']),
    earlier: fields.optional(value['earlier'], (earlier) => decodeEarlier(fields, earlier)),
    ledger,
    catalogs: [...(ledger?.catalogs ?? []), ...decodeCatalogs(fields, value['catalogs'], packs)],
    shallow:
      ledger && ledger.shallow.size > 0 ? ledger.shallow : decodeOids(fields, value['shallow']),
    promised: {
      table: fields.optional(promised['table'], (table) => decodePointer(fields, table)),
      added: new Map(fields.list(promised['added']).map((row) => decodePromise(fields, row))),
    },
    log: {
      older: fields.optional(log['older'], (id) => fields.id(id)),
      lines: fields.list(log['lines']).map((line) => decodeLine(fields, line)),
    },
    receipts: {
      tables: fields.list(receipts['tables']).map((table) => decodePointer(fields, table)),
      tail: fields.list(receipts['tail']).map((row) => decodeReceipt(fields, repository, row)),
    },
  }
}

/** Bytes of an object under `t/REPOSITORY/`. */
export type ReadLedger = (repository: string, id: string) => Promise<Uint8Array>

/** The bytes of a ledger. */
export function encodeLedger(root: Root): Uint8Array<ArrayBuffer> {
  return utf8(
    JSON.stringify({
      packs: encodePacks(root, root.packs),
      catalogs: encodeCatalogs(root.catalogs.slice(0, countFull(root.catalogs)), root.packs),
      shallow: [...root.shallow],
    }),
  )
}

async function openLedger(repository: string, id: string, read: ReadLedger): Promise<Ledger> {
  const fields = new Fields('a ledger')
  const value = fields.record(fields.decode(await read(repository, id)))
  const packs = decodePacks(fields, repository, value['packs'])
  return {
    id,
    packs,
    catalogs: decodeCatalogs(fields, value['catalogs'], packs),
    shallow: decodeOids(fields, value['shallow']),
  }
}

function decodeOids(fields: Fields, oids: unknown): ReadonlySet<Oid> {
  return new Set(fields.list(oids).map((oid) => fields.oid(oid)))
}

/** Rows of the refs that changed since the table. */
export function encodeRefs({ refs }: Root): unknown[] {
  return [...refs.changed].map(([name, value]) => {
    if (!value) return [name]
    return value.peeled === undefined ? [name, value.oid] : [name, value.oid, value.peeled]
  })
}

function decodeRef(fields: Fields, row: unknown): [string, RefValue | undefined] {
  const [name, oid, peeled] = fields.list(row)
  const value = fields.optional(oid, () => ({
    oid: fields.oid(oid),
    peeled: fields.optional(peeled, () => fields.oid(peeled)),
  }))
  return [fields.text(name), value]
}

/** Rows of packs, the repository left out of their ids where it is this one. */
export function encodePacks({ repository }: Root, packs: readonly PackInfo[]): unknown[] {
  const short = (id: PackId) =>
    id.startsWith(`${repository}-`) ? id.slice(repository.length + 1) : id
  return packs.map(({ id, size, indexSize, objects, verified, needs }) => [
    short(id),
    size,
    indexSize,
    objects,
    verified ? 1 : 0,
    needs.map(short),
  ])
}

function decodePacks(fields: Fields, repository: string, rows: unknown): PackInfo[] {
  const long = (id: unknown) =>
    fields.text(id).includes('-') ? fields.text(id) : packId(repository, fields.id(id))
  return fields.list(rows).map((row) => {
    const [id, size, indexSize, objects, verified, needs] = fields.list(row)
    return {
      id: long(id),
      size: fields.count(size),
      indexSize: fields.count(indexSize),
      objects: fields.count(objects),
      verified: verified === 1,
      needs: fields.list(needs).map(long),
    }
  })
}

function decodeEarlier(fields: Fields, value: unknown): EarlierCondemned {
  const { id, newest } = fields.record(value)
  return { id: fields.id(id), newest: fields.count(newest) }
}

function decodeHead(fields: Fields, value: unknown): Head {
  const { ref, oid } = fields.record(value)
  return ref === undefined ? { oid: fields.oid(oid) } : { ref: fields.text(ref) }
}

function decodePointer(fields: Fields, value: unknown): TablePointer {
  const { id, size, index, rows, at } = fields.record(value)
  return {
    id: fields.id(id),
    size: fields.count(size),
    index: fields.count(index),
    rows: fields.count(rows),
    at: fields.count(at),
  }
}

function decodePromise(fields: Fields, row: unknown): [Oid, string] {
  const [oid, remote] = fields.list(row)
  return [fields.oid(oid), fields.text(remote)]
}

/** One line of the log as a row. */
export function encodeLine({ ref, from, to, who, at, why, external }: LogEntry): unknown[] {
  return [ref, from ?? 0, to ?? 0, who, at, why, external ? 1 : 0]
}

/** The line that a row stands for. */
export function decodeLine(fields: Fields, row: unknown): LogEntry {
  const [ref, from, to, who, at, why, external] = fields.list(row)
  return {
    ref: fields.text(ref),
    from: fields.optional(from, () => fields.oid(from)),
    to: fields.optional(to, () => fields.oid(to)),
    who: fields.text(who),
    at: fields.count(at),
    why: fields.text(why),
    external: external === 1,
  }
}

/** A receipt as a row; of the version only the epoch. */
export function encodeReceipt({ id, digest, at, outcome, version }: KeptReceipt): unknown[] {
  const epoch = Number(version.slice(version.indexOf('.') + 1))
  return [id, digest, at, epoch, outcome === 'done' ? 1 : 0]
}

/** The receipt that a row stands for. */
export function decodeReceipt(fields: Fields, repository: string, row: unknown): KeptReceipt {
  const [id, digest, at, epoch, done] = fields.list(row)
  return {
    id: fields.text(id),
    digest: fields.text(digest),
    at: fields.count(at),
    version: versionOf(repository, fields.count(epoch)),
    outcome: done === 1 ? 'done' : 'lost',
  }
}
