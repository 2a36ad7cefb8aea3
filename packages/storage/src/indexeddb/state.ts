/**
 * States of an IndexedDB place: what was true at one update, however late it is asked.
 *
 * Reading a state reads one small row and, when that changed, the rows of packs that changed with it and the refs where
 * they are few. Many refs are read when asked for: a row that is younger than the state, or gone, is undone by the first
 * line of the log behind it.
 *
 * @module
 */
import { decodeName, encodeName } from '@datakit/git/bytes'
import { MalformedError } from '@datakit/git/error'
import type { PackInfo, Ref, State } from '@datakit/git/place'
import { FIRST_HEAD } from '../update.ts'
import type { Connection } from './connection.ts'
import type { Header, Home, LogRow, PackRow, RefRow, StoreName } from './schema.ts'
import { isSound, resultOf, unseal, type Transaction } from './database.ts'

/** Rows that a listing reads at once. */
const BATCH = 1000
/** Refs up to this number are read along with the state. */
const FEW = 256

/** The header of a repository that does not exist yet. */
export const NO_HEADER: Header = {
  number: 0,
  repository: '',
  head: FIRST_HEAD,
  shallow: [],
  tail: undefined,
  swept: 0,
}

/** The version of the state that a header begins. */
export function versionOf({ repository, number }: Header): string {
  return `${repository}.${number}`
}

interface Packs {
  readonly header: Header
  readonly rows: ReadonlyMap<Home, PackRow>
  readonly infos: readonly PackInfo[]
}

/** Reads states, and keeps what the last one holds for the next. */
export class StateReader {
  readonly #connection: Connection
  #last: Packs | undefined
  #state: State | undefined

  constructor(connection: Connection) {
    this.#connection = connection
  }

