/**
 * Git files: everything that a Git directory holds, read as one moment.
 *
 * Refs are read before packs: an object is written before a ref leads to it, so whatever the refs reach is in the packs.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'

import { text } from '@datakit/git/bytes'
import { MissingError } from '@datakit/git/error'
import { isOid, type Oid } from '@datakit/git/oid'
import type { PackId, PackInfo, State } from '@datakit/git/place'

import { FileCache } from './file-cache.ts'
import { LentRefs } from './lent-refs.ts'
import { LooseObjects, type LoosePack } from './loose-objects.ts'
import { coverOf } from './pack-cover.ts'
import { ObjectDirectories } from './object-directories.ts'
import { decodeOwnState, newOwnState, type OwnState } from './own-state.ts'
import { OpenFiles, PackFiles, type FoundPack } from './pack-files.ts'
import { PromisorPacks } from './promisor-packs.ts'
import { Receipts } from './receipts.ts'
import { brokenError, RefFiles, type RefSnapshot } from './ref-files.ts'
import { Stage } from './stage.ts'

/** One moment of a Git directory. */
export interface Moment {
  readonly refs: RefSnapshot
  readonly packs: readonly PackInfo[]
  readonly own: OwnState
  readonly shallow: ReadonlySet<Oid>
  readonly version: string
}

/** The files of one Git directory, each kind with its cache. */
export class GitFiles {
  readonly directory: string
  /** Where what we work out is kept: indexes, and copies of loose objects. */
  readonly derived: string
  readonly refs: RefFiles
  readonly lent: LentRefs
  readonly packs: PackFiles
  readonly loose: LooseObjects
  readonly receipts: Receipts
  readonly stage: Stage
  readonly open = new OpenFiles()
  readonly promisors = new PromisorPacks(this)
  /** Lengths of indexes that were there: an index is never written twice. */
  readonly #indexSizes = new Map<PackId, number>()
  /** Packs that hold together what a condemned one holds. */
  readonly #covers = new Map<PackId, ReadonlySet<PackId>>()
  readonly #own: FileCache<OwnState>
  readonly #shallow = new FileCache(decodeShallow)

  /**
   * `directory` is the Git directory, `elsewhere` a stage that packs may come from too, `derived` our own directory in it, or
   * another one for who must not change it.
   */
  constructor(directory: string, elsewhere?: string, derived = `${directory}/datakit`) {
    this.directory = directory
    this.derived = derived
    this.#own = new FileCache(decodeOwnState)
    const objects = new ObjectDirectories(directory)
    this.refs = new RefFiles(directory)
    this.lent = new LentRefs(objects)
    this.packs = new PackFiles(objects)
    this.loose = new LooseObjects(objects, `${derived}/loose`)
    this.receipts = new Receipts(`${directory}/datakit`)
    this.stage = new Stage(`${directory}/datakit/stage`, elsewhere)
  }

