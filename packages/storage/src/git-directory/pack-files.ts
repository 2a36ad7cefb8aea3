/**
 * Pack files: the packs that Git sees, in a repository's own object directory and in those that it borrows from.
 *
 * A pack is there when both its `.pack` and its `.idx` are. Its id is the name of its file, which Git derives from what
 * is in it: two packs of one name are the same pack.
 *
 * Spec: https://git-scm.com/docs/pack-format
 *
 * @module
 */
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs'
import { open, readFile, utimes, type FileHandle } from 'node:fs/promises'

import { MissingError } from '@datakit/git/error'
import { openStockIdx, type StockIdx } from '@datakit/git/pack/idx'
import { inPieces } from '@datakit/git/pack-pieces'
import type { PackId } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'

import { ifThere, isAbsent } from './durable.ts'
import { isQuiet, stampOf } from './file-cache.ts'
import { namesIn, type ObjectDirectories } from './object-directories.ts'

/** A pack as it lies on disk. */
export interface FoundPack {
  readonly id: PackId
  /** Its path without `.pack`. */
  readonly path: string
  /** Length of the `.pack`, in bytes. */
  readonly size: number
  readonly objects: number
  /** When its `.idx` was written, in milliseconds since 1970. */
  readonly at: number
  /** Whether the repository borrows it. */
  readonly borrowed: boolean
  /** Whether a `.keep` beside it says that it stays. */
  readonly kept: boolean
  /** Whether a `.promisor` beside it says that it is from a remote that has what it names. */
  readonly promisor: boolean
}

type Marks = Pick<FoundPack, 'kept' | 'promisor'>

interface Listing {
  readonly stamp: string
  readonly trusted: boolean
  readonly packs: readonly FoundPack[]
}

/** Finds packs. Synchronous, see `file-cache.ts`. */
export class PackFiles {
  readonly #directories: ObjectDirectories
  readonly #known = new Map<string, FoundPack>()
  readonly #listings = new Map<string, Listing>()

  constructor(directories: ObjectDirectories) {
    this.#directories = directories
  }

  /** Every pack, the borrowed ones first, then by age; a pack that is there twice counts once. */
  list(): FoundPack[] {
    const found = new Map<PackId, FoundPack>()
    this.#directories.list().forEach((directory, i) => {
      for (const pack of this.#listOne(`${directory}/pack`, i > 0)) {
        if (!found.has(pack.id)) found.set(pack.id, pack)
      }
    })
    return [...found.values()].sort(byAge)
  }

  find(id: PackId): FoundPack | undefined {
    const own = this.#look(`${this.#directories.own}/pack/${id}`, false)
    if (own !== undefined) return own
    for (const directory of this.#directories.list().slice(1)) {
      const pack = this.#look(`${directory}/pack/${id}`, true)
      if (pack !== undefined) return pack
    }
    return undefined
  }

  #listOne(directory: string, borrowed: boolean): readonly FoundPack[] {
    const stamp = stampOf(directory)
    const kept = this.#listings.get(directory)
    if (kept?.trusted === true && kept.stamp === stamp) return kept.packs
    const trusted = isQuiet(directory)
    const packs: FoundPack[] = []
    const names = new Set(namesIn(directory))
    for (const name of names) {
      const id = name.slice(0, -4)
      if (!isPackName(name, '.idx') || !names.has(`${id}.pack`)) continue
      // What is in a pack follows from its name: one that is still there is the one that was looked at.
      const path = `${directory}/${id}`
      const pack = this.#known.get(path) ?? this.#look(path, borrowed)
      const marks = { kept: names.has(`${id}.keep`), promisor: names.has(`${id}.promisor`) }
      if (pack !== undefined) packs.push(withMarks(pack, marks))
    }
    this.#listings.set(directory, { stamp, trusted, packs })
    return packs
  }

  #look(path: string, borrowed: boolean): FoundPack | undefined {
    const options = { throwIfNoEntry: false } as const
    const pack = statSync(`${path}.pack`, options)
    const idx = statSync(`${path}.idx`, options)
    if (pack === undefined || idx === undefined) return undefined
    const marks = marksOf(path)
    const known = this.#known.get(path)
    if (known?.size === pack.size && known.at === idx.mtimeMs) return withMarks(known, marks)
    const objects = countObjects(`${path}.pack`)
    if (objects === undefined) return undefined
    const id = path.slice(path.lastIndexOf('/') + 1)
    const found = { id, path, size: pack.size, objects, at: idx.mtimeMs, borrowed, ...marks }
    this.#known.set(path, found)
    return found
  }
}

function marksOf(path: string): Marks {
  return { kept: existsSync(`${path}.keep`), promisor: existsSync(`${path}.promisor`) }
}

function withMarks(pack: FoundPack, { kept, promisor }: Marks): FoundPack {
  const isSame = pack.kept === kept && pack.promisor === promisor
  return isSame ? pack : { ...pack, kept, promisor }
}

/** Whether a file is named like a pack's, with this ending. */
export function isPackName(name: string, ending: string): boolean {
  return name.endsWith(ending) && /^pack-[0-9a-f]{40}$/.test(name.slice(0, -ending.length))
}

