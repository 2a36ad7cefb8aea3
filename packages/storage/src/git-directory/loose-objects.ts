/**
 * Loose objects: one file an object, `objects/ab/cdef…`, shown to readers as packs.
 *
 * Loose objects that are in no pack of ours yet are copied into a new one, `datakit/loose/loose-<digest>.pack`, so that
 * a `git commit` costs a pack of three objects and the thousand objects before it are not touched. A copy of which one
 * object is no longer loose counts no more (Git has packed or pruned it), and small ones are made into larger ones. The name is the
 * digest of what is in it, so that processes that copy the same at once make the same file.
 *
 * The empty tree is an object of every repository, whether it was ever written or not, as Git has it. A copy of it is made when
 * a commit is met that has it.
 *
 * Spec: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects ("Object Storage")
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { existsSync, statSync } from 'node:fs'
import { readFile, rename, rm, utimes } from 'node:fs/promises'
import { inflateSync } from 'node:zlib'

import { text } from '@datakit/git/bytes'
import { nameObject, type GitObject, type ObjectType } from '@datakit/git/object'
import { EMPTY_TREE, encodeOid, isOid, OID_BYTES, readOid, type Oid } from '@datakit/git/oid'
import { encodePack, type PackObject } from '@datakit/git/pack/write-pack'
import type { PackId } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'

import { ifThere, randomName, readIfThere, syncDirectory, writeSynced } from './durable.ts'
import { isQuiet, stampOf } from './file-cache.ts'
import { namesIn, type ObjectDirectories } from './object-directories.ts'

/** A copy of loose objects. */
export interface LoosePack {
  readonly id: PackId
  /** Its path without `.pack`. */
  readonly path: string
  readonly size: number
  readonly oids: ReadonlySet<Oid>
}

/** Bytes of bodies after which another pack is begun. */
const PACK_BYTES = 32 << 20

const emptyTree = { oid: EMPTY_TREE, type: 'tree', body: new Uint8Array(0) } as const
/** How a commit begins that has it. */
const LINE = `tree ${EMPTY_TREE}`
const EMPTY_COPY = nameCopy([EMPTY_TREE])

function nameCopy(oids: readonly Oid[]): PackId {
  return `loose-${createHash('sha1').update(oids.join('')).digest('hex')}`
}

interface Listing {
  readonly stamp: string
  readonly trusted: boolean
  readonly oids: readonly Oid[]
}

/** The loose objects of one repository. */
export class LooseObjects {
  readonly #directories: ObjectDirectories
  readonly #copies: string
  readonly #listings = new Map<string, Listing>()
  readonly #packs = new Map<PackId, LoosePack>()
  #last: { readonly key: string; readonly packs: readonly LoosePack[] } = { key: '', packs: [] }
  #running: Promise<unknown> = Promise.resolve()

  /** `copies` is the directory that the copies go to. */
  constructor(directories: ObjectDirectories, copies: string) {
    this.#directories = directories
    this.#copies = copies
  }

  /** Packs that hold every loose object there is. Makes those that are missing. */
  async packs(): Promise<readonly LoosePack[]> {
    const next = this.#running.then(() => this.#refresh())
    this.#running = next.catch(() => undefined)
    return await next
  }

  /** Makes a copy of the empty tree, for commits that have it where nobody wrote it. */
  async addEmptyTree(): Promise<void> {
    if (!existsSync(`${this.#copies}/${EMPTY_COPY}.pack`)) await this.#write([emptyTree])
  }

  /** A copy by its name, also one that counts no more, as long as its file is there. */
  async find(id: PackId): Promise<LoosePack | undefined> {
    return /^loose-[0-9a-f]{40}$/.test(id) ? await this.#load(id) : undefined
  }

