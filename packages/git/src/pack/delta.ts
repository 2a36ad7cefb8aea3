/**
 * Delta: an object told as copies from another one and insertions.
 *
 * Size of the base, size of the target (both little-endian base 128), then instructions. A byte with the high bit set
 * copies: its low seven bits say which of four offset and three size bytes follow, and size 0 means 0x10000. Any other
 * byte but 0 inserts that many bytes; 0 is reserved.
 *
 * Spec: https://git-scm.com/docs/pack-format#_deltified_representation
 *
 * @module
 */
import type { MakeRoom } from './room.ts'
import { MalformedError } from '../error.ts'

/** Bytes of the shortest delta that Git takes for one: to pass a shorter one on would break its clones. */
export const SHORTEST_DELTA = 4

const MAX_INSERT = 127
const MAX_COPY = 0xffffff
/** What our own deltas copy at once: Git's pack version 2 never copies more. */
const COPY_STEP = 0x10000

/** The sizes that a delta begins with. */
export interface DeltaSizes {
  readonly base: number
  readonly target: number
  /** Where the instructions begin. */
  readonly start: number
}

/**
 * Reads how long a delta's base and target are.
 *
 * @throws MalformedError when the sizes are cut short or beyond 2^53
 */
export function readDeltaSizes(delta: Uint8Array): DeltaSizes {
  const base = readSize(delta, 0)
  const target = readSize(delta, base.end)
  return { base: base.size, target: target.size, start: target.end }
}

function readSize(delta: Uint8Array, start: number): { size: number; end: number } {
  let size = 0
  let factor = 1
  for (let i = start; i < start + 8; i++) {
    const byte = delta[i]
    if (byte === undefined) throw malformed('it ends inside its sizes')
    size += (byte & 0x7f) * factor
    if (byte < 0x80) return { size, end: i + 1 }
    factor *= 128
  }
  throw malformed('a size has more than eight bytes')
}

/**
 * The target that `delta` makes of `base`.
 *
 * @throws MalformedError when the delta is for a base of another size, reaches outside of it, or does not make exactly
 *   the size that it announces; also when that size is beyond `limit`, before `makeRoom` is asked for it
 */
export function applyDelta(
  base: Uint8Array,
  delta: Uint8Array,
  limit = Infinity,
  makeRoom: MakeRoom = (size) => new Uint8Array(size),
): Uint8Array<ArrayBuffer> {
  const sizes = readDeltaSizes(delta)
  if (sizes.base !== base.length) {
    throw malformed(`it is for a base of ${sizes.base} bytes, found one of ${base.length}`)
  }
  if (sizes.target > limit) throw malformed(`it makes ${sizes.target} bytes, allowed are ${limit}`)
  // A copy makes at most 0xffffff bytes of the two bytes that it takes: no more is allocated than that can fill.
  if (sizes.target > (delta.length - sizes.start) * MAX_COPY)
    throw malformed('it cannot make as much as it announces')
  const target = makeRoom(sizes.target)
  if (runDelta(base, delta, target, sizes.start) !== target.length)
    throw malformed('it makes less than it announces')
  return target
}

/** Follows the instructions; tells how much of `target` they filled. */
function runDelta(base: Uint8Array, delta: Uint8Array, target: Uint8Array, start: number): number {
  let at = 0
  let i = start
  while (i < delta.length) {
    const op = delta[i++] ?? 0
    let from = i
    let size = op
    let source = delta
    if (op >= 0x80) {
      const end = i + copyBytes(op)
      if (end > delta.length) throw malformed('it ends inside a copy')
      from = readBits(delta, i, op & 0x0f)
      size = readBits(delta, i + popCount(op & 0x0f), (op >> 4) & 7) || 0x10000
      source = base
      i = end
    } else {
      if (op === 0) throw malformed('it has the reserved instruction 0')
      i += op
    }
    if (from + size > source.length) throw malformed('an instruction reaches behind its end')
    if (at + size > target.length) throw malformed('it makes more than it announces')
    // Below this length the loop is faster than making a view for `set`.
    if (size > 32) target.set(source.subarray(from, from + size), at)
    else for (let k = 0; k < size; k++) target[at + k] = source[from + k] ?? 0
    at += size
  }
  return at
}

