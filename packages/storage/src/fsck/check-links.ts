/**
 * Checking links: whether everything that the refs lead to is there, is what it must be, and can be read.
 *
 * Commits, trees and tags are read, not believed from an index. What is missing is told once, with what names it. Commits
 * that are shallow on purpose lead to no parents, and objects that were left with a remote need not be here.
 *
 * A walk can be kept between two steps and gone on with elsewhere.
 *
 * @module
 */
import { readCommitLinks } from '@datakit/git/commit'
import { GitError } from '@datakit/git/error'
import type { GitObject } from '@datakit/git/object'
import type { Objects } from '@datakit/git/objects'
import { encodeOid, OID_BYTES, type Oid } from '@datakit/git/oid'
import { OidMap } from '@datakit/git/oid-map'
import type { Located } from '@datakit/git/object-lookup'
import { readTagLinks } from '@datakit/git/tag'
import { KINDS } from '@datakit/git/transport/children'
import { isGitlinkMode, isTreeMode, TreeCursor } from '@datakit/git/tree'
import { found, messageOf, progress, type CheckEvent } from './finding.ts'

/** Something that leads to objects: a ref, or HEAD. */
export interface Root {
  readonly name: string
  readonly oid: Oid
  /** What it must lead to: bits of `KINDS`. */
  readonly kind: number
}

/** How links are followed. */
export interface CheckLinksOptions {
  /** Objects of which some copy is damaged: they are read, where others are only looked up. */
  readonly suspects: ReadonlySet<Oid>
  readonly signal?: AbortSignal | undefined
}

/** What the refs lead to. */
export interface Reached {
  readonly count: number
  /** What they lead to and is not here, or in no copy that can be read. */
  readonly lost: readonly Oid[]
}

/** A walk as it stands, as values that can be kept. */
export interface SavedWalk {
  readonly roots: readonly Root[]
  readonly lost: readonly Oid[]
  /** Every object that was named, what it must be and what named it, and which of them are still to be looked at. */
  readonly objects: Uint8Array
}

/** Objects that are looked at together. */
const BATCH = 256
/** Bytes of an object in {@link SavedWalk.objects}: its oid, what it must be, and what named it. */
const ROW = OID_BYTES + 1 + 4

/** Follows all links from the roots. */
export async function* checkLinks(
  objects: Objects,
  roots: readonly Root[],
  options: CheckLinksOptions,
): AsyncGenerator<CheckEvent, Reached> {
  const walk = new LinkWalk(objects, options)
  for (const root of roots) walk.addRoot(root)
  yield* walk.run(Infinity, options.signal)
  return walk.reached
}

/** A walk over links, on its way. */
export class LinkWalk {
  readonly lost: Oid[] = []
  readonly #objects: Objects
  readonly #suspects: ReadonlySet<Oid>
  /** Every object that was named; its value is what it must be. */
  readonly #named = new OidMap()
  /** What named each object first: its place, or for a root a negative number. */
  readonly #namers: number[] = []
  readonly #roots: Root[] = []
  #open: number[] = []
  #findings: CheckEvent[] = []

  constructor(objects: Objects, { suspects }: CheckLinksOptions) {
    this.#objects = objects
    this.#suspects = suspects
  }

  /** A walk that goes on where another was when it was kept. */
  static resume(objects: Objects, saved: SavedWalk, options: CheckLinksOptions): LinkWalk {
    const walk = new LinkWalk(objects, options)
    walk.#roots.push(...saved.roots)
    walk.lost.push(...saved.lost)
    const view = new DataView(
      saved.objects.buffer,
      saved.objects.byteOffset,
      saved.objects.byteLength,
    )
    const size = view.getUint32(0)
    for (let place = 0, at = 4; place < size; place++, at += ROW) {
      walk.#named.setValue(walk.#named.add(saved.objects, at), view.getUint8(at + OID_BYTES))
      walk.#namers.push(view.getInt32(at + OID_BYTES + 1))
    }
    for (let at = 4 + size * ROW; at < view.byteLength; at += 4) walk.#open.push(view.getUint32(at))
    return walk
  }

