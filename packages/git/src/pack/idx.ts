/**
 * Stock pack index, version 2: what Git keeps beside a pack as `.idx`.
 *
 * Magic, version, fan-out, oids, CRC-32s, offsets of 31 bits, offsets of 64 bits for those that need them, the SHA-1 of
 * the pack and that of the index. Big-endian.
 *
 * Spec: https://git-scm.com/docs/pack-format#_version_2_pack_idx_files_support_packs_larger_than_4_gib_and
 *
 * @module
 */
import { equal } from '../bytes.ts'
import { MalformedError } from '../error.ts'
import { compareAt, type Oid, OID_BYTES, readOid } from '../oid.ts'
import type { Runtime } from '../runtime.ts'
import { fanOutOf, findOid, type OidOrder } from './oid-order.ts'

const MAGIC = 0xff744f63
const HEAD = 8 + 1024
const LARGE = 0x80000000
const ROW = OID_BYTES + 8

/** What the encoder needs to know of a pack. */
export interface IdxSource {
  readonly count: number
  order(): OidOrder
  crc(row: number): number
  offset(row: number): number
}

/** The `.idx` of a pack whose own SHA-1 is `trailer`, as `git index-pack` makes it. */
export function encodeStockIdx(
  source: IdxSource,
  trailer: Uint8Array,
  runtime: Runtime,
): Uint8Array<ArrayBuffer> {
  const { count } = source
  const order = source.order()
  const rows = Array.from({ length: count }, (_, ordinal) => order.row(ordinal))
  const large = rows.filter((row) => source.offset(row) >= LARGE)
  const body = HEAD + count * ROW + large.length * 8
  const idx = new Uint8Array(body + 2 * OID_BYTES)
  const view = new DataView(idx.buffer)
  view.setUint32(0, MAGIC)
  view.setUint32(4, 2)
  for (const [byte, total] of fanOutOf(order.sorted, count).entries())
    view.setUint32(8 + 4 * byte, total)
  idx.set(order.sorted, HEAD)
  const crcs = HEAD + count * OID_BYTES
  let wide = 0
  for (const [ordinal, row] of rows.entries()) {
    const offset = source.offset(row)
    view.setUint32(crcs + 4 * ordinal, source.crc(row))
    view.setUint32(crcs + 4 * (count + ordinal), offset < LARGE ? offset : LARGE + wide)
    if (offset >= LARGE) view.setBigUint64(HEAD + count * ROW + 8 * wide++, BigInt(offset))
  }
  idx.set(trailer, body)
  idx.set(runtime.sha1(idx.subarray(0, body + OID_BYTES)), body + OID_BYTES)
  return idx
}

/** A stock index that was opened. Positions are in the order of the oids. */
export interface StockIdx {
  readonly count: number
  /** SHA-1 at the end of the pack. */
  readonly trailer: Uint8Array
  oid(i: number): Oid
  offset(i: number): number
  crc(i: number): number
  /** Position of an oid, given as 20 bytes; -1 when the pack does not hold it. */
  find(oid: Uint8Array): number
}

/**
 * Opens a whole `.idx` of version 2; `bytes` are looked into, not copied.
 *
 * @throws MalformedError when it is cut short, its SHA-1 is wrong, the fan-out is not monotonic, the oids are not in
 *   order or an offset leads out of its table
 */
export function openStockIdx(bytes: Uint8Array, runtime: Runtime): StockIdx {
  if (bytes.length < HEAD + 2 * OID_BYTES) throw malformed(`it has ${bytes.length} bytes`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (view.getUint32(0) !== MAGIC || view.getUint32(4) !== 2)
    throw malformed('it is not of version 2')
  const fanOut = Uint32Array.from({ length: 256 }, (_, byte) => view.getUint32(8 + 4 * byte))
  const count = fanOut[255] ?? 0
  const wideStart = HEAD + count * ROW
  const wideBytes = bytes.length - wideStart - 2 * OID_BYTES
  if (wideBytes < 0 || wideBytes % 8 !== 0)
    throw malformed(`it has ${bytes.length} bytes for ${count} objects`)
  const oids = bytes.subarray(HEAD, HEAD + count * OID_BYTES)
  checkOrder(oids, fanOut)
  const end = bytes.length - OID_BYTES
  if (!equal(runtime.sha1(bytes.subarray(0, end)), bytes.subarray(end)))
    throw malformed('its SHA-1 is wrong')
  const crcs = HEAD + count * OID_BYTES
  const offsets = readOffsets(view, {
    start: crcs + 4 * count,
    count,
    wideStart,
    wide: wideBytes / 8,
  })
  return {
    count,
    trailer: bytes.subarray(end - OID_BYTES, end),
    oid: (i) => readOid(oids, i * OID_BYTES),
    offset: (i) => offsets[i] ?? 0,
    crc: (i) => view.getUint32(crcs + 4 * i),
    find: (oid) => findOid(fanOut, oids, oid, 0),
  }
}

function readOffsets(
  view: DataView,
  {
    start,
    count,
    wideStart,
    wide,
  }: { start: number; count: number; wideStart: number; wide: number },
): Float64Array {
  const offsets = new Float64Array(count)
  for (let i = 0; i < count; i++) {
    const short = view.getUint32(start + 4 * i)
    if (short >= LARGE && short - LARGE >= wide) throw malformed('an offset leads out of its table')
    offsets[i] = short < LARGE ? short : Number(view.getBigUint64(wideStart + 8 * (short - LARGE)))
  }
  return offsets
}

/** Checks that sorted oids are in order, equal ones side by side as Git has them, and that the fan-out is theirs. */
function checkOrder(oids: Uint8Array, fanOut: Uint32Array): void {
  const count = oids.length / OID_BYTES
  for (let i = 1; i < count; i++) {
    if (compareAt(oids, (i - 1) * OID_BYTES, oids, i * OID_BYTES) > 0)
      throw malformed('its oids are not in order')
  }
  for (const [byte, total] of fanOutOf(oids, count).entries()) {
    if (fanOut[byte] !== total) throw malformed('its fan-out is not that of its oids')
  }
}

function malformed(problem: string): MalformedError {
  return new MalformedError('a stock pack index', problem)
}
