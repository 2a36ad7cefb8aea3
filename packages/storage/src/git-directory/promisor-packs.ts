/**
 * Promisor packs: what Git takes for promised in a partial clone.
 *
 * A pack with a `.promisor` beside it is from a remote that has whatever the pack names. So an object that is not here was
 * left with the remote if a tree, a commit or a tag of such a pack names it; anything else that is missing is a loss. What
 * a pack names and does not hold is kept as `datakit/promised/<pack>`, 20 bytes an oid, ascending, and is worked out from the
 * pack where that is missing.
 *
 * Spec: https://git-scm.com/docs/partial-clone
 *
 * @module
 */
import { mkdir } from 'node:fs/promises'

import { MissingError } from '@datakit/git/error'
import { encodeOid, OID_BYTES, type Oid } from '@datakit/git/oid'
import { distinctRows } from '@datakit/git/pack/distinct-rows'
import { namedOutside } from '@datakit/git/pack/named-outside'
import { fanOutOf, findOid } from '@datakit/git/pack/oid-order'
import type { PackTable } from '@datakit/git/pack/pack-table'
import { readPack } from '@datakit/git/pack/read-pack'
import type { PackId } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'

import { readConfig } from './config.ts'
import { readIfThere, replaceFile } from './durable.ts'
import { piecesOf, type FoundPack, type OpenFiles, type PackFiles } from './pack-files.ts'
import { promisorRemotes } from './promisor-config.ts'

/** Oids that are searched. */
interface Named {
  readonly fanOut: Uint32Array
  readonly sorted: Uint8Array
}

/** What finding needs of a Git directory. */
export interface PromisorSource {
  readonly directory: string
  /** Where what is worked out is kept. */
  readonly derived: string
  readonly packs: PackFiles
  readonly open: OpenFiles
}

/** How long a reading of the configuration counts, in milliseconds. */
const CONFIG_AGE = 100

/** How often packs that others replace meanwhile are looked for again. */
const ATTEMPTS = 5

/** The promisor packs of one Git directory. */
export class PromisorPacks {
  readonly #source: PromisorSource
  #known = new Map<PackId, Promise<Named>>()
  #remote: { readonly name: string | undefined; readonly at: number } | undefined

  constructor(source: PromisorSource) {
    this.#source = source
  }

  /** Name of the remote that an object was left with, `undefined` when it was with none. The object is not here. */
  async remoteOf(oid: Oid): Promise<string | undefined> {
    if (!this.#list().some(({ promisor }) => promisor)) return undefined
    const remote = this.#firstRemote()
    if (remote === undefined) return undefined
    for (let attempt = 1; ; attempt++) {
      try {
        return (await this.#isNamed(encodeOid(oid))) ? remote : undefined
      } catch (error) {
        // Stock Git has put it into another pack while it was read.
        if (!(error instanceof MissingError) || attempt === ATTEMPTS) throw error
      }
    }
  }

  /** Keeps what a pack names, for when it is asked for, if the table of its objects tells. */
  async remember(id: PackId, table: PackTable): Promise<void> {
    const named = namedOutside(table)
    if (named !== undefined) await this.#keep(id, named)
  }

  /** The remote that Git asks first. Whoever checks a repository asks for thousands of objects at a time. */
  #firstRemote(): string | undefined {
    const now = Date.now()
    if (this.#remote !== undefined && now - this.#remote.at < CONFIG_AGE) return this.#remote.name
    const [name] = promisorRemotes(readConfig(this.#source.directory))
    this.#remote = { name, at: now }
    return name
  }

  #list(): FoundPack[] {
    return this.#source.packs.list()
  }

  async #isNamed(oid: Uint8Array): Promise<boolean> {
    const packs = this.#list().filter(({ promisor }) => promisor)
    const live = new Set(packs.map(({ id }) => id))
    for (const id of this.#known.keys()) if (!live.has(id)) this.#known.delete(id)
    for (const pack of packs) {
      const { fanOut, sorted } = await this.#named(pack)
      if (findOid(fanOut, sorted, oid, 0) >= 0) return true
    }
    return false
  }

  #named(pack: FoundPack): Promise<Named> {
    const known = this.#known.get(pack.id)
    if (known !== undefined) return known
    const reading = this.#read(pack).then((sorted) => {
      return { sorted, fanOut: fanOutOf(sorted, sorted.length / OID_BYTES) }
    })
    this.#known.set(pack.id, reading)
    reading.catch(() => this.#known.delete(pack.id))
    return reading
  }

  async #read(pack: FoundPack): Promise<Uint8Array> {
    const { directory, derived, open } = this.#source
    for (const base of new Set([`${directory}/datakit`, derived])) {
      const bytes = await readIfThere(`${base}/promised/${pack.id}`)
      if (bytes !== undefined && bytes.length % OID_BYTES === 0) return bytes
    }
    const read = (start: number, end: number) => open.read(`${pack.path}.pack`, start, end)
    const writer = { read, write: async () => {} }
    const options = { runtime: nodeRuntime, writer, allowsRepeats: true }
    const { table } = await readPack(piecesOf(read), options)
    // The table of a whole pack knows all links.
    const named = namedOutside(distinctRows(table)) ?? new Uint8Array(0)
    await this.#keep(pack.id, named)
    return named
  }

  async #keep(id: PackId, named: Uint8Array): Promise<void> {
    const folder = `${this.#source.derived}/promised`
    await mkdir(folder, { recursive: true })
    await replaceFile(folder, `${folder}/${id}`, named)
  }
}