  /** The walk as it stands between two steps. */
  save(): SavedWalk {
    const { size } = this.#named
    const objects = new Uint8Array(4 + size * ROW + 4 * this.#open.length)
    const view = new DataView(objects.buffer)
    view.setUint32(0, size)
    for (let place = 0, at = 4; place < size; place++, at += ROW) {
      objects.set(this.#named.oidBytes(place), at)
      view.setUint8(at + OID_BYTES, this.#named.value(place))
      view.setInt32(at + OID_BYTES + 1, this.#namers[place] ?? -1)
    }
    for (const [i, place] of this.#open.entries()) view.setUint32(4 + size * ROW + 4 * i, place)
    return { roots: this.#roots, lost: this.lost, objects }
  }

  /** How many roots it began at. */
  get roots(): number {
    return this.#roots.length
  }

  /** What the refs lead to, once the walk is done. */
  get reached(): Reached {
    return { count: this.size - this.lost.length, lost: this.lost }
  }

  /** Looks at so many objects, or all that are left. */
  async *run(most: number, signal: AbortSignal | undefined): AsyncGenerator<CheckEvent, void> {
    const end = this.done + most
    for (let batches = 0; !this.isDone && this.done < end; batches++) {
      signal?.throwIfAborted()
      yield* await this.#step(end - this.done)
      if (batches % 16 === 0) yield progress('links', this.done, this.size)
    }
  }

  get size(): number {
    return this.#named.size
  }

  get done(): number {
    return this.#named.size - this.#open.length
  }

  get isDone(): boolean {
    return this.#open.length === 0
  }

  addRoot(root: Root): void {
    this.#roots.push(root)
    this.#name(encodeOid(root.oid), 0, { kind: root.kind, namer: -this.#roots.length })
  }

  /** Looks at the next objects, at most so many; gives what is wrong with them. */
  async #step(most: number): Promise<CheckEvent[]> {
    const batch = this.#open.splice(-Math.min(BATCH, most))
    const copies = await Promise.all(batch.map((place) => this.#locate(place)))
    // In the order in which they are stored, as far as that is one pack.
    this.#objects.prefetch(copies.flatMap((copy) => (copy && isLinked(copy) ? [copy] : [])))
    for (const [i, place] of batch.entries()) await this.#look(place, copies[i])
    return this.#findings.splice(0)
  }

  async #locate(place: number): Promise<Located | undefined> {
    try {
      return (await this.#objects.locate(this.#named.oid(place)))[0]
    } catch (error) {
      if (error instanceof GitError && error.code !== 'unavailable') return undefined
      throw error
    }
  }

  async #look(place: number, copy: Located | undefined): Promise<void> {
    const oid = this.#named.oid(place)
    if (copy === undefined) return this.#lose(place, 'is not there')
    const type = copy.index.type(copy.ordinal)
    const must = this.#named.value(place)
    if ((KINDS[type] & must) === 0) this.#mistype(place, type)
    if (type === 'blob' && !this.#suspects.has(oid)) return
    try {
      this.#follow(place, await this.#objects.read(oid))
    } catch (error) {
      if (!(error instanceof GitError) || error.code === 'unavailable') throw error
      await this.#lose(place, `cannot be read: ${messageOf(error)}`)
    }
  }

  /** Takes in what an object names. */
  #follow(place: number, { type, body }: GitObject): void {
    if (type === 'tree') {
      for (const cursor = new TreeCursor(body); cursor.next();) {
        if (isGitlinkMode(cursor.mode)) continue
        const kind = isTreeMode(cursor.mode) ? KINDS.tree : KINDS.blob
        this.#name(body, cursor.oidStart, { kind, namer: place })
      }
    } else if (type === 'commit') {
      const { tree, parents } = readCommitLinks(body)
      this.#name(encodeOid(tree), 0, { kind: KINDS.tree, namer: place })
      if (this.#objects.state.shallow.has(this.#named.oid(place))) return
      for (const parent of parents)
        this.#name(encodeOid(parent), 0, { kind: KINDS.commit, namer: place })
    } else if (type === 'tag') {
      const { target, type: kind } = readTagLinks(body)
      this.#name(encodeOid(target), 0, { kind: KINDS[kind], namer: place })
    }
  }

  #name(bytes: Uint8Array, start: number, { kind, namer }: { kind: number; namer: number }): void {
    const before = this.#named.size
    const place = this.#named.add(bytes, start)
    if (place < before) return
    this.#named.setValue(place, kind)
    this.#namers[place] = namer
    this.#open.push(place)
  }

  async #lose(place: number, problem: string): Promise<void> {
    const oid = this.#named.oid(place)
    if ((await this.#objects.state.promised(oid)) !== undefined) return
    this.lost.push(oid)
    const message = `${kindOf(this.#named.value(place))} ${oid}, which ${this.#namerOf(place)} names, ${problem}`
    this.#findings.push(found('missing', oid, { message, remedy: 'copy' }))
  }

  #mistype(place: number, type: string): void {
    const oid = this.#named.oid(place)
    const must = kindOf(this.#named.value(place))
    const message = `${this.#namerOf(place)} names ${oid} as a ${must}, it is a ${type}`
    this.#findings.push(found('wrong-type', oid, { message }))
  }

  #namerOf(place: number): string {
    const namer = this.#namers[place] ?? -1
    return namer < 0 ? (this.#roots[-namer - 1]?.name ?? 'a ref') : this.#named.oid(namer)
  }
}

function isLinked({ index, ordinal }: Located): boolean {
  return index.type(ordinal) !== 'blob'
}

function kindOf(kind: number): string {
  const names = ['commit', 'tree', 'blob', 'tag'] as const
  return names.find((name) => KINDS[name] === kind) ?? 'object'
}