  /** Everything as it is now. */
  async read(): Promise<Moment> {
    const refs = this.refs.read()
    const own = this.ownState()
    const shallow = this.shallow()
    const loose = await this.loose.packs()
    const found = this.packs.list()
    const live = [...loose.map(looseInfo), ...found.map((pack) => this.#info(pack, own))]
    const packs = await this.#withoutCondemned(live, own)
    return { refs, own, shallow, packs, version: versionOf({ refs, own, shallow, packs }) }
  }

  /** What the repository is to us. @throws MalformedError, UnsupportedError when that cannot be read */
  ownState(): OwnState {
    return this.#own.read(`${this.directory}/datakit/state`) ?? newOwnState('')
  }

  /** Commits whose parents were left out. */
  shallow(): ReadonlySet<Oid> {
    return this.#shallow.read(`${this.directory}/shallow`) ?? new Set()
  }

  /** Bytes of a pack: live, condemned or staged. @throws MissingError when it is gone */
  async readPack(id: PackId, start: number, end: number): Promise<Uint8Array> {
    return await this.open.read(`${await this.pathOf(id)}.pack`, start, end)
  }

  /** The same bytes piece by piece, also when the pack is removed meanwhile. @throws MissingError when it is gone before */
  async *streamPack(id: PackId, start: number, end: number): AsyncGenerator<Uint8Array, void> {
    yield* this.open.stream(`${await this.pathOf(id)}.pack`, start, end)
  }

  /** Path of a pack without `.pack`. @throws MissingError when it is gone */
  async pathOf(id: PackId): Promise<string> {
    const staged = this.stage.find(id)
    const found = this.packs.find(id) ?? (await this.loose.find(id))
    if (found !== undefined) return found.path
    if (staged !== undefined) return `${staged}/pack/${id}`
    throw new MissingError('a pack', id)
  }

  /** Where our index of a pack is, or is to be. */
  async indexPathOf(id: PackId): Promise<string> {
    const loose = await this.loose.find(id)
    if (loose !== undefined) return `${loose.path}.index`
    const staged = this.stage.find(id)
    const path = `${this.directory}/datakit/index/${id}`
    const there = statSync(path, { throwIfNoEntry: false }) !== undefined
    if (there) return path
    return staged === undefined ? `${this.derived}/index/${id}` : `${staged}/index`
  }

  /**
   * Packs without those that others took the place of. Stock Git does not know which these are: where it has deleted the
   * others, or made a pack once more that was condemned, the condemned one is what there is.
   */
  async #withoutCondemned(
    live: readonly PackInfo[],
    { condemned }: OwnState,
  ): Promise<readonly PackInfo[]> {
    const stay = live.filter(({ id }) => condemned[id] === undefined)
    if (stay.length === live.length) return live
    const ids = new Set(stay.map(({ id }) => id))
    const hidden = new Set<PackId>()
    for (const { id } of live) {
      if (ids.has(id)) continue
      const known = this.#covers.get(id)
      const isCovered = known !== undefined && [...known].every((keeper) => ids.has(keeper))
      const cover = isCovered ? known : await coverOf(this, id, stay)
      if (cover === undefined) this.#covers.delete(id)
      else {
        this.#covers.set(id, cover)
        hidden.add(id)
      }
    }
    return live.filter(({ id }) => !hidden.has(id))
  }

  #info(pack: FoundPack, own: OwnState): PackInfo {
    const { id, size, objects } = pack
    const indexSize = this.#indexSizes.get(id) ?? sizeOf(`${this.directory}/datakit/index/${id}`)
    if (indexSize > 0) this.#indexSizes.set(id, indexSize)
    const verified = !own.unverified.includes(id)
    const fixed = pack.borrowed || pack.kept
    const { promisor } = pack
    return { id, size, objects, indexSize, needs: [], verified, fixed, promisor }
  }
}

/** State as the seam has it, of a moment. */
export function stateOf(files: GitFiles, moment: Moment): State {
  const { refs, own } = moment
  return {
    version: moment.version,
    repository: own.repository,
    exists: true,
    head: refs.head,
    packs: moment.packs,
    catalogs: [],
    shallow: moment.shallow,
    aliases: refs.aliases,
    async ref(name) {
      if (refs.broken.has(name)) throw brokenError(name)
      return refs.byName.get(name)?.oid
    },
    async *refs(prefix = '') {
      for (const ref of refs.refs) if (ref.name.startsWith(prefix)) yield ref
    },
    async promised(oid) {
      return own.promised[oid] ?? (await files.promisors.remoteOf(oid))
    },
    async receipt(id) {
      return files.receipts.find(id)
    },
  }
}

function looseInfo(pack: LoosePack): PackInfo {
  return {
    id: pack.id,
    size: pack.size,
    indexSize: sizeOf(`${pack.path}.index`),
    objects: pack.oids.size,
    needs: [],
    verified: true,
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

function decodeShallow(bytes: Uint8Array): ReadonlySet<Oid> {
  return new Set(text(bytes).split('\n').filter(isOid))
}

function versionOf(moment: Omit<Moment, 'version'>): string {
  const { refs, own, shallow, packs } = moment
  const hash = createHash('sha1').update(`${own.repository} ${refs.digest}\n`)
  for (const { id, verified, promisor } of packs)
    hash.update(`${id} ${verified}${promisor === true ? ' promisor' : ''}\n`)
  for (const oid of shallow) hash.update(`${oid}\n`)
  return hash.update(JSON.stringify(own.promised)).digest('hex')
}