/** How many bytes the base and the target of a delta begin and end with in common, at least. */
export interface SharedEnds {
  readonly prefix: number
  readonly suffix: number
}

/** What the first and the last copies of a delta, which was applied before, say of both. */
export function readSharedEnds(delta: Uint8Array): SharedEnds {
  const { base, start } = readDeltaSizes(delta)
  let [prefix, suffix] = [0, 0]
  let end = 0
  let isFirst = true
  for (let i = start; i < delta.length;) {
    const { isCopy, from, size, next } = readInstruction(delta, i)
    isFirst = isFirst && isCopy && from === prefix
    if (isFirst) prefix += size
    suffix = !isCopy ? 0 : suffix > 0 && from === end ? suffix + size : size
    end = from + size
    i = next
  }
  return { prefix, suffix: end === base ? suffix : 0 }
}

/** A step of a delta. */
export interface Instruction {
  readonly isCopy: boolean
  /** Where the bytes begin: in the base for a copy, in the delta for an insertion. */
  readonly from: number
  readonly size: number
  /** Where the next instruction begins. */
  readonly next: number
}

/** The instruction that begins at `at`, of a delta that was applied before. */
export function readInstruction(delta: Uint8Array, at: number): Instruction {
  const op = delta[at] ?? 0
  const start = at + 1
  if (op < 0x80) return { isCopy: false, from: start, size: op, next: start + op }
  const from = readBits(delta, start, op & 0x0f)
  const size = readBits(delta, start + popCount(op & 0x0f), (op >> 4) & 7) || 0x10000
  return { isCopy: true, from, size, next: start + copyBytes(op) }
}

function copyBytes(op: number): number {
  return popCount(op & 0x7f)
}

function popCount(bits: number): number {
  let count = 0
  for (let rest = bits; rest > 0; rest &= rest - 1) count++
  return count
}

/** Little-endian number of which only the bytes marked in `mask` are written. */
function readBits(bytes: Uint8Array, start: number, mask: number): number {
  let value = 0
  let i = start
  for (let rest = mask, factor = 1; rest > 0; rest >>= 1, factor *= 256)
    if (rest & 1) value += (bytes[i++] ?? 0) * factor
  return value
}

/** Writes one delta, instruction by instruction. */
export class DeltaWriter {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(256)
  #length = 0

  constructor(baseSize: number, targetSize: number) {
    this.#size(baseSize)
    this.#size(targetSize)
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length
  }

  /** Copies `size` bytes of the base from `offset`, in as many instructions as that takes. */
  copy(offset: number, size: number): void {
    for (let done = 0; done < size; done += COPY_STEP)
      this.#copy(offset + done, Math.min(COPY_STEP, size - done))
  }

  /** Inserts `bytes` as they are. */
  insert(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i += MAX_INSERT) {
      const piece = bytes.subarray(i, i + MAX_INSERT)
      this.#reserve(piece.length + 1)
      this.#bytes[this.#length++] = piece.length
      this.#bytes.set(piece, this.#length)
      this.#length += piece.length
    }
  }

  /** The delta, in an array of its own. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length)
  }

  #copy(offset: number, size: number): void {
    this.#reserve(8)
    const op = this.#length++
    let mask = 0x80
    for (let bit = 0, rest = offset; bit < 4; bit++, rest = Math.floor(rest / 256)) {
      if (rest % 256 === 0) continue
      mask |= 1 << bit
      this.#bytes[this.#length++] = rest % 256
    }
    const short = size === 0x10000 ? 0 : size
    for (let bit = 0; bit < 3; bit++) {
      const byte = (short >> (8 * bit)) & 0xff
      if (byte === 0) continue
      mask |= 0x10 << bit
      this.#bytes[this.#length++] = byte
    }
    this.#bytes[op] = mask
  }

  #size(size: number): void {
    this.#reserve(8)
    let rest = size
    for (; rest >= 0x80; rest = Math.floor(rest / 128))
      this.#bytes[this.#length++] = (rest % 128) | 0x80
    this.#bytes[this.#length++] = rest
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more))
    larger.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = larger
  }
}

/** Bytes that two arrays must share in a row before a copy is made of them. */
const BLOCK = 16
/** Blocks with one hash that are looked at before the search goes on; keeps repetitive bases from being quadratic. */
const MAX_BUCKET = 16

