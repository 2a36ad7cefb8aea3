/**
 * Pack writer: takes a pack as it comes and keeps it as one unit.
 *
 * R2 wants to know how long an object is before it comes, or gets it as a multipart upload, whose parts have one size
 * and cannot be read before the upload is complete. So a pack up to {@link PART} stays in memory and becomes one put,
 * together with its index. Of a larger one every full part goes out twice at the same time: as a part of the upload, and
 * as a staging object that can be read by range, since deltas need bases that came earlier. At the end the upload is
 * completed and the staging objects are deleted.
 *
 * Cost of a pack of n full parts: 2n + 3 writes (n parts, n staging objects, the last part, create, complete), one free
 * delete, and no read but for bases. Memory: one part, which is used again and again.
 *
 * @module
 */
import { concat } from '@datakit/git/bytes'
import { release } from '@datakit/git/memory'
import { UnavailableError } from '@datakit/git/error'
import type { PackSummary, PackWriter, StagedPack } from '@datakit/git/place'
import { deleteAll, type BucketPart, type BucketUpload } from './bucket.ts'
import { objectKey, packId } from './keys.ts'
import type { CatalogRow } from './catalogs.ts'
import type { Store } from './store.ts'
import type { NewPack, Tail } from './tail.ts'
import { encodeUnitEnd, type Unit } from './unit.ts'

/** Bytes of a part, and of the largest pack that is held in memory: 8 MiB (R2 wants at least 5). */
export const PART = 8 * 1024 * 1024

const FIRST_BUFFER = 64 * 1024

/** Where a pack goes. */
export interface PackTarget {
  readonly store: Store
  readonly repository: string
  /** Key of the root that may name it. */
  readonly root: string
  /** Its id under `p/REPOSITORY/`. */
  readonly id: string
  /** The merged index to lie behind that of the pack, if there should be one. */
  makeTail(pack: NewPack): Promise<Tail | undefined>
  /** Told of the unit once it is kept. */
  staged(unit: Unit): void
}

/** Starts a pack. Nothing is sent before a part is full. */
export function writeUnit(target: PackTarget): PackWriter {
  return new UnitWriter(target)
}

class UnitWriter implements PackWriter {
  readonly #target: PackTarget
  readonly #key: string
  #buffer = new Uint8Array(FIRST_BUFFER)
  /** Bytes in the buffer that are taken. */
  #filled = 0
  #upload: BucketUpload | undefined
  #parts: BucketPart[] = []
  #staged: string[] = []
  #ended = false

  constructor(target: PackTarget) {
    this.#target = target
    this.#key = objectKey('p', target.repository, target.id)
  }

