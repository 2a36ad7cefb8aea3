/**
 * Units: the packs of one repository, written, found and read.
 *
 * @module
 */
import { MissingError } from '@datakit/git/error'
import type { PackId, PackInfo, PackWriter } from '@datakit/git/place'
import { randomId, STAGE_LIFETIME } from '../update.ts'
import { packKey, timedId, timeOfKey } from './keys.ts'
import { writeUnit } from './pack-writer.ts'
import type { Repository } from './repository.ts'
import { WINDOW } from './store.ts'
import { streamRange } from './stream.ts'
import { makeTail } from './tail.ts'
import { readUnit, type Unit } from './unit.ts'

/** How many units are remembered, of each kind. */
const REMEMBERED = 1000

/** The packs of a repository, as all places of one name in one depot share them. */
export class Units {
  readonly #repository: Repository
  /** Random id of the repository, should its first update come from here. */
  readonly candidate = randomId()
  /** Units that were written here and that no update named yet. */
  readonly #staged = new Map<PackId, Unit>()
  /** Packs that the last root does not name: staged by others, or condemned. */
  readonly #others = new Map<PackId, PackInfo>()

  constructor(repository: Repository) {
    this.#repository = repository
  }

  /** Starts a pack. */
  async write(): Promise<PackWriter> {
    const { store, key, settings } = this.#repository
    const { root } = this.#repository.last ?? (await this.#repository.load())
    return writeUnit({
      store,
      root: key,
      repository: root.repository || this.candidate,
      id: timedId(settings.clock()),
      makeTail: (pack) => makeTail(store, this.#repository.last?.root ?? root, pack),
      staged: (unit) => remember(this.#staged, unit.info.id, unit),
    })
  }

  /** The unit of a pack that an update wants to add; `undefined` when it is gone, expired or of another repository. */
  async findStaged(id: PackId): Promise<Unit | undefined> {
    const { store, key, settings } = this.#repository
    const madeAt = timeOfKey(id)
    if (madeAt === undefined || madeAt <= settings.clock() - STAGE_LIFETIME) return undefined
    const unit = this.#staged.get(id) ?? (await readUnit(store, id))
    return unit?.root === key ? unit : undefined
  }

  /** From now on packs may have been live, so that only the bucket knows whether they are still there. */
  named(ids: readonly PackId[]): void {
    for (const id of ids) {
      const unit = this.#staged.get(id)
      this.#staged.delete(id)
      if (unit) remember(this.#others, id, unit.info)
    }
  }

  /** Bytes of a pack from `start` up to `end`, or up to its end. @throws MissingError */
  async readPack(id: PackId, start: number, end: number): Promise<Uint8Array> {
    const { size, indexSize } = await this.#info(id)
    return this.#read(id, { start, end: Math.min(end, size) }, size + indexSize)
  }

  /** The same piece by piece, by one request. @throws MissingError */
  async *streamPack(
    id: PackId,
    start: number,
    end: number,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { size } = await this.#info(id)
    const key = packKey(id)
    if (key === undefined) throw new MissingError('a pack', id)
    try {
      yield* streamRange(this.#repository.store.bucket, key, { start, end: Math.min(end, size) })
    } catch (cause) {
      if (cause instanceof MissingError) throw new MissingError('a pack', id, { cause })
      throw cause
    }
  }

  /** Bytes of a pack's index from `start` up to `end`, or up to its end. @throws MissingError */
  async readIndex(id: PackId, start: number, end: number): Promise<Uint8Array> {
    const { size, indexSize } = await this.#info(id)
    return this.#read(id, { start: size + start, end: size + Math.min(end, indexSize) }, 0)
  }

  async #read(
    id: PackId,
    range: { start: number; end: number },
    length: number,
  ): Promise<Uint8Array> {
    const key = packKey(id)
    if (key === undefined) throw new MissingError('a pack', id)
    if (range.start >= range.end) return new Uint8Array()
    const { store } = this.#repository
    try {
      // Entries of a large pack are kept by those who inflate them, not here as well.
      const read =
        length <= WINDOW
          ? store.read(key, range.start, range.end)
          : store.readOnce(key, range.start, range.end)
      return await read
    } catch (cause) {
      if (cause instanceof MissingError) throw new MissingError('a pack', id, { cause })
      throw cause
    }
  }

  async #info(id: PackId): Promise<PackInfo> {
    const live = this.#repository.last?.root.packs.find((pack) => pack.id === id)
    const known = live ?? this.#staged.get(id)?.info ?? this.#others.get(id)
    if (known) return known
    const unit = await readUnit(this.#repository.store, id)
    if (unit?.root !== this.#repository.key) throw new MissingError('a pack', id)
    remember(this.#others, id, unit.info)
    return unit.info
  }
}

function remember<T>(map: Map<PackId, T>, id: PackId, value: T): void {
  map.set(id, value)
  for (const oldest of map.keys()) {
    if (map.size <= REMEMBERED) return
    map.delete(oldest)
  }
}