/** Opens Git's own index of a pack. */
export async function openIdx(pack: FoundPack): Promise<StockIdx> {
  return openStockIdx(await readFile(`${pack.path}.idx`), nodeRuntime)
}

/** Bytes of a pack that are read at once. */
const STEP = 1 << 20

/** A file from its beginning to its end. */
export async function* piecesOf(
  read: (start: number, end: number) => Promise<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for (let at = 0; ; at += STEP) {
    const piece = await read(at, at + STEP)
    if (piece.length > 0) yield piece
    if (piece.length < STEP) return
  }
}

/** How long a pack counts as fresh, in milliseconds: nobody prunes what was in use so lately. */
const FRESH = 60_000

/** Marks a pack as used, as Git does, so that what would be pruned for its age is not. */
export async function freshenPack(pack: FoundPack): Promise<void> {
  const path = `${pack.path}.pack`
  const now = new Date()
  const used = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
  if (Math.abs(now.getTime() - used) > FRESH) await ifThere(utimes(path, now, now))
}

/** How many files stay open for reading. */
const OPEN_FILES = 32

interface OpenFile {
  readonly handle: Promise<FileHandle>
  /** How many readings are under way. */
  readers: number
  /** Whether the next reading opens the file anew; closed when the last reading of this one ends. */
  isDropped: boolean
}

/** Reads pieces of files, and keeps those open that were read last: a file that is removed is readable to its end. */
export class OpenFiles {
  readonly #open = new Map<string, OpenFile>()

  /** Bytes of a file from `start` up to `end`, fewer when it ends before. @throws MissingError when it is gone */
  async read(path: string, start: number, end: number): Promise<Uint8Array> {
    const file = this.#take(path)
    try {
      return await readRange(await this.#handleOf(path, file), start, end)
    } finally {
      await this.#giveBack(file)
    }
  }

  /** The same bytes piece by piece, all of them from the file that is there at the first. @throws MissingError as {@link read} */
  async *stream(path: string, start: number, end: number): AsyncGenerator<Uint8Array, void> {
    const file = this.#take(path)
    try {
      const handle = await this.#handleOf(path, file)
      yield* inPieces((...span) => readRange(handle, ...span), start, end)
    } finally {
      await this.#giveBack(file)
    }
  }

  /** Lets go of a file, so that the next read opens what is under its name then. Readings of it go on. */
  async forget(path: string): Promise<void> {
    const file = this.#open.get(path)
    if (file !== undefined) await this.#drop(path, file)
  }

  /** Lets go of every file. */
  async close(): Promise<void> {
    for (const path of [...this.#open.keys()]) await this.forget(path)
  }

  /** The file for one reading more, as the one that was read last. */
  #take(path: string): OpenFile {
    const file = this.#open.get(path) ?? {
      handle: open(path, 'r'),
      readers: 0,
      isDropped: false,
    }
    file.readers++
    this.#open.delete(path)
    this.#open.set(path, file)
    return file
  }

  async #giveBack(file: OpenFile): Promise<void> {
    file.readers--
    await closeIfUnused(file)
    await this.#dropOldest()
  }

  async #handleOf(path: string, file: OpenFile): Promise<FileHandle> {
    try {
      return await file.handle
    } catch (error) {
      if (this.#open.get(path) === file) this.#open.delete(path)
      if (!isAbsent(error)) throw error
      throw new MissingError('a pack', packOf(path), { cause: error })
    }
  }

  async #dropOldest(): Promise<void> {
    const [oldest] = this.#open
    if (this.#open.size > OPEN_FILES && oldest !== undefined) await this.#drop(...oldest)
  }

  async #drop(path: string, file: OpenFile): Promise<void> {
    this.#open.delete(path)
    file.isDropped = true
    await closeIfUnused(file)
  }
}

/** The id of the pack that a file is of, by which readers know that what vanished is a pack, and look for its objects elsewhere. */
function packOf(path: string): PackId {
  return path.slice(path.lastIndexOf('/') + 1).replace(/\.[a-z]+$/, '')
}

async function closeIfUnused(file: OpenFile): Promise<void> {
  if (!file.isDropped || file.readers > 0) return
  // Whoever waited for a file that could not be opened was told so.
  const handle = await file.handle.catch(() => undefined)
  await handle?.close()
}

async function readRange(file: FileHandle, start: number, end: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(Math.max(0, Math.min(end, (await file.stat()).size) - start))
  let filled = 0
  while (filled < bytes.length) {
    const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, start + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return bytes.subarray(0, filled)
}

function byAge(a: FoundPack, b: FoundPack): number {
  if (a.borrowed !== b.borrowed) return a.borrowed ? -1 : 1
  return a.at - b.at || (a.id < b.id ? -1 : 1)
}

/** The number of objects that the header of a pack gives; `undefined` for what is no pack. */
function countObjects(path: string): number | undefined {
  const header = Buffer.alloc(12)
  let file
  try {
    file = openSync(path, 'r')
  } catch {
    return undefined
  }
  try {
    const length = readSync(file, header, 0, 12, 0)
    return length === 12 && header.toString('latin1', 0, 4) === 'PACK'
      ? header.readUInt32BE(8)
      : undefined
  } finally {
    closeSync(file)
  }
}