/**
 * A delta that makes `target` of `base`. Finds runs of 16 bytes or more wherever they moved to; beginnings and ends that
 * both share cost no search. Not always worth keeping: compare its length with what it replaces.
 */
export function makeDelta(base: Uint8Array, target: Uint8Array): Uint8Array<ArrayBuffer> {
  const writer = new DeltaWriter(base.length, target.length)
  const prefix = sharedPrefix(base, target)
  const suffix = sharedSuffix(base, target, prefix)
  if (prefix > 0) writer.copy(0, prefix)
  if (prefix + suffix < target.length) {
    writeMiddle(writer, base, target.subarray(0, target.length - suffix), prefix)
  }
  if (suffix > 0) writer.copy(base.length - suffix, suffix)
  return writer.finish()
}

/** How many bytes both begin with. */
export function sharedPrefix(a: Uint8Array, b: Uint8Array): number {
  const limit = Math.min(a.length, b.length)
  let i = 0
  while (i < limit && a[i] === b[i]) i++
  return i
}

/** How many bytes both end with, behind the `prefix` bytes that they begin with. */
export function sharedSuffix(a: Uint8Array, b: Uint8Array, prefix: number): number {
  const limit = Math.min(a.length, b.length) - prefix
  let i = 0
  while (i < limit && a[a.length - 1 - i] === b[b.length - 1 - i]) i++
  return i
}

function writeMiddle(
  writer: DeltaWriter,
  base: Uint8Array,
  target: Uint8Array,
  start: number,
): void {
  const blocks = indexBlocks(base)
  let pending = start
  let i = start
  while (i + BLOCK <= target.length) {
    const match = findMatch(blocks, base, target, i)
    if (match.size < BLOCK) {
      i++
      continue
    }
    let back = 0
    while (
      i - back > pending &&
      match.offset > back &&
      base[match.offset - back - 1] === target[i - back - 1]
    )
      back++
    writer.insert(target.subarray(pending, i - back))
    writer.copy(match.offset - back, match.size + back)
    i += match.size
    pending = i
  }
  writer.insert(target.subarray(pending))
}

interface Blocks {
  readonly heads: Int32Array
  readonly next: Int32Array
  readonly mask: number
}

function indexBlocks(base: Uint8Array): Blocks {
  const count = Math.floor(base.length / BLOCK)
  let slots = 16
  while (slots < count) slots *= 2
  const blocks = {
    heads: new Int32Array(slots).fill(-1),
    next: new Int32Array(count),
    mask: slots - 1,
  }
  for (let block = count - 1; block >= 0; block--) {
    const slot = hashBlock(base, block * BLOCK) & blocks.mask
    blocks.next[block] = blocks.heads[slot] ?? -1
    blocks.heads[slot] = block
  }
  return blocks
}

function findMatch(
  blocks: Blocks,
  base: Uint8Array,
  target: Uint8Array,
  at: number,
): { offset: number; size: number } {
  let best = 0
  let offset = 0
  let block = blocks.heads[hashBlock(target, at) & blocks.mask] ?? -1
  for (let tries = 0; block >= 0 && tries < MAX_BUCKET; tries++) {
    const from = block * BLOCK
    const limit = Math.min(base.length - from, target.length - at)
    let size = 0
    while (size < limit && base[from + size] === target[at + size]) size++
    if (size > best) {
      best = size
      offset = from
    }
    block = blocks.next[block] ?? -1
  }
  return { offset, size: best }
}

function hashBlock(bytes: Uint8Array, start: number): number {
  let hash = 0
  for (let i = 0; i < BLOCK; i++) hash = Math.imul(hash, 0x01000193) + (bytes[start + i] ?? 0) + 1
  return hash ^ (hash >>> 15)
}

function malformed(problem: string): MalformedError {
  return new MalformedError('a delta', problem)
}