  async write(piece: Uint8Array): Promise<void> {
    if (this.#ended) throw new TypeError('Cannot write to a pack that has ended')
    await this.#take(piece, 'staged')
  }

  async read(start: number, end: number): Promise<Uint8Array> {
    if (start < 0 || end > this.#size || start > end)
      throw new RangeError(`Not written yet: ${start} to ${end}`)
    const pieces: Uint8Array[] = []
    for (let at = start; at < end;) {
      const part = Math.floor(at / PART)
      const stop = Math.min(end, (part + 1) * PART)
      const [from, to] = [at - part * PART, stop - part * PART]
      const key = this.#staged[part]
      pieces.push(
        key === undefined
          ? this.#buffer.slice(from, to)
          : await this.#target.store.read(key, from, to),
      )
      at = stop
    }
    return pieces.length === 1 && pieces[0] ? pieces[0] : concat(pieces)
  }

  async finish(summary: PackSummary): Promise<StagedPack> {
    if (this.#ended) throw new TypeError('Cannot finish a pack that has ended')
    const { repository, id, root } = this.#target
    const size = this.#size
    const index = summary.table.encodeIndex()
    const { needs, verified, replaces = [] } = summary
    const named = packId(repository, id)
    const tail = await this.#target.makeTail({ id: named, index, verified, replaces })
    const objects = summary.table.count
    const info = {
      id: named,
      size,
      indexSize: index.length,
      objects,
      needs,
      verified,
    }
    const unit: Unit = {
      info,
      root,
      tail: tail && this.#catalogRow(info.size + info.indexSize, tail),
    }
    await this.#keep([index, encodeUnitEnd(unit, tail?.bytes ?? new Uint8Array())])
    this.#target.staged(unit)
    return { id: info.id, size, objects, verified }
  }

  async abort(): Promise<void> {
    if (this.#ended) return
    this.#end()
    // An upload that stays open is dropped by R2 itself after seven days, a staging object by the sweep.
    await Promise.allSettled([
      this.#upload?.abort(),
      deleteAll(this.#target.store.bucket, this.#staged),
    ])
  }

  get #size(): number {
    return this.#staged.length * PART + this.#filled
  }

  #catalogRow(start: number, tail: Tail): CatalogRow {
    return { key: this.#key, start, size: tail.bytes.length, covers: tail.covers }
  }

  /** Copies bytes into the buffer and sends it off whenever it is full. */
  async #take(piece: Uint8Array, how: 'staged' | 'only sent'): Promise<void> {
    for (let at = 0; at < piece.length;) {
      if (this.#filled === PART) await this.#send(how)
      this.#grow(Math.min(PART, this.#filled + piece.length - at))
      const length = Math.min(piece.length - at, PART - this.#filled)
      this.#buffer.set(piece.subarray(at, at + length), this.#filled)
      this.#filled += length
      at += length
    }
  }

  #grow(needed: number): void {
    if (needed <= this.#buffer.length) return
    // A pack that does not stay small gets a whole part at once: each step between would be garbage as large as itself.
    const larger = new Uint8Array(
      needed > PART / 8 ? PART : Math.max(needed, 2 * this.#buffer.length),
    )
    larger.set(this.#buffer.subarray(0, this.#filled))
    this.#buffer = larger
  }

  /** Sends what is in the buffer as the next part; the buffer is free again afterwards. */
  async #send(how: 'staged' | 'only sent'): Promise<void> {
    const { store, repository, id } = this.#target
    const bytes = this.#buffer.subarray(0, this.#filled)
    try {
      this.#upload ??= await store.bucket.createMultipartUpload(this.#key)
      const sending = this.#upload.uploadPart(this.#parts.length + 1, bytes)
      if (how === 'staged') {
        const key = `${objectKey('tmp', repository, id)}/${this.#staged.length}`
        // Both are waited for, whichever fails: the buffer must not change under the other.
        const [, stored] = await Promise.allSettled([sending, store.write(key, bytes)])
        if (stored.status === 'rejected') throw stored.reason
        this.#staged.push(key)
      }
      this.#parts.push(await sending)
      this.#filled = 0
    } catch (cause) {
      throw await this.#failed(cause)
    }
  }

  /** Ends the object with what comes behind the pack. */
  async #keep(end: readonly Uint8Array[]): Promise<void> {
    const { store } = this.#target
    if (
      !this.#upload &&
      this.#filled + end.reduce((sum, part) => sum + part.length, 0) <= 2 * PART
    ) {
      const bytes = concat([this.#buffer.subarray(0, this.#filled), ...end])
      await store.write(this.#key, bytes)
      store.remember(this.#key, bytes)
      return this.#end()
    }
    for (const part of end) await this.#take(part, 'only sent')
    const size = this.#parts.length * PART + this.#filled
    await this.#send('only sent')
    try {
      await store.settle(this.#key, size, async () => this.#upload?.complete(this.#parts))
    } catch (cause) {
      throw await this.#failed(cause)
    }
    this.#end()
    await deleteAll(store.bucket, this.#staged).catch(() => undefined)
  }

  #end(): void {
    this.#ended = true
    release(this.#buffer)
  }

  async #failed(cause: unknown): Promise<UnavailableError> {
    await this.abort()
    return new UnavailableError('Cannot keep a pack: the bucket did not take it', { cause })
  }
}
