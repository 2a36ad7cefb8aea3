/**
 * Overflow: keeps a root small by moving what has grown too long into immutable objects.
 *
 * Every list has its own bound, so that all of them together stay below 64 kB. What is moved is written before the root
 * that names it; if that root is not accepted, it is an orphan and deleted.
 *
 * Spec: docs/storage-format.md, "R2"
 *
 * @module
 */
import { text, utf8 } from '@datakit/git/bytes'
import type { LogEntry, PackInfo } from '@datakit/git/place'
import { KEPT_RECEIPTS, RECEIPT_LIFETIME } from '../update.ts'
import { countFull, encodeCatalogs } from './catalogs.ts'
import {
  encodeCondemned,
  encodeEarlier,
  newestOf,
  readCondemned,
  type Condemned,
} from './condemned.ts'
import { Fields } from './fields.ts'
import { objectKey, timedId, type ObjectKind } from './keys.ts'
import {
  decodeLine,
  encodeLedger,
  encodeLine,
  encodePacks,
  encodeReceipt,
  encodeRefs,
  type Root,
  type TablePointer,
} from './root.ts'
import type { Store } from './store.ts'
import { encodeTable, type Row } from './table.ts'
import { promiseRows, receiptRows, refRows } from './tables.ts'

/** How long each list in a root may be, in bytes of JSON. Together they stay below 64 kB. */
export const BOUNDS = {
  refs: 13 * 1024,
  packs: 16 * 1024,
  catalogs: 3 * 1024,
  condemned: 6 * 1024,
  log: 8 * 1024,
  receipts: 9 * 1024,
  promised: 2 * 1024,
  shallow: 2 * 1024,
} as const

/** A table of receipts, and a piece of the log, is written anew with what is newer while it is smaller. In bytes. */
const MERGED = 256 * 1024

/** No table of receipts is merged beyond this size, in bytes. */
const MAX_RECEIPTS = 8 * 1024 * 1024

/** Writes what leaves a root, and remembers it until the root is accepted. */
export class Overflow {
  readonly #store: Store
  readonly #now: number
  /** Keys of all that was written. */
  readonly written: string[] = []
  /** Keys that the new root does not need any more. */
  readonly #replaced: Condemned[] = []

  constructor(store: Store, now: number) {
    this.#store = store
    this.#now = now
  }

  /** The same state as `root`, with every list within its bound. */
  async fit(root: Root): Promise<Root> {
    let fitting = await this.#fitRefs(root)
    fitting = await this.#fitPromised(fitting)
    fitting = await this.#fitReceipts(fitting)
    fitting = await this.#fitLog(fitting)
    return this.#fitLists(fitting)
  }

  async #fitRefs(root: Root): Promise<Root> {
    if (measure(encodeRefs(root)) <= BOUNDS.refs) return root
    const table = await this.#writeTable(root, await refRows(this.#store, root))
    this.#replace(root, 't', root.refs.table?.id)
    return { ...root, refs: { table, changed: new Map() } }
  }

  async #fitPromised(root: Root): Promise<Root> {
    if (measure([...root.promised.added]) <= BOUNDS.promised) return root
    const table = await this.#writeTable(root, await promiseRows(this.#store, root))
    this.#replace(root, 't', root.promised.table?.id)
    return { ...root, promised: { table, added: new Map() } }
  }

  async #fitReceipts(root: Root): Promise<Root> {
    const { tail } = root.receipts
    if (measure(tail.map(encodeReceipt)) <= BOUNDS.receipts) return root
    const kept = keptTables(root.receipts.tables, tail.length, this.#now)
    const merged = mergedTables(kept)
    const table = await this.#writeTable(
      root,
      await receiptRows(this.#store, root, { older: merged, now: this.#now }),
    )
    const tables = [table, ...kept.slice(merged.length)]
    for (const { id } of root.receipts.tables) {
      if (!tables.some((one) => one.id === id)) this.#replace(root, 't', id)
    }
    return { ...root, receipts: { tables, tail: [] } }
  }

  async #fitLog(root: Root): Promise<Root> {
    const { older, lines } = root.log
    if (measure(lines.map(encodeLine)) <= BOUNDS.log) return root
    const before =
      older === undefined ? undefined : await readSegment(this.#store, root.repository, older)
    const joins = before !== undefined && before.size < MERGED
    const segment = {
      older: joins ? before.older : older,
      lines: joins ? [...before.lines, ...lines] : lines,
    }
    const id = await this.#write(root, 'l', encodeSegment(segment))
    if (joins) this.#replace(root, 'l', older)
    return { ...root, log: { older: id, lines: [] } }
  }

  /** Packs, catalogs and shallow, and last what is condemned, since all that was replaced is. */
  async #fitLists(root: Root): Promise<Root> {
    const ledger = root.ledger && stillBegins(root) ? root.ledger : undefined
    if (!ledger) this.#replace(root, 't', root.ledger?.id)
    const next = { ...root, ledger }
    if (listsFit(next)) return this.#fitCondemned(next)
    this.#replace(root, 't', ledger?.id)
    const { packs, shallow } = next
    const id = await this.#write(root, 't', encodeLedger(next))
    const catalogs = next.catalogs.slice(0, countFull(next.catalogs))
    const moved = { ...next, ledger: { id, packs, catalogs, shallow } }
    // A catalog is only a way to look things up: one too many is left out.
    return this.#fitCondemned(listsFit(moved) ? moved : { ...moved, catalogs })
  }

  async #fitCondemned(root: Root): Promise<Root> {
    const condemned = [...root.condemned, ...this.#replaced.splice(0)]
    if (measure(encodeCondemned(condemned)) <= BOUNDS.condemned) return { ...root, condemned }
    const { earlier } = root
    const rows = await readCondemned(this.#store, { ...root, condemned })
    this.#replace(root, 't', earlier?.id)
    rows.push(...this.#replaced.splice(0))
    const id = await this.#write(root, 't', encodeEarlier(rows))
    return { ...root, condemned: [], earlier: { id, newest: newestOf(rows) } }
  }

  async #writeTable(root: Root, rows: readonly Row[]): Promise<TablePointer> {
    const { bytes, shape } = encodeTable(rows)
    return { ...shape, id: await this.#write(root, 't', bytes), at: this.#now }
  }

  async #write({ repository }: Root, kind: ObjectKind, bytes: Uint8Array): Promise<string> {
    const id = timedId(this.#now)
    const key = objectKey(kind, repository, id)
    await this.#store.write(key, bytes)
    this.#store.remember(key, bytes)
    this.written.push(key)
    return id
  }

  #replace({ repository }: Root, kind: ObjectKind, id: string | undefined): void {
    if (id === undefined) return
    this.#replaced.push({ key: objectKey(kind, repository, id), at: this.#now })
  }
}

