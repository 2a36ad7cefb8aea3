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
import type { Header, Home, PackRow, RefRow, StoreName } from './schema.ts'
import { isSound, unseal, type Transaction } from './database.ts'

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
  const ask = (since: number) => {
    const changed = transaction.objectStore('packs').index('changed')
    const range = IDBKeyRange.lowerBound(since, true)
    return Promise.all([changed.getAll(range), readRows(transaction, undefined, FEW + 1)])
  }
  // Who knows nothing asks for everything at once.
  const [header = NO_HEADER, all] = await Promise.all([
    transaction.objectStore('state').get('header'),
    last ? undefined : ask(-1),
  ])
  const isOf = last?.header.repository === header.repository && last.header.number >= header.swept
  /** What the packs that changed are compared with; `undefined` when all of them are read. */
  const known = isOf ? last : undefined
  const since = known?.header.number ?? -1
  if (since === header.number) return { header, known, changed: [], few: undefined }
  const [changed, refs] = all ?? (await ask(since))
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
  const refsIn = (range: IDBKeyRange) =>
    read('refs', (transaction) => refsAt(transaction, range, number))
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
      const [ref] = await refsIn(IDBKeyRange.only(encodeName(name)))
      return ref?.oid
    },
    async *refs(prefix = '') {
      yield* (
        few?.filter(({ name }) => name.startsWith(prefix)) ??
        (await refsIn(rangeUnder(encodeName(prefix))))
      )
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

/** The keys that begin with `prefix`. */
export function rangeUnder(prefix: Uint8Array<ArrayBuffer>): IDBKeyRange {
  // The first key behind all of them is the prefix with its last byte one higher; behind 255 there is none.
  let last = prefix.length - 1
  while (prefix[last] === 0xff) last--
  if (last < 0) return IDBKeyRange.lowerBound(prefix)
  const end = prefix.slice(0, last + 1)
  end[last] = (end[last] ?? 0) + 1
  return IDBKeyRange.bound(prefix, end, false, true)
}

/** The refs of a range as they were at an update, in the order of their names. */
async function refsAt(
  transaction: Transaction,
  range: IDBKeyRange,
  number: number,
): Promise<readonly Ref[]> {
  const [refs, lines] = await Promise.all([
    readRows(transaction, range),
    transaction.objectStore('log').getAll(IDBKeyRange.lowerBound([number + 1])),
  ])
  if (lines.length === 0) return refs
  const byName = new Map(refs.map((ref) => [ref.name, ref]))
  // From the newest to the oldest: the first line behind the state says what a ref was.
  for (const line of lines.toReversed()) {
    const { ref, from, fromPeeled } = line
    const name = decodeName(ref)
    unseal(line, `the log of ${name}`)
    if (!range.includes(ref) || name === 'HEAD') continue
    if (from === undefined) byName.delete(name)
    else byName.set(name, { name, oid: from, peeled: fromPeeled })
  }
  const keyed = [...byName.values()].map((ref) => ({ ref, key: encodeName(ref.name) }))
  return keyed.sort((a, b) => indexedDB.cmp(a.key, b.key)).map(({ ref }) => ref)
}

/** Refs as they are, in the order of their names. */
async function readRows(
  transaction: Transaction,
  range?: IDBKeyRange,
  limit?: number,
): Promise<Ref[]> {
  const store = transaction.objectStore('refs')
  const [keys, rows] = await Promise.all([
    store.getAllKeys(range, limit),
    store.getAll(range, limit),
  ])
  return Promise.all(
    rows.map(async (row, i) => {
      const name = decodeName(bytesOf(keys[i]))
      const { oid, peeled } = await soundRef(transaction, name, row)
      return { name, oid, peeled }
    }),
  )
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
  // Either is copied, whichever the browser gives.
  return new Uint8Array(key as ArrayBuffer)
}
