/**
 * Stage: packs that were received and are not visible yet.
 *
 * Each has a directory `<stage>/<id>/` with `pack/<id>.pack` and `pack/<id>.idx`, which is what Git takes for an object
 * directory, so that a hook can look into a push before it is accepted, and `index`, our own index. A pack of a promisor has
 * `pack/<id>.promisor`, and `promised` (see `promisor-packs.ts`). Packs are written under `<stage>/new-<random>/` first. A pack becomes visible by hard links, see `pack-placing.ts`.
 *
 * Equal packs have equal ids. Whoever stages a pack that is staged already gets a directory of his own, `<id>.1`, `<id>.2`,
 * …, and whoever lets go of one takes the last: the first, which hooks may be looking into, goes with the last of them.
 *
 * @module
 */
import { statSync } from 'node:fs'
import { chmod, mkdir, open, rename, rm, stat, utimes, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'

import { toHex } from '@datakit/git/bytes'
import { MalformedError } from '@datakit/git/error'
import type { GitObject } from '@datakit/git/object'
import type { Oid } from '@datakit/git/oid'
import { completePack } from '@datakit/git/pack/complete-pack'
import { encodeStockIdx } from '@datakit/git/pack/idx'
import { namedOutside } from '@datakit/git/pack/named-outside'
import { tableOfIndex } from '@datakit/git/pack/merge-indexes'
import { openPackIndexBytes } from '@datakit/git/pack/pack-index'
import { PackTable } from '@datakit/git/pack/pack-table'
import type { PackContents, PackId, PackSummary, PackWriter, StagedPack } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'

import { STAGE_LIFETIME } from '../update.ts'
import {
  errorCode,
  ifThere,
  linkUnlessThere,
  randomName,
  syncDirectory,
  writeSynced,
} from './durable.ts'
import { namesIn } from './object-directories.ts'

/** Gives the objects that thin packs have their bases in. */
export type ResolveBase = (oid: Oid) => Promise<GitObject | undefined>

/** A directory of staged packs. */
export class Stage {
  readonly directory: string
  readonly #elsewhere: string | undefined

  /** `elsewhere` is another such directory, where packs are taken from too but not written to. */
  constructor(directory: string, elsewhere?: string) {
    this.directory = directory
    this.#elsewhere = elsewhere
  }

  /**
   * A writer of one pack, which is completed with bases from `resolveBase` if it is thin. It goes elsewhere where the
   * repository does not exist, whose directory is not to be begun by a pack.
   */
  async writer(resolveBase: ResolveBase, exists: boolean): Promise<PackWriter> {
    const stage = exists ? this.directory : (this.#elsewhere ?? this.directory)
    const path = `${stage}/new-${randomName()}`
    await mkdir(`${path}/pack`, { recursive: true })
    const file = await open(`${path}/pack/new`, 'wx+')
    return new StagedWriter(stage, { path, file, resolveBase })
  }

  /** The object directory of a staged pack, `undefined` when there is none of this name. */
  find(id: PackId): string | undefined {
    if (!isPackId(id)) return undefined
    for (const stage of [this.directory, this.#elsewhere ?? this.directory]) {
      const first = `${stage}/${id}`
      if (statSync(first, { throwIfNoEntry: false }) !== undefined) return first
    }
    // The first one may have gone just before another came.
    return this.#copies(id)[0]
  }

  /** Lets go of a pack that was staged once; it stays for those who have staged it too. */
  async remove(id: PackId): Promise<void> {
    const last = isPackId(id) ? this.#copies(id).at(-1) : undefined
    if (last === undefined) return
    const gone = `${dirname(last)}/gone-${randomName()}`
    if ((await ifThere(rename(last, gone).then(() => true))) === undefined) return
    await rm(gone, { recursive: true, force: true })
  }

  /** Removes what was staged too long before `now`, in milliseconds since 1970. Returns how many. */
  async sweep(now: number): Promise<number> {
    let deleted = 0
    for (const name of namesIn(this.directory)) {
      const path = `${this.directory}/${name}`
      const since = await ifThere(stat(path))
      if (since === undefined || since.mtimeMs > now - STAGE_LIFETIME) continue
      await rm(path, { recursive: true, force: true })
      deleted++
    }
    return deleted
  }

  /** Directories of a pack, in the order in which they are used. */
  #copies(id: PackId): string[] {
    return [...new Set([this.directory, this.#elsewhere ?? this.directory])].flatMap((stage) => {
      const numbers = namesIn(stage)
        .filter((name) => name === id || name.startsWith(`${id}.`))
        .map((name) => Number(name.slice(id.length + 1)))
      return numbers.sort((a, b) => a - b).map((number) => `${stage}/${nameOf(id, number)}`)
    })
  }
}

function nameOf(id: PackId, number: number): string {
  return number === 0 ? id : `${id}.${number}`
}

/** Whether the text is the id of a pack that was staged here. */
export function isPackId(id: string): boolean {
  return /^pack-[0-9a-f]{40}$/.test(id)
}

interface Writing {
  readonly path: string
  readonly file: FileHandle
  readonly resolveBase: ResolveBase
}

/** Writes one pack into its directory. */
class StagedWriter implements PackWriter {
  readonly #stage: string
  readonly #writing: Writing
  #size = 0
  #ended = false

  constructor(stage: string, writing: Writing) {
    this.#stage = stage
    this.#writing = writing
  }

  async write(piece: Uint8Array): Promise<void> {
    if (this.#ended) throw new TypeError('Cannot write to a pack that has ended')
    await this.#writeAt(this.#size, piece)
    this.#size += piece.length
  }

  async read(start: number, end: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(Math.max(0, Math.min(end, this.#size) - start))
    const { bytesRead } = await this.#writing.file.read(bytes, 0, bytes.length, start)
    return bytes.subarray(0, bytesRead)
  }

  async finish(summary: PackSummary): Promise<StagedPack> {
    const { verified } = summary
    const table = await tableOf(summary.table)
    if (this.#size < 32) throw new MalformedError('a pack', `it has ${this.#size} bytes`)
    const trailer = await this.#complete(table)
    this.#ended = true
    const { path, file } = this.#writing
    const id = `pack-${toHex(trailer)}`
    const [pack, idx] = [`${path}/pack/${id}.pack`, `${path}/pack/${id}.idx`]
    // Nobody sees any of them before the directory has its name: in which order they come is all the same.
    const end = async (): Promise<void> => {
      await file.sync()
      await file.close()
      await rename(`${path}/pack/new`, pack)
    }
    await Promise.all([
      end(),
      writeSynced(idx, encodeStockIdx(table, trailer, nodeRuntime)),
      writeSynced(`${path}/index`, table.encodeIndex()),
      summary.promisor === true && this.#markPromisor(id, table),
    ])
    // Read-only, as Git's are.
    await Promise.all([chmod(pack, 0o444), chmod(idx, 0o444)])
    await syncDirectory(`${path}/pack`)
    await this.#keep(id)
    return { id, size: this.#size, objects: table.count, verified }
  }

  async #markPromisor(id: PackId, table: PackTable): Promise<void> {
    const { path } = this.#writing
    await writeSynced(`${path}/pack/${id}.promisor`, '')
    const named = namedOutside(table)
    if (named !== undefined) await writeSynced(`${path}/promised`, named)
  }

  async abort(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    await this.#writing.file.close()
    await rm(this.#writing.path, { recursive: true, force: true })
  }

  /** Puts in what a thin pack lacks. Returns the trailer. */
  async #complete(table: PackTable): Promise<Uint8Array> {
    const { resolveBase } = this.#writing
    const file = {
      size: this.#size,
      read: (start: number, end: number) => this.read(start, end),
      write: async (offset: number, bytes: Uint8Array) => {
        await this.#writeAt(offset, bytes)
        this.#size = Math.max(this.#size, offset + bytes.length)
      },
    }
    const { trailer } = await completePack(file, table, { runtime: nodeRuntime, resolveBase })
    return trailer
  }

  async #writeAt(position: number, bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const rest = bytes.length - done
      const { bytesWritten } = await this.#writing.file.write(bytes, done, rest, position + done)
      done += bytesWritten
    }
  }

  /** Gives the directory the first name that is free, and makes those before it young again. */
  async #keep(id: PackId): Promise<void> {
    for (let number = 0; ; number++) {
      const target = `${this.#stage}/${nameOf(id, number)}`
      try {
        await rename(this.#writing.path, target)
        break
      } catch (error) {
        if (errorCode(error) !== 'ENOTEMPTY' && errorCode(error) !== 'EEXIST') throw error
        await ifThere(utimes(target, new Date(), new Date()))
        // The first of equal packs is the one that becomes visible.
        for (const name of [`pack/${id}.promisor`, 'promised'])
          await ifThere(linkUnlessThere(`${this.#writing.path}/${name}`, `${target}/${name}`))
      }
    }
    await syncDirectory(this.#stage)
  }
}

/** The table that a pack is completed in, and that the index of stock Git is made of. */
async function tableOf(contents: PackContents): Promise<PackTable> {
  if (contents instanceof PackTable) return contents
  return tableOfIndex(await openPackIndexBytes(contents.encodeIndex()))
}
