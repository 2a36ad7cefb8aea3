/**
 * Table: sorted rows in one immutable object, looked up without reading all of it.
 *
 * Rows are a key and a value, both bytes, sorted by the bytes of the keys. They lie in blocks of about 16 kB, and behind
 * the blocks comes an index of them: the first key of each and its length. Within a block a key is written as the number
 * of bytes that it shares with the one before it, and the rest. All numbers are LEB128.
 *
 *     block  = row*                 row   = shared, rest length, value length, rest, value
 *     index  = entry*               entry = block length, key length, key
 *
 * Where the index begins is said by whoever points at the table.
 *
 * Spec: docs/storage-format.md, "R2"
 *
 * @module
 */
import { compareBytes, concat } from '@datakit/git/bytes'
import { MalformedError } from '@datakit/git/error'

/** One row. */
export interface Row {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** What must be known to open a table. */
export interface TableShape {
  /** Length of the object in bytes. */
  readonly size: number
  /** Where its index begins. */
  readonly index: number
  readonly rows: number
}

const BLOCK = 16 * 1024

/** Makes a table of rows that are sorted by their keys, each key once. */
export function encodeTable(rows: Iterable<Row>): {
  bytes: Uint8Array<ArrayBuffer>
  shape: TableShape
} {
  const blocks: Uint8Array[] = []
  const entries: Uint8Array[] = []
  let block: Uint8Array[] = []
  let length = 0
  let first: Uint8Array = new Uint8Array()
  let previous: Uint8Array = new Uint8Array()
  let count = 0
  const end = () => {
    if (length === 0) return
    blocks.push(...block)
    entries.push(number(length), number(first.length), first)
    block = []
    length = 0
  }
  for (const { key, value } of rows) {
    if (length >= BLOCK) end()
    if (length === 0) first = key
    const shared = length === 0 ? 0 : sharedLength(previous, key)
    const head = concat([number(shared), number(key.length - shared), number(value.length)])
    block.push(head, key.subarray(shared), value)
    length += head.length + key.length - shared + value.length
    previous = key
    count++
  }
  end()
  const index = blocks.reduce((sum, part) => sum + part.length, 0)
  const bytes = concat([...blocks, ...entries])
  return { bytes, shape: { size: bytes.length, index, rows: count } }
}

interface Block {
  readonly start: number
  readonly end: number
  /** Its first key. */
  readonly key: Uint8Array
}

/** Reads a table, a block at a time. Keeps its index and the block that was used last; the rest is for `read` to keep. */
export class Table {
  readonly #shape: TableShape
  readonly #read: (start: number, end: number) => Promise<Uint8Array>
  #blocks: readonly Block[] | undefined
  #last: { readonly block: Block; readonly rows: readonly Row[] } | undefined

  constructor(shape: TableShape, read: (start: number, end: number) => Promise<Uint8Array>) {
    this.#shape = shape
    this.#read = read
  }

  /** The value of a key. */
  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const blocks = await this.#open()
    const block = blocks[lastAtOrBefore(blocks, key)]
    if (!block) return undefined
    for (const row of await this.#rows(block))
      if (compareBytes(row.key, key) === 0) return row.value
    return undefined
  }

  /** Rows in order whose keys begin with `prefix`. */
  async *scan(prefix: Uint8Array): AsyncGenerator<Row> {
    const blocks = await this.#open()
    for (let i = Math.max(0, lastAtOrBefore(blocks, prefix)); i < blocks.length; i++) {
      const block = blocks[i]
      if (!block) return
      for (const row of await this.#rows(block)) {
        if (startsWith(row.key, prefix)) yield row
        else if (compareBytes(row.key, prefix) > 0) return
      }
    }
  }

  async #open(): Promise<readonly Block[]> {
    const { index, size } = this.#shape
    this.#blocks ??= size === 0 ? [] : decodeIndex(await this.#read(index, size), index)
    return this.#blocks
  }

  async #rows(block: Block): Promise<readonly Row[]> {
    if (this.#last?.block === block) return this.#last.rows
    const rows = decodeRows(await this.#read(block.start, block.end))
    this.#last = { block, rows }
    return rows
  }
}

function decodeIndex(bytes: Uint8Array, end: number): Block[] {
  const cursor = new Cursor(bytes)
  const blocks: Block[] = []
  let start = 0
  while (!cursor.atEnd) {
    const length = cursor.number()
    const key = cursor.bytes(cursor.number())
    if (length === 0 || start + length > end) throw malformed('a block ends outside')
    blocks.push({ start, end: start + length, key })
    start += length
  }
  if (start !== end) throw malformed(`its blocks hold ${start} bytes, expected ${end}`)
  return blocks
}

function decodeRows(bytes: Uint8Array): Row[] {
  const cursor = new Cursor(bytes)
  const rows: Row[] = []
  let previous: Uint8Array = new Uint8Array()
  while (!cursor.atEnd) {
    const shared = cursor.number()
    const rest = cursor.number()
    const size = cursor.number()
    if (shared > previous.length) throw malformed('a key shares more than there is')
    const key = concat([previous.subarray(0, shared), cursor.bytes(rest)])
    if (rows.length > 0 && compareBytes(previous, key) >= 0)
      throw malformed('its keys are not in order')
    rows.push({ key, value: cursor.bytes(size) })
    previous = key
  }
  return rows
}

class Cursor {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  number(): number {
    let value = 0
    for (let scale = 1; scale < 2 ** 49; scale *= 128) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined) break
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
    throw malformed('a number ends outside')
  }

  bytes(length: number): Uint8Array {
    if (this.#at + length > this.#bytes.length) throw malformed('a row ends outside')
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }
}

/** The last block or row whose key is at or before `key`; -1 when all are after it. */
function lastAtOrBefore(sorted: readonly { readonly key: Uint8Array }[], key: Uint8Array): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    const one = sorted[middle]
    if (one && compareBytes(one.key, key) <= 0) low = middle + 1
    else high = middle
  }
  return low - 1
}

function number(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  return Uint8Array.of(...bytes, rest)
}

function sharedLength(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i
  return length
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return bytes.length >= prefix.length && sharedLength(bytes, prefix) === prefix.length
}

function malformed(problem: string): MalformedError {
  return new MalformedError('a table', problem)
}
