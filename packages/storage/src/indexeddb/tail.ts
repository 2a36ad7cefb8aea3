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
  /** Id of the tail that it takes the place of. */
  readonly replaces: PackId | undefined
  /** What it was put together from. */
  readonly aliases: ReadonlyMap<PackId, Omit<AliasRow, 'at'>>
}

/** A pack that an update writes, or a stage on disk, which has no bundle. */
export interface Planned {
  readonly id: PackId
  /** Ids of the packs that hold bases of its deltas; as a stage on disk says when left out. */
  readonly needs: readonly PackId[] | undefined
  readonly bundle: Bundle | undefined
}

/** What an update writes of packs, in their order. */
export type Plan = readonly Planned[]

/** Plans how the packs of a request are written. `tail` is the newest pack, if small packs may go behind it. */
export function planPacks(
  request: UpdateRequest,
  held: ReadonlyMap<PackId, HeldPack>,
  tail: Tail | undefined,
): Plan {
  const plan: Planned[] = []
  let host = tail
  let packs: HeldPack[] = []
  const flush = () => {
    const bundle = bundled(host, packs)
    const needs = packs.flatMap((pack) => pack.needs)
    if (bundle) plan.push({ id: bundle.id, needs, bundle })
    host = undefined
    packs = []
  }
  for (const { id, needs } of request.addPacks ?? []) {
    const found = held.get(id)
    const pack = found && { ...found, needs: needs ?? found.needs }
    if (!pack || !fits(pack, host ? [host, ...packs] : packs)) flush()
    if (pack) packs.push(pack)
    else plan.push({ id, needs, bundle: undefined })
  }
  flush()
  return plan
}

type Part = Pick<HeldPack, 'id' | 'bytes' | 'index' | 'rows' | 'verified'>

/** Whether a pack may go behind others: small enough together, as trusted, and without an object that is there already. */
function fits({ bytes, rows, verified }: Part, before: readonly Part[]): boolean {
  const size = before.reduce((sum, part) => sum + part.bytes.length, bytes.length)
  if (size - before.length * (HEADER + TRAILER) > SMALL) return false
  if (before.some((part) => part.verified !== verified)) return false
  const oids = new Set(before.flatMap((part) => part.rows.map(({ oid }) => readOid(oid))))
  return !rows.some(({ oid }) => oids.has(readOid(oid)))
}

/** One pack of all, behind the tail if there is one. */
function bundled(tail: Tail | undefined, packs: readonly HeldPack[]): Bundle | undefined {
  const [first, ...more]: readonly Part[] = tail ? [tail, ...packs] : packs
  if (!first || packs.length === 0) return undefined
  const aliases = new Map<PackId, Omit<AliasRow, 'at'>>()
  if (more.length === 0) return { ...first, home: first.id, replaces: undefined, aliases }
  const id = randomId()
  const home = tail?.home ?? id
  const rows: RawRow[] = []
  const entries: Uint8Array[] = []
  let shift = 0
  for (const part of [first, ...more]) {
    const { bytes } = part
    const trailer = bytes.slice(-TRAILER)
    for (const row of part.rows) rows.push({ ...row, offset: row.offset + shift })
    entries.push(bytes.subarray(HEADER, -TRAILER))
    aliases.set(part.id, { home, shift, size: bytes.length, objects: part.rows.length, trailer })
    shift += bytes.length - HEADER - TRAILER
  }
  const body = concat([encodePackHeader(rows.length), ...entries])
  return {
    home,
    id,
    bytes: concat([body, sha1(body)]),
    rows,
    index: rowTable(rows).encodeIndex(),
    verified: first.verified,
    replaces: tail?.id,
    aliases,
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