  async read(): Promise<State> {
    const last = this.#last
    const { header, known, changed, few } = await this.#connection.read(
      ['state', 'packs', 'refs', 'log'],
      (transaction) => readHeader(transaction, last),
    )
    if (this.#state?.version === versionOf(header)) return this.#state
    const packs = packsAfter(known, header, changed)
    // A read that began earlier may end later; the newest is kept.
    const state = stateAt(this.#connection, packs, few)
    if (!this.#last || !known || this.#last.header.number <= header.number) {
      this.#last = packs
      this.#state = state
    }
    return state
  }
}

async function readHeader(transaction: Transaction, last: Packs | undefined) {
  const header = (await transaction.objectStore('state').get('header')) ?? NO_HEADER
  const index = transaction.objectStore('packs').index('changed')
  const isOf = last?.header.repository === header.repository && last.header.number >= header.swept
  /** What the packs that changed are compared with; `undefined` when all of them are read. */
  const known = isOf ? last : undefined
  const since = known?.header.number ?? -1
  const isSame = since === header.number
  if (isSame) return { header, known, changed: [], few: undefined }
  const [changed, { refs }] = await Promise.all([
    index.getAll(IDBKeyRange.lowerBound(since, true)),
    readRows(transaction, undefined, FEW + 1),
  ])
  return { header, known, changed, few: refs.length > FEW ? undefined : refs }
}

function packsAfter(known: Packs | undefined, header: Header, changed: readonly PackRow[]): Packs {
  if (known && changed.length === 0) return { ...known, header }
  const rows = new Map(known?.rows)
  for (const row of changed) {
    if (row.state === 'live') rows.set(row.home, row)
    else rows.delete(row.home)
  }
  const ordered = [...rows.values()].sort((a, b) => a.order - b.order)
  const infos = ordered.map(({ id, size, indexSize, objects, verified, needs }) => ({
    id,
    size,
    indexSize,
    objects,
    verified,
    needs: needs.map((home) => rows.get(home)?.id ?? home),
  }))
  return { header, rows, infos }
}

function stateAt(
  connection: Connection,
  { header, infos }: Packs,
  few: readonly Ref[] | undefined,
): State {
  const { number, repository } = header
  const byName = few && new Map(few.map((ref) => [ref.name, ref.oid]))
  const read: ReadRows = (store, work) => connection.read(['state', store, 'log'], work)
  return {
    version: versionOf(header),
    repository,
    exists: number > 0,
    head: header.head,
    packs: infos,
    catalogs: [],
    shallow: new Set(header.shallow),
    async ref(name) {
      if (byName !== undefined) return byName.get(name)
      return (await read('refs', (transaction) => refAt(transaction, name, number)))?.oid
    },
    async *refs(prefix = '') {
      if (few === undefined) yield* refsAt(read, prefix, number)
      else yield* few.filter(({ name }) => name.startsWith(prefix))
    },
    async promised(oid) {
      const row = await read('promised', (transaction) =>
        transaction.objectStore('promised').get(oid),
      )
      return row && row.number <= number ? row.remote : undefined
    },
    receipt: (id) => read('receipts', (transaction) => transaction.objectStore('receipts').get(id)),
  }
}

/** Reads in one transaction over a store and the log. */
type ReadRows = <T>(store: StoreName, work: (transaction: Transaction) => Promise<T>) => Promise<T>

async function refAt(
  transaction: Transaction,
  name: string,
  number: number,
): Promise<Ref | undefined> {
  const key = encodeName(name)
  const [row, line] = await Promise.all([
    transaction.objectStore('refs').get(key),
    lineBehind(transaction, key, number),
  ])
  unseal(line, `the log of ${name}`)
  if (line) return line.from && { name, oid: line.from, peeled: line.fromPeeled }
  const sound = await soundRef(transaction, name, row)
  return sound && { name, oid: sound.oid, peeled: sound.peeled }
}

/** The first line of the log of a ref that an update behind `number` left. */
async function lineBehind(
  { raw }: Transaction,
  key: Uint8Array<ArrayBuffer>,
  number: number,
): Promise<LogRow | undefined> {
  const lines = raw.objectStore('log').index('ref').openCursor(key)
  let cursor = await resultOf(lines)
  if (cursor && indexedDB.cmp(cursor.primaryKey, [number, []]) < 0) {
    cursor.continuePrimaryKey(key, [number + 1])
    cursor = await resultOf(lines)
  }
  return cursor?.value
}

async function* refsAt(read: ReadRows, prefix: string, number: number): AsyncGenerator<Ref> {
  const first = encodeName(prefix)
  let after: Uint8Array<ArrayBuffer> | undefined
  for (;;) {
    const range = rangeBehind(first, after)
    const batch = await read('refs', (transaction) => readBatch(transaction, range, number))
    yield* batch.refs
    if (batch.last === undefined) return
    after = batch.last
  }
}

/** The keys that begin with `prefix` and come behind `after`. */
export function rangeBehind(
  prefix: Uint8Array<ArrayBuffer>,
  after?: Uint8Array<ArrayBuffer>,
): IDBKeyRange {
  const end = successor(prefix)
  const start = after ?? prefix
  if (end === undefined) return IDBKeyRange.lowerBound(start, after !== undefined)
  return IDBKeyRange.bound(start, end, after !== undefined, true)
}

/** The first key behind all that begin with `prefix`; `undefined` when there is none. */
function successor(prefix: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | undefined {
  let length = prefix.length
  while (length > 0 && prefix[length - 1] === 0xff) length--
  if (length === 0) return undefined
  const end = prefix.slice(0, length)
  end[length - 1] = (end[length - 1] ?? 0) + 1
  return end
}

/** Some refs of a range as they were at an update, and the key of the last one; none when the range ends here. */
async function readBatch(
  transaction: Transaction,
  range: IDBKeyRange,
  number: number,
): Promise<{ refs: Iterable<Ref>; last: Uint8Array<ArrayBuffer> | undefined }> {
  const [{ refs, keys }, lines] = await Promise.all([
    readRows(transaction, range, BATCH),
    transaction.objectStore('log').getAll(IDBKeyRange.lowerBound([number + 1])),
  ])
  const last = keys.length === BATCH ? bytesOf(keys.at(-1)) : undefined
  if (lines.length === 0) return { refs, last }
  const byName = new Map(refs.map((ref) => [ref.name, ref]))
  // From the newest to the oldest: the first line behind the state says what a ref was.
  for (const line of lines.toReversed()) {
    const { ref, from, fromPeeled } = line
    const name = decodeName(ref)
    unseal(line, `the log of ${name}`)
    const isInside = range.includes(ref) && (last === undefined || indexedDB.cmp(ref, last) <= 0)
    if (!isInside || name === 'HEAD') continue
    if (from === undefined) byName.delete(name)
    else byName.set(name, { name, oid: from, peeled: fromPeeled })
  }
  const keyed = [...byName.values()].map((ref) => ({ ref, key: encodeName(ref.name) }))
  keyed.sort((a, b) => indexedDB.cmp(a.key, b.key))
  return { refs: keyed.map(({ ref }) => ref), last }
}

/** Some refs as they are, in the order of their names, with their keys. */
async function readRows(
  transaction: Transaction,
  range: IDBKeyRange | undefined,
  limit: number,
): Promise<{ refs: Ref[]; keys: unknown[] }> {
  const store = transaction.objectStore('refs')
  const [keys, rows] = await Promise.all([
    store.getAllKeys(range, limit),
    store.getAll(range, limit),
  ])
  const refs = rows.map(async (row, i) => {
    const name = decodeName(bytesOf(keys[i]))
    const { oid, peeled } = await soundRef(transaction, name, row)
    return { name, oid, peeled }
  })
  return { refs: await Promise.all(refs), keys }
}

/**
 * The row of a ref; one that is damaged is taken from the log, where the update that wrote it left the same.
 *
 * @throws MalformedError when that is damaged too
 */
export async function soundRef<Row extends RefRow | undefined>(
  transaction: Transaction,
  name: string,
  row: Row,
): Promise<Row | RefRow> {
  if (isSound(row)) return row
  const key = encodeName(name)
  const lines = transaction.objectStore('log').index('ref')
  const line = (await lines.getAll(IDBKeyRange.only(key))).at(-1)
  const { to, number } = unseal(line, `the log of ${name}`) ?? {}
  if (to === undefined || number === undefined) throw new MalformedError(name, 'its row is damaged')
  return { oid: to, peeled: undefined, number }
}

/** A binary key, which browsers give as an `ArrayBuffer`. */
export function bytesOf(key: unknown): Uint8Array<ArrayBuffer> {
  if (key instanceof ArrayBuffer) return new Uint8Array(key)
  if (key instanceof Uint8Array) return key.slice()
  throw new TypeError('Expected a binary key')
}