  /** Marks the objects of a copy as used, as Git does, so that they are not pruned for their age. */
  async freshen(pack: LoosePack): Promise<void> {
    const now = new Date()
    for (const oid of pack.oids) {
      for (const path of this.#pathsOf(oid)) await ifThere(utimes(path, now, now))
    }
  }

  /** Removes copies that count no more and were made before a time in milliseconds since 1970. Returns how many. */
  async sweep(before: number, condemned: ReadonlySet<PackId>): Promise<number> {
    const live = new Set((await this.packs()).map(({ id }) => id))
    let deleted = 0
    for (const name of namesIn(this.#copies)) {
      const id = name.replace(/\.[a-z]+$/, '')
      const stat = statSync(`${this.#copies}/${name}`, { throwIfNoEntry: false })
      if ((live.has(id) && !condemned.has(id)) || stat === undefined) continue
      // One that is condemned still tells which loose objects need no copy: it stays until they are gone.
      if (live.has(id) || stat.mtimeMs > before) continue
      await rm(`${this.#copies}/${name}`, { force: true })
      this.#packs.delete(id)
      if (name.endsWith('.pack')) deleted++
    }
    return deleted
  }

  async #refresh(): Promise<readonly LoosePack[]> {
    const loose = this.#list()
    const hasEmptyTree = existsSync(`${this.#copies}/${EMPTY_COPY}.pack`)
    const key = [...loose, hasEmptyTree].join('')
    if (key === this.#last.key) return this.#last.packs
    const copies = namesIn(this.#copies).filter((name) => name.endsWith('.pack'))
    const all = await Promise.all(copies.map((name) => this.#load(name.slice(0, -5))))
    if (all.some((pack) => pack?.oids.has(EMPTY_TREE))) loose.add(EMPTY_TREE)
    const usable = all.filter((pack) => pack !== undefined && isWithin(pack.oids, loose))
    const kept = keepLarge(
      loose,
      usable.filter((pack) => pack !== undefined),
    )
    const packs = [...kept, ...(await this.#copy(without(loose, kept)))]
    this.#last = { key, packs }
    return packs
  }

  /** Every loose object. */
  #list(): Set<Oid> {
    const oids = new Set<Oid>()
    for (const directory of this.#directories.list()) {
      for (const step of namesIn(directory)) {
        if (!/^[0-9a-f]{2}$/.test(step)) continue
        for (const oid of this.#listOne(`${directory}/${step}`, step)) oids.add(oid)
      }
    }
    return oids
  }

  #listOne(path: string, step: string): readonly Oid[] {
    const stamp = stampOf(path)
    if (stamp === '-') return []
    const kept = this.#listings.get(path)
    if (kept?.trusted === true && kept.stamp === stamp) return kept.oids
    const trusted = isQuiet(path)
    const oids = namesIn(path)
      .map((name) => step + name)
      .filter(isOid)
    this.#listings.set(path, { stamp, trusted, oids })
    return oids
  }

  async #copy(oids: readonly Oid[]): Promise<LoosePack[]> {
    const made: LoosePack[] = []
    let objects: PackObject[] = []
    let bytes = 0
    for (const oid of oids) {
      const object = await this.#read(oid)
      if (object === undefined) continue
      objects.push({ oid, ...object })
      bytes += object.body.length
      if (bytes < PACK_BYTES) continue
      made.push(await this.#write(withEmptyTree(objects)))
      ;[objects, bytes] = [[], 0]
    }
    if (objects.length > 0) made.push(await this.#write(withEmptyTree(objects)))
    return made
  }

  /** An object; `undefined` for one that is gone or broken, which is to be found missing by whoever needs it. */
  async #read(oid: Oid): Promise<GitObject | undefined> {
    if (oid === EMPTY_TREE) return emptyTree
    for (const path of this.#pathsOf(oid)) {
      const object = decodeLoose(await readIfThere(path))
      if (object !== undefined && nameObject(nodeRuntime, object) === oid) return object
    }
    return undefined
  }

  #pathsOf(oid: Oid): string[] {
    return this.#directories.list().map((each) => `${each}/${oid.slice(0, 2)}/${oid.slice(2)}`)
  }

  async #write(objects: readonly PackObject[]): Promise<LoosePack> {
    const oids = objects.map(({ oid }) => oid).sort()
    const id = nameCopy(oids)
    const path = `${this.#copies}/${id}`
    const { bytes, table } = await encodePack(nodeRuntime, objects, 1)
    // The pack comes last: a copy is there when its pack is.
    await place(`${path}.oids`, Buffer.concat(oids.map((oid) => encodeOid(oid))))
    await place(`${path}.index`, table.encodeIndex())
    await place(`${path}.pack`, bytes)
    await syncDirectory(this.#copies)
    const pack = { id, path, size: bytes.length, oids: new Set(oids) }
    this.#packs.set(id, pack)
    return pack
  }

  async #load(id: PackId): Promise<LoosePack | undefined> {
    const path = `${this.#copies}/${id}`
    const stat = statSync(`${path}.pack`, { throwIfNoEntry: false })
    const known = this.#packs.get(id)
    if (stat === undefined || known !== undefined) return stat && known
    const bytes = await ifThere(readFile(`${path}.oids`))
    if (bytes === undefined) return undefined
    const count = Math.floor(bytes.length / OID_BYTES)
    const oids = new Set(Array.from({ length: count }, (_, i) => readOid(bytes, i * OID_BYTES)))
    const pack = { id, path, size: stat.size, oids }
    this.#packs.set(id, pack)
    return pack
  }
}

/**
 * The object in a loose file, without a look at its name; `undefined` when it is cut short, has no header, or does not
 * hold what its header says.
 */
export function decodeLoose(bytes: Uint8Array | undefined): GitObject | undefined {
  if (bytes === undefined) return undefined
  let whole
  try {
    whole = inflateSync(bytes)
  } catch {
    return undefined
  }
  const end = whole.indexOf(0)
  const match = /^(commit|tree|blob|tag) (\d+)$/.exec(
    text(whole.subarray(0, Math.max(0, Math.min(end, 32)))),
  )
  const body = whole.subarray(end + 1)
  if (match === null || Number(match[2]) !== body.length) return undefined
  // The pattern has the four types and no others.
  return { type: match[1] as ObjectType, body }
}

async function place(path: string, body: Uint8Array): Promise<void> {
  const temporary = `${path}.${randomName()}.tmp`
  await writeSynced(temporary, body, 'wx')
  await rename(temporary, path)
}

/** The objects, and the empty tree where a commit of them has it. */
function withEmptyTree(objects: readonly PackObject[]): readonly PackObject[] {
  const hasIt = ({ type, body }: PackObject): boolean =>
    type === 'commit' && text(body.subarray(0, LINE.length)) === LINE
  if (objects.some(({ oid }) => oid === EMPTY_TREE) || !objects.some(hasIt)) return objects
  return [...objects, emptyTree]
}

function isWithin(oids: ReadonlySet<Oid>, all: ReadonlySet<Oid>): boolean {
  for (const oid of oids) if (!all.has(oid)) return false
  return true
}

/**
 * The copies that stay when one more is made: those that are more than twice as large as everything that the new one
 * takes over. So there are few copies, and an object is copied again a few times at most.
 */
function keepLarge(loose: ReadonlySet<Oid>, packs: readonly LoosePack[]): LoosePack[] {
  let taken = without(loose, packs).length
  if (taken === 0) return [...packs]
  const kept: LoosePack[] = []
  for (const pack of [...packs].sort((a, b) => a.oids.size - b.oids.size)) {
    if (kept.length === 0 && pack.oids.size <= 2 * taken) taken += pack.oids.size
    else kept.push(pack)
  }
  return kept
}

function without(oids: ReadonlySet<Oid>, packs: readonly LoosePack[]): Oid[] {
  return [...oids].filter((oid) => !packs.some((pack) => pack.oids.has(oid)))
}
