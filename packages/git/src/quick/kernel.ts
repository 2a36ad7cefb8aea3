/**
 * Kernel: `kernel.wat` as functions, and how its memory is given out.
 *
 * @module
 */
import type { GitObject, ObjectType } from '../object.ts'
import { KERNEL_BYTES } from './kernel-bytes.ts'

/** Bytes of the largest object that it reads. */
export const MAX_BODY = 1024 * 1024
/** Bytes of a window, as the kernel has it. */
export const WINDOW = 256 * 1024
/** Where its rooms begin, behind its tables: three for bodies, one for an entry. */
const ROOMS = 3 * 65536
/** Where memory begins that may be given out. */
const FREE = ROOMS + 3 * (MAX_BODY + 128) + WINDOW + 1024
const PAGE = 65536
/** By their numbers in packs. */
const TYPES: readonly (ObjectType | undefined)[] = [undefined, 'commit', 'tree', 'blob', 'tag']

/** What the module exports. */
interface Exports {
  readonly memory: WebAssembly.Memory
  readonly crc32: (at: number, end: number, crc: number) => number
  readonly inflate: (from: number, end: number, to: number, size: number) => number
  readonly read: (
    ordinal: number,
    look: number,
    count: number,
    windows: number,
    packEnd: number,
    rooms: number,
    max: number,
  ) => number
}

/** A pack, as far as it was brought into the memory of a kernel. */
export interface KernelPack {
  /** Where the columns of its index are. */
  readonly look: number
  /** Objects in it. */
  readonly count: number
  /** Where it is said where its windows are. */
  readonly windows: number
  /** Bytes of it. */
  readonly size: number
}

/** An object as the kernel made it. */
export interface KernelObject extends GitObject {
  /** Valid until the next call. */
  readonly name: Uint8Array
}

/** What browsers have, and the types of Workers, where it is forbidden, have not. */
interface Compiler {
  readonly compile?: (bytes: Uint8Array<ArrayBuffer>) => Promise<WebAssembly.Module>
}

let compiled: Promise<WebAssembly.Module> | undefined

/** A kernel with memory of its own. Rejects where WebAssembly is not there, or the page may not compile it. */
export async function openKernel(): Promise<Kernel> {
  const bytes = Uint8Array.from(atob(KERNEL_BYTES), (c) => c.charCodeAt(0))
  compiled ??= (WebAssembly as unknown as Compiler).compile?.(bytes)
  if (compiled === undefined) throw new TypeError('WebAssembly is not compiled here')
  const { exports } = new WebAssembly.Instance(await compiled)
  // The module is ours; its text says what it exports.
  return new Kernel(exports as unknown as Exports)
}

/** An instance of the kernel. */
export class Kernel {
  readonly #exports: Exports
  #bytes: Uint8Array<ArrayBuffer>
  #free = FREE

  constructor(exports: Exports) {
    this.#exports = exports
    this.#bytes = viewOf(exports.memory)
    this.give(0)
  }

  /** Memory of so many bytes, filled with zeros, at a multiple of eight. It is never given back. */
  give(size: number): number {
    const at = this.#free
    this.#free = Math.ceil((at + size) / 8) * 8
    // Some bytes behind everything are looked at and not used.
    const lack = this.#free + 64 - this.#bytes.length
    if (lack > 0) {
      this.#exports.memory.grow(Math.ceil(lack / PAGE))
      this.#bytes = viewOf(this.#exports.memory)
    }
    return at
  }

  /** Puts bytes where memory was given. */
  put(at: number, bytes: Uint8Array): void {
    this.#bytes.set(bytes, at)
  }

  /** Puts a word, at a multiple of four. */
  putWord(at: number, word: number): void {
    new Uint32Array(this.#bytes.buffer, at, 1)[0] = word
  }

  /** CRC-32 of bytes from `start` up to `end`, going on from `previous`. */
  crc32(bytes: Uint8Array, previous: number, start: number, end: number): number {
    let crc = previous
    for (let at = start; at < end; at += MAX_BODY) {
      const piece = bytes.subarray(at, Math.min(at + MAX_BODY, end))
      this.put(ROOMS, piece)
      crc = this.#exports.crc32(ROOMS, ROOMS + piece.length, crc)
    }
    return crc >>> 0
  }

  /** What the zlib stream in `bytes` holds, if that is `size` bytes; for tests. `undefined` when it is damaged. */
  inflate(bytes: Uint8Array, size: number): Uint8Array<ArrayBuffer> | undefined {
    const to = ROOMS + MAX_BODY
    this.put(ROOMS, bytes)
    if (this.#exports.inflate(ROOMS, ROOMS + bytes.length, to, size) === 0) return undefined
    return this.#bytes.slice(to, to + size)
  }

  /** The object with an ordinal; the number of the window that is lacking; or `undefined`, when it is not for the kernel. */
  read(
    { look, count, windows, size }: KernelPack,
    ordinal: number,
  ): KernelObject | number | undefined {
    const at = this.#exports.read(ordinal, look, count, windows, size, ROOMS, MAX_BODY)
    if (at === 0) return undefined
    if (at < 0) return -1 - at
    const bytes = this.#bytes
    const [type = 0, length = 0] = new Uint32Array(bytes.buffer, 24, 2)
    return {
      type: TYPES[type] ?? 'blob',
      body: bytes.slice(at, at + length),
      name: bytes.subarray(0, 20),
    }
  }
}

function viewOf({ buffer }: WebAssembly.Memory): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer)
}
