/**
 * Tail: the newest pack, which small packs are appended to until it has 256 kB.
 *
 * A thousand commits are a few rows that way and not a thousand. What comes of it is a stock pack again: the entries
 * move by a fixed distance, the count and the trailer are made anew. It has an id of its own, since its bytes are
 * others; the packs that it is made of stay readable under their old ids until they are swept.
 *
 * Everything is worked out before the transaction, which then only checks that the tail is still the same.
 *
 * @module
 */
import { concat } from '@datakit/git/bytes'
import { GitError } from '@datakit/git/error'
import { readOid } from '@datakit/git/oid'
import { openPackIndexBytes } from '@datakit/git/pack/pack-index'
import { rowsOfIndex } from '@datakit/git/pack/index-table'
import type { RawRow } from '@datakit/git/pack/pack-table'
import { rowTable } from '@datakit/git/pack/row-table'
import { encodePackHeader } from '@datakit/git/pack/write-pack'
import type { PackId, UpdateRequest } from '@datakit/git/place'
import { sha1 } from '@datakit/git/sha1'
import { randomId } from '../update.ts'
import type { Connection } from './connection.ts'
import { readChunks } from './chunks.ts'
import { INDEX_BYTES, PACK_BYTES, type AliasRow, type Home } from './schema.ts'
import { SMALL, type HeldPack } from './stages.ts'

const HEADER = 12
const TRAILER = 20

/** The newest pack, in memory. */
export interface Tail {
  readonly home: Home
  readonly id: PackId
  readonly bytes: Uint8Array
  readonly index: Uint8Array
  /** What the index says. */
  readonly rows: readonly RawRow[]
  readonly verified: boolean
}

/** A pack as it will be written: one or several small ones, perhaps behind the tail. */
export interface Bundle extends Tail {
  /** Ids of the packs that hold bases of its deltas, as their writers knew them. */
  readonly needs: readonly PackId[]
  /** Id of the tail that it takes the place of. */
  readonly replaces: PackId | undefined
  /** What it was put together from. */
  readonly aliases: ReadonlyMap<PackId, Omit<AliasRow, 'at'>>
}

/** What an update writes of packs, in their order: bundles, and ids of stages on disk. */
export type Plan = readonly (Bundle | PackId)[]

/** Plans how the packs of a request are written. `tail` is the newest pack, if small packs may go behind it. */
export function planPacks(
  request: UpdateRequest,
  held: ReadonlyMap<PackId, HeldPack>,
  tail: Tail | undefined,
): Plan {
  const plan: (Bundle | PackId)[] = []
  let builder = tail && new BundleBuilder(tail)
  const flush = () => {
    if (builder?.hasGrown) plan.push(builder.build())
    builder = undefined
  }
  for (const { id } of request.addPacks ?? []) {
    const pack = held.get(id)
    if (!pack) {
      flush()
      plan.push(id)
      continue
    }
    if (builder && !builder.takes(pack)) flush()
    builder ??= new BundleBuilder(undefined)
    builder.add(pack)
  }
  flush()
  return plan
}

type Part = Pick<HeldPack, 'id' | 'bytes' | 'index' | 'rows' | 'verified'>

class BundleBuilder {
  readonly #tail: Tail | undefined
  readonly #rows: RawRow[] = []
  readonly #oids = new Set<string>()
  readonly #parts: { readonly part: Part; readonly shift: number }[] = []
  readonly #needs = new Set<PackId>()
  #end = HEADER

  constructor(tail: Tail | undefined) {
    this.#tail = tail
    if (tail) this.#append(tail)
  }

  get hasGrown(): boolean {
    return this.#parts.length > (this.#tail ? 1 : 0)
  }

  /** Whether a pack fits: small enough together, as trusted as the rest, and without an object that is here already. */
  takes({ bytes, rows, verified }: HeldPack): boolean {
    if (this.#end + bytes.length - HEADER > SMALL) return false
    if (this.#parts[0]?.part.verified !== verified) return false
    return !rows.some(({ oid }) => this.#oids.has(readOid(oid)))
  }

  add(pack: HeldPack): void {
    this.#append(pack)
    for (const id of pack.needs) this.#needs.add(id)
  }

  #append(part: Part): void {
    const { bytes, rows } = part
    const shift = this.#end - HEADER
    for (const row of rows) {
      this.#oids.add(readOid(row.oid))
      this.#rows.push({ ...row, offset: row.offset + shift })
    }
    this.#parts.push({ part, shift })
    this.#end += bytes.length - HEADER - TRAILER
  }

  build(): Bundle {
    const [first] = this.#parts
    if (!first) throw new TypeError('Expected a pack')
    const isAlone = this.#parts.length === 1
    const id = isAlone ? first.part.id : randomId()
    const home = this.#tail?.home ?? id
    const aliases = new Map<PackId, Omit<AliasRow, 'at'>>()
    for (const { part, shift } of isAlone ? [] : this.#parts) {
      const { bytes, rows } = part
      const trailer = bytes.slice(-TRAILER)
      aliases.set(part.id, { home, shift, size: bytes.length, objects: rows.length, trailer })
    }
    return {
      home,
      id,
      bytes: isAlone ? first.part.bytes : this.#bytes(),
      rows: this.#rows,
      index: isAlone ? first.part.index : rowTable(this.#rows).encodeIndex(),
      verified: first.part.verified,
      needs: [...this.#needs],
      replaces: this.#tail?.id,
      aliases,
    }
  }

  #bytes(): Uint8Array {
    const entries = this.#parts.map(({ part }) => part.bytes.subarray(HEADER, -TRAILER))
    const body = concat([encodePackHeader(this.#rows.length), ...entries])
    return concat([body, sha1(body)])
  }
}

/** Reads the newest pack, if it is small; `undefined` when it is not, or when there is none that can be read. */
export async function readTail(connection: Connection): Promise<Tail | undefined> {
  const row = await connection.read(['state', 'packs'], async (transaction) => {
    const header = await transaction.objectStore('state').get('header')
    return header?.tail === undefined
      ? undefined
      : transaction.objectStore('packs').get(header.tail)
  })
  if (row?.state !== 'live' || row.size >= SMALL) return undefined
  const { home, id, size, indexSize, verified } = row
  try {
    const bytes = await readChunks(connection, { id, kind: PACK_BYTES }, [0, size])
    const index = await readChunks(connection, { id, kind: INDEX_BYTES }, [0, indexSize])
    const rows = await rowsOfIndex(await openPackIndexBytes(index))
    return { home, id, bytes, index, rows, verified }
  } catch (error) {
    // Replaced meanwhile, or broken: nothing is put behind it then. Whoever reads its objects is told.
    if (error instanceof GitError && (error.code === 'missing' || error.code === 'malformed'))
      return undefined
    throw error
  }
}
