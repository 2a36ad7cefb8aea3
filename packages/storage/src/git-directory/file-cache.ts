/**
 * File cache: the content of small files that others replace at any time, read again only when they changed.
 *
 * A file counts as unchanged when its inode, size and times are the same, and when it had been quiet for a while when it
 * was read: the clock of a file system ticks every few milliseconds, and within one tick an inode number can come back,
 * so that a ref which moved twice looks like one that did not move.
 *
 * Everything is synchronous on purpose. A stat takes two microseconds so and thirty otherwise, and a reader of many
 * files is less likely to straddle somebody's move.
 *
 * @module
 */
import { lstatSync, readFileSync, statSync, type BigIntStats } from 'node:fs'

import { isAbsent, type NativePath } from './durable.ts'

/** How long a file must have been left alone before its times are believed, in milliseconds. */
const QUIET = 100

interface Kept<T> {
  readonly stamp: string
  readonly trusted: boolean
  readonly value: T
}

/** What tells one version of a file from the next; `-` for a file that is not there. */
export function stampOf(path: NativePath): string {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
  return stat === undefined ? '-' : stamp(stat)
}

/** Whether a file or directory has been left alone long enough for its stamp to be believed. */
export function isQuiet(path: NativePath): boolean {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
  return stat !== undefined && quiet(stat)
}

/** Decoded contents by path. `decode` is also told what names this writing of the file among all others. */
export class FileCache<T> {
  readonly #decode: (bytes: Uint8Array, written: string) => T
  readonly #kept = new Map<string, Kept<T>>()

  constructor(decode: (bytes: Uint8Array, written: string) => T) {
    this.#decode = decode
  }

  /** What a file holds, `undefined` when there is none. A symbolic link is read through. */
  read(path: NativePath): T | undefined {
    const key = typeof path === 'string' ? path : path.toString('latin1')
    const stat = statThrough(path)
    if (stat === undefined || !stat.isFile()) {
      this.#kept.delete(key)
      return undefined
    }
    const kept = this.#kept.get(key)
    if (kept?.trusted === true && kept.stamp === stamp(stat)) return kept.value
    const bytes = readNow(path)
    if (bytes === undefined) return undefined
    const value = this.#decode(bytes, `${stat.ino}.${stat.mtimeNs}`)
    this.#kept.set(key, { stamp: stamp(stat), trusted: quiet(stat), value })
    return value
  }

  /** Forgets the files that the caller did not name. */
  keepOnly(paths: ReadonlySet<string>): void {
    for (const key of this.#kept.keys()) if (!paths.has(key)) this.#kept.delete(key)
  }
}

function statThrough(path: NativePath): BigIntStats | undefined {
  const options = { bigint: true, throwIfNoEntry: false } as const
  try {
    const stat = lstatSync(path, options)
    return stat?.isSymbolicLink() === true ? statSync(path, options) : stat
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

function stamp(stat: BigIntStats): string {
  return `${stat.ino}.${stat.size}.${stat.mtimeNs}.${stat.ctimeNs}`
}

function quiet(stat: BigIntStats): boolean {
  const changed = stat.ctimeMs > stat.mtimeMs ? stat.ctimeMs : stat.mtimeMs
  return Date.now() - Number(changed) > QUIET
}

function readNow(path: NativePath): Uint8Array | undefined {
  try {
    return readFileSync(path)
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}
