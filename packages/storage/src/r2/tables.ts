/**
 * Tables: what the root moves out of itself, as rows of a sorted table.
 *
 * | table | key | value |
 * | --- | --- | --- |
 * | refs | name | oid, then what it peels to if that is known; 20 bytes each |
 * | promised | oid | name of the remote |
 * | receipts | id of the update | JSON: digest, time, epoch, 1 if done |
 *
 * @module
 */
import { compareBytes, decodeName, encodeName, text, utf8 } from '@datakit/git/bytes'
import { MalformedError } from '@datakit/git/error'
import { encodeOid, OID_BYTES, readOid, type Oid } from '@datakit/git/oid'
import type { Ref } from '@datakit/git/place'
import { compareNames } from '@datakit/git/ref-name'
import { outlivedReceipts, type KeptReceipt } from '../update.ts'
import { Fields } from './fields.ts'
import { objectKey } from './keys.ts'
import {
  decodeReceipt,
  encodeReceipt,
  type RefValue,
  type Root,
  type TablePointer,
} from './root.ts'
import type { Store } from './store.ts'
import { Table, type Row } from './table.ts'

/** Tables that were opened, for as long as a root points at them. A pointer belongs to one store. */
const opened = new WeakMap<TablePointer, Table>()

/** Opens a table of a repository. */
export function openTable(store: Store, repository: string, pointer: TablePointer): Table {
  const key = objectKey('t', repository, pointer.id)
  const table =
    opened.get(pointer) ?? new Table(pointer, (start, end) => store.read(key, start, end))
  opened.set(pointer, table)
  return table
}

/** Where a ref points, in a root and the table behind it. */
export async function findRef(
  store: Store,
  root: Root,
  name: string,
): Promise<RefValue | undefined> {
  const { table, changed } = root.refs
  if (changed.has(name) || !table) return changed.get(name)
  const value = await openTable(store, root.repository, table).get(encodeName(name))
  return value && decodeRefValue(value)
}

/** Every ref whose name begins with `prefix`, ordered by the bytes of the names. */
export async function* scanRefs(store: Store, root: Root, prefix: string): AsyncGenerator<Ref> {
  const { table, changed } = root.refs
  const names = [...changed.keys()].filter((name) => name.startsWith(prefix)).sort(compareNames)
  const rows = table ? openTable(store, root.repository, table).scan(encodeName(prefix)) : []
  let next = 0
  const changedUpTo = function* (limit: string | undefined): Generator<Ref> {
    for (let name = names[next]; name !== undefined; name = names[++next]) {
      if (limit !== undefined && compareNames(name, limit) >= 0) return
      const value = changed.get(name)
      if (value) yield { name, ...value }
    }
  }
  for await (const { key, value } of rows) {
    const name = decodeName(key)
    yield* changedUpTo(name)
    if (!changed.has(name)) yield { name, ...decodeRefValue(value) }
  }
  yield* changedUpTo(undefined)
}

/** Rows of a table of all refs. */
export async function refRows(store: Store, root: Root): Promise<Row[]> {
  const rows: Row[] = []
  for await (const { name, oid, peeled } of scanRefs(store, root, '')) {
    const value = new Uint8Array(peeled === undefined ? OID_BYTES : 2 * OID_BYTES)
    value.set(encodeOid(oid))
    if (peeled !== undefined) value.set(encodeOid(peeled), OID_BYTES)
    rows.push({ key: encodeName(name), value })
  }
  return rows
}

function decodeRefValue(value: Uint8Array): RefValue {
  if (value.length !== OID_BYTES && value.length !== 2 * OID_BYTES) {
    throw new MalformedError('a table of refs', `a value has ${value.length} bytes`)
  }
  return {
    oid: readOid(value),
    peeled: value.length > OID_BYTES ? readOid(value, OID_BYTES) : undefined,
  }
}

/** The remote that an object was left with. */
export async function findPromise(store: Store, root: Root, oid: Oid): Promise<string | undefined> {
  const { table, added } = root.promised
  if (added.has(oid) || !table) return added.get(oid)
  const value = await openTable(store, root.repository, table).get(encodeOid(oid))
  return value && text(value)
}

/** Rows of a table of all that is promised. */
export async function promiseRows(store: Store, root: Root): Promise<Row[]> {
  const { table, added } = root.promised
  const rows: Row[] = [...added].map(([oid, remote]) => ({
    key: encodeOid(oid),
    value: utf8(remote),
  }))
  if (table) {
    for await (const row of openTable(store, root.repository, table).scan(new Uint8Array())) {
      if (!added.has(readOid(row.key))) rows.push(row)
    }
  }
  return rows.sort(byKey)
}

/** How an update ended, as far back as receipts are kept. */
export async function findReceipt(
  store: Store,
  root: Root,
  id: string,
): Promise<KeptReceipt | undefined> {
  const recent = root.receipts.tail.find((receipt) => receipt.id === id)
  if (recent) return recent
  for (const pointer of root.receipts.tables) {
    const value = await openTable(store, root.repository, pointer).get(utf8(id))
    if (value) return decodeReceiptValue(root.repository, id, value)
  }
  return undefined
}

/** Rows of a table of the receipts of the tail and of older tables, without those that have outlived their use. */
export async function receiptRows(
  store: Store,
  root: Root,
  { older, now }: { readonly older: readonly TablePointer[]; readonly now: number },
): Promise<Row[]> {
  const receipts = [...root.receipts.tail]
  for (const pointer of older) {
    const rows = openTable(store, root.repository, pointer).scan(new Uint8Array())
    for await (const { key, value } of rows) {
      receipts.push(decodeReceiptValue(root.repository, text(key), value))
    }
  }
  const outlived = new Set(
    outlivedReceipts(
      receipts.toSorted((a, b) => a.at - b.at),
      now,
    ),
  )
  const kept = receipts.filter((receipt) => !outlived.has(receipt))
  return kept.map(encodeReceiptRow).sort(byKey)
}

function encodeReceiptRow(receipt: KeptReceipt): Row {
  const [id, ...rest] = encodeReceipt(receipt)
  return { key: utf8(String(id)), value: utf8(JSON.stringify(rest)) }
}

function decodeReceiptValue(repository: string, id: string, value: Uint8Array): KeptReceipt {
  const fields = new Fields('a receipt')
  return decodeReceipt(fields, repository, [id, ...fields.list(fields.decode(value))])
}

function byKey(a: Row, b: Row): number {
  return compareBytes(a.key, b.key)
}