/** A piece of the log: its lines, oldest first, and the id of the piece before it. */
export interface Segment {
  readonly older: string | undefined
  readonly lines: readonly LogEntry[]
}

/** A line with the id of the older piece (or nothing), then a line of JSON for each line of the log. */
export function encodeSegment({ older, lines }: Segment): Uint8Array<ArrayBuffer> {
  return utf8([older ?? '', ...lines.map((line) => JSON.stringify(encodeLine(line)))].join('\n'))
}

/**
 * Reads a piece of the log.
 *
 * @throws MissingError when it is gone
 */
export async function readSegment(
  store: Store,
  repository: string,
  id: string,
): Promise<Segment & { readonly size: number }> {
  const bytes = await store.readWhole(objectKey('l', repository, id))
  const fields = new Fields('the log')
  const [older = '', ...rows] = text(bytes).split('\n')
  return {
    older: older === '' ? undefined : fields.id(older),
    lines: rows.map((row) => decodeLine(fields, fields.decode(utf8(row)))),
    size: bytes.length,
  }
}

/** Bytes of a value in the root. */
function measure(value: unknown): number {
  return utf8(JSON.stringify(value)).length
}

/** Whether what the lists have beyond the ledger is within their bounds. */
function listsFit(root: Root): boolean {
  const { ledger, packs, catalogs } = root
  const shallow = ledger && ledger.shallow.size > 0 ? [] : [...root.shallow]
  const newPacks = packs.slice(ledger?.packs.length ?? 0)
  const newCatalogs = catalogs.slice(ledger?.catalogs.length ?? 0)
  return (
    measure(encodePacks(root, newPacks)) <= BOUNDS.packs &&
    measure(encodeCatalogs(newCatalogs, packs)) <= BOUNDS.catalogs &&
    measure(shallow) <= BOUNDS.shallow
  )
}

/** Whether what the ledger lists is still what the root begins with. */
function stillBegins({ ledger, packs, catalogs, shallow }: Root): boolean {
  if (!ledger) return false
  const same = (a: PackInfo, b: PackInfo | undefined) => a.id === b?.id && a.verified === b.verified
  const sameSize = ledger.shallow.size === 0 || ledger.shallow.size === shallow.size
  const sameShallow = sameSize && [...ledger.shallow].every((oid) => shallow.has(oid))
  return (
    sameShallow &&
    ledger.packs.every((pack, i) => same(pack, packs[i])) &&
    ledger.catalogs.every(({ key }, i) => key === catalogs[i]?.key)
  )
}

/** The tables whose newest receipt is young enough, or that are needed for the newest {@link KEPT_RECEIPTS}. */
function keptTables(tables: readonly TablePointer[], newer: number, now: number): TablePointer[] {
  const kept: TablePointer[] = []
  let count = newer
  for (const table of tables) {
    if (table.at < now - RECEIPT_LIFETIME && count >= KEPT_RECEIPTS) break
    kept.push(table)
    count += table.rows
  }
  return kept
}

/** The newest tables that are written anew with the tail: all small ones and then geometrically, so that few are left. */
function mergedTables(tables: readonly TablePointer[]): TablePointer[] {
  let sum = 0
  const end = tables.findIndex(({ size }) => {
    if (size > Math.max(MERGED, sum) || sum + size > MAX_RECEIPTS) return true
    sum += size
    return false
  })
  return end < 0 ? [...tables] : tables.slice(0, end)
}
