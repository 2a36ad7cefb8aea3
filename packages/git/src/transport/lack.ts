/**
 * Lack: which objects of a pack lead to what is neither in it nor anywhere that counts. Refs to those are refused, and the others
 * go through.
 *
 * The links of the pack's table are walked, children first. A tree whose links are told as the difference to another one's lacks what
 * that one lacks and it has not lost, and what lacks of what it has more.
 *
 * @module
 */
import type { Oid } from '../oid.ts'
import { unpackLinks, type Links } from '../pack/links.ts'
import { findRow, type PackTable } from '../pack/pack-table.ts'

const UNKNOWN = 0
const OPEN = 1
const WHOLE = 2
const LACKING = 3

/** What is known of a pack that lacks something. */
export class Lack {
  readonly #table: PackTable | undefined
  readonly #missing: ReadonlySet<Oid>
  readonly #isCut: (commit: Oid) => boolean
  readonly #marks: Uint8Array
  /** By row that lacks something: one of the objects that are missing. */
  readonly #why = new Map<number, Oid>()
  /** By row of a tree that lacks something: its children that do. Without an entry it may be any of them. */
  readonly #children = new Map<number, ReadonlySet<Oid>>()

  /** `isCut`: of which commits the parents may be missing. The table is the caller's, and may not change. */
  constructor(
    table: PackTable | undefined,
    missing: Iterable<Oid>,
    isCut: (commit: Oid) => boolean,
  ) {
    this.#table = table
    this.#missing = new Set(missing)
    this.#isCut = isCut
    this.#marks = new Uint8Array(table?.count ?? 0)
  }

  /** One of the missing objects that an object is or leads to; `undefined` when there is none. */
  of(oid: Oid): Oid | undefined {
    const row = this.#rowOf(oid)
    if (row < 0) return this.#missing.has(oid) ? oid : undefined
    this.#walk(row)
    return this.#why.get(row)
  }

  #rowOf(oid: Oid): number {
    return this.#table === undefined ? -1 : findRow(this.#table, oid)
  }

  /** Marks a row, and all that it rests on. */
  #walk(start: number): void {
    const path = [start]
    for (let row = path.at(-1); row !== undefined; row = path.at(-1)) {
      const mark = this.#marks[row]
      if (mark === UNKNOWN) {
        this.#marks[row] = OPEN
        for (const oid of namedBy(this.#linksOf(row))) {
          const next = this.#rowOf(oid)
          if (next >= 0 && this.#marks[next] === UNKNOWN) path.push(next)
        }
        continue
      }
      path.pop()
      if (mark === OPEN) this.#decide(row)
    }
  }

  #decide(row: number): void {
    const links = this.#linksOf(row)
    const why = links?.kind === 'tree' ? this.#ofTree(row, links) : this.#ofOthers(row, links)
    this.#marks[row] = why === undefined ? WHOLE : LACKING
    if (why !== undefined) this.#why.set(row, why)
  }

  #ofOthers(row: number, links: Exclude<Links, { kind: 'tree' }> | undefined): Oid | undefined {
    if (links === undefined) return this.#table?.type(row) === 'blob' ? undefined : this.#any()
    if (links.kind === 'tag') return this.#known(links.target)
    const oid = this.#table?.oid(row)
    const isCut = oid !== undefined && this.#isCut(oid)
    return this.#first([links.tree, ...(isCut ? [] : links.parents)])
  }

  #ofTree(row: number, { against, removed, added }: Extract<Links, { kind: 'tree' }>) {
    const base = against === undefined ? -1 : this.#rowOf(against)
    // What is outside of the pack was proved with all that it leads to.
    const mark = base < 0 ? WHOLE : this.#marks[base]
    const inherited = this.#children.get(base)
    // A tree told by one that it is in: nobody can tell yet.
    if (mark === OPEN || (mark === LACKING && inherited === undefined)) return this.#any()
    const lost = new Set(removed)
    const lacking = new Set([...(inherited ?? [])].filter((oid) => !lost.has(oid)))
    for (const oid of added) if (this.#known(oid) !== undefined) lacking.add(oid)
    if (lacking.size > 0) this.#children.set(row, lacking)
    return this.#first(lacking)
  }

  #first(oids: Iterable<Oid>): Oid | undefined {
    for (const oid of oids) {
      const why = this.#known(oid)
      if (why !== undefined) return why
    }
    return undefined
  }

  /** What an object lacks that was walked before. */
  #known(oid: Oid): Oid | undefined {
    const row = this.#rowOf(oid)
    if (row < 0) return this.#missing.has(oid) ? oid : undefined
    return this.#why.get(row)
  }

  /** Where nobody can tell, it lacks something: what is refused may come again. */
  #any(): Oid | undefined {
    const [first] = this.#missing
    return first
  }

  #linksOf(row: number): Links | undefined {
    const packed = this.#table?.packedLinks(row)
    return packed && unpackLinks(packed)
  }
}

/** What has to be known before an object is. */
function namedBy(links: Links | undefined): readonly Oid[] {
  if (links === undefined) return []
  if (links.kind === 'tag') return [links.target]
  if (links.kind === 'commit') return [links.tree, ...links.parents]
  return links.against === undefined ? links.added : [links.against, ...links.added]
}
