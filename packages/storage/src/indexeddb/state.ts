/**
 * States of an IndexedDB place: what was true at one update, however late it is asked.
 *
 * Reading a state reads one small row and, when that changed, the rows of packs and blocks of refs that changed with it.
 *
 * @module
 */
import { MalformedError } from '@datakit/git/error'
import type { PackInfo, State } from '@datakit/git/place'
import { FIRST_HEAD } from '../update.ts'
import type { Connection } from './connection.ts'
import { isSound, unseal, type Transaction } from './database.ts'
import { later } from './loading.ts'
import { findRef, listRefs, mergeBlocks, type Blocks } from './ref-blocks.ts'
import {
  ALL_STORES,
  type BlockRow,
  type Header,
  type Home,
  type PackRow,
  type StoreName,
} from './schema.ts'

/** Makes a damaged block anew. @throws MalformedError when it cannot */
export type MendBlock = (transaction: Transaction, block: BlockRow) => Promise<BlockRow>

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

/** What is known of a moment. */
export interface Moment {
  readonly header: Header
  readonly blocks: Blocks
  readonly rows: ReadonlyMap<Home, PackRow>
  readonly infos: readonly PackInfo[]
  readonly state: State
}

/** Reads states, and keeps what the last one holds for the next. */
export class StateReader {
  readonly #connection: Connection
  #last: Moment | undefined
  #mend: MendBlock | undefined

  constructor(connection: Connection) {
    this.#connection = connection
  }

  async read(): Promise<State> {
    const { state } = await this.mending(() =>
      this.#connection.read(ALL_STORES, (transaction) => this.follow(transaction)),
    )
    return state
  }

  /** Does work that reads blocks; once more, when one of them is damaged, with what can mend it. */
  async mending<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (this.#mend || !(error instanceof MalformedError)) throw error
      this.#mend = (await later()).mendBlock
      return work()
    }
  }

  /** The moment of a transaction: what the last one was, and what has changed since. */
  async follow(transaction: Transaction): Promise<Moment> {
    const last = this.#last
    const ask = (since: number) => {
      const range = IDBKeyRange.lowerBound(since, true)
      return Promise.all([
        transaction.objectStore('packs').index('changed').getAll(range),
        transaction.objectStore('blocks').index('number').getAll(range),
      ])
    }
    // Who knows nothing asks for everything at once.
    const [header = NO_HEADER, all] = await Promise.all([
      transaction.objectStore('state').get('header'),
      last ? undefined : ask(-1),
    ])
    const isOf = last?.header.repository === header.repository && last.header.number >= header.swept
    /** What is compared with what changed; `undefined` when everything is read. */
    const known = isOf ? last : undefined
    const since = known?.header.number ?? -1
    if (known && since === header.number) return known
    const [packs, rows] = all ?? (await ask(since))
    const mend = this.#mend
    const changed = await Promise.all(
      rows.map((row) =>
        mend && !isSound(row) ? mend(transaction, row) : unseal(row, `refs from "${row.first}"`),
      ),
    )
    const blocks = mergeBlocks(known?.blocks ?? [], changed)
    const packed = packsAfter(known, header, packs)
    const state = stateAt(this.#connection, { ...packed, blocks })
    const moment = { ...packed, blocks, state }
    // A read that began earlier may end later; the newest is kept.
    if (!this.#last || !known || this.#last.header.number <= header.number) this.#last = moment
    return moment
  }
}

function packsAfter(
  known: Moment | undefined,
  header: Header,
  changed: readonly PackRow[],
): Omit<Moment, 'blocks' | 'state'> {
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

function stateAt(connection: Connection, { header, infos, blocks }: Omit<Moment, 'state'>): State {
  const { number, repository } = header
  const get = <Name extends StoreName>(store: Name, key: string) =>
    connection.read(['state', store], (transaction) => transaction.objectStore(store).get(key))
  return {
    version: versionOf(header),
    repository,
    exists: number > 0,
    head: header.head,
    packs: infos,
    catalogs: [],
    shallow: new Set(header.shallow),
    ref: async (name) => findRef(blocks, name),
    async *refs(prefix = '') {
      yield* listRefs(blocks, prefix)
    },
    async promised(oid) {
      const row = await get('promised', oid)
      return row && row.number <= number ? row.remote : undefined
    },
    receipt: (id) => get('receipts', id),
  }
}
