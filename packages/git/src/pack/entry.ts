/**
 * Pack entry: what stands before the compressed bytes of each object in a pack.
 *
 * The first byte holds type and four bits of the size, the following ones seven bits each. A delta then names its base:
 * by the distance back to it in the same pack (OFS_DELTA), or by its oid (REF_DELTA).
 *
 * Spec: https://git-scm.com/docs/pack-format#_pack_pack_files_have_the_following_format
 *
 * @module
 */
import { MalformedError } from '../error.ts'
import { TYPE_NUMBERS, typeOfNumber, type ObjectType } from '../object.ts'
import { encodeOid, OID_BYTES, readOid, type Oid } from '../oid.ts'

/** Number of a delta whose base is so many bytes before it. */
export const OFS_DELTA = 6
/** Number of a delta whose base is named by its oid. */
export const REF_DELTA = 7

/** The longest that {@link readEntryHeader} needs to see: nothing that is valid is longer. */
export const MAX_ENTRY_HEADER = 32

/** A header as it was read. */
export interface EntryHeader {
  /** The type of a whole object; `undefined` for a delta, whose type is that of its base. */
  readonly type: ObjectType | undefined
  /** Length of what is compressed behind the header: the body, or the delta. */
  readonly size: number
  /** Bytes of the header. */
  readonly length: number
  /** How far before the entry its base begins, in an OFS_DELTA. */
  readonly distance: number | undefined
  /** Name of the base, in a REF_DELTA. */
  readonly base: Oid | undefined
}

/**
 * Reads the header that begins at `start`; `undefined` when `bytes` end inside it.
 *
 * @throws MalformedError when type, size or distance cannot be
 */
export function readEntryHeader(bytes: Uint8Array, start: number): EntryHeader | undefined {
  const first = bytes[start]
  if (first === undefined) return undefined
  const number = (first >> 4) & 7
  let size = first & 15
  let factor = 16
  let i = start + 1
  for (let more = first >= 0x80; more; i++) {
    const byte = bytes[i]
    if (byte === undefined) return undefined
    if (i - start > 7) throw malformed('its size has more than eight bytes')
    size += (byte & 0x7f) * factor
    factor *= 128
    more = byte >= 0x80
  }
  const type = typeOfNumber(number)
  if (type !== undefined)
    return { type, size, length: i - start, distance: undefined, base: undefined }
  return readDeltaHeader(bytes, start, { number, size, at: i })
}

function readDeltaHeader(
  bytes: Uint8Array,
  start: number,
  { number, size, at }: { number: number; size: number; at: number },
): EntryHeader | undefined {
  if (number === REF_DELTA) {
    if (at + OID_BYTES > bytes.length) return undefined
    const length = at + OID_BYTES - start
    return { type: undefined, size, length, distance: undefined, base: readOid(bytes, at) }
  }
  if (number !== OFS_DELTA) throw malformed(`its type is ${number}`)
  let distance = 0
  for (let i = at; ; i++) {
    const byte = bytes[i]
    if (byte === undefined) return undefined
    if (i - at > 6) throw malformed('the distance to its base has more than seven bytes')
    distance = distance * 128 + (byte & 0x7f)
    if (byte < 0x80)
      return { type: undefined, size, length: i + 1 - start, distance, base: undefined }
    distance++
  }
}

/** The header of a whole object with a body of `size` bytes. */
export function encodeEntryHeader(type: ObjectType, size: number): Uint8Array<ArrayBuffer> {
  return encodeHeader(TYPE_NUMBERS[type], size, [])
}

/** The header of a delta of `size` bytes (uncompressed) whose base begins `distance` bytes before it. */
export function encodeOfsHeader(size: number, distance: number): Uint8Array<ArrayBuffer> {
  const tail = [distance % 128]
  for (let rest = Math.floor(distance / 128); rest > 0; rest = Math.floor(rest / 128)) {
    rest--
    tail.unshift((rest % 128) | 0x80)
  }
  return encodeHeader(OFS_DELTA, size, tail)
}

/** The header of a delta of `size` bytes (uncompressed) whose base is named. */
export function encodeRefHeader(size: number, base: Oid): Uint8Array<ArrayBuffer> {
  return encodeHeader(REF_DELTA, size, encodeOid(base))
}

function encodeHeader(
  number: number,
  size: number,
  tail: Iterable<number>,
): Uint8Array<ArrayBuffer> {
  const bytes: number[] = []
  let low = (number << 4) | (size % 16)
  for (let rest = Math.floor(size / 16); rest > 0; rest = Math.floor(rest / 128)) {
    bytes.push(low | 0x80)
    low = rest % 128
  }
  return Uint8Array.from([...bytes, low, ...tail])
}

function malformed(problem: string): MalformedError {
  return new MalformedError('a pack entry', problem)
}
