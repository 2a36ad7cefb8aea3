/**
 * Checking links: whether everything that the refs lead to is there, is what it must be, and can be read.
 *
 * Commits, trees and tags are read, not believed from an index. What is missing is told once, with what names it. Commits
 * that are shallow on purpose lead to no parents, and objects that were left with a remote need not be here.
 *
 * @module
 */
import { readCommitLinks } from '@datakit/git/commit'
import { GitError } from '@datakit/git/error'
import type { GitObject } from '@datakit/git/object'
import type { Objects } from '@datakit/git/objects'
import { encodeOid, type Oid } from '@datakit/git/oid'
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

/** Objects that are looked at together. */
const BATCH = 256

/** Follows all links from the roots. */
export async function* checkLinks(
  objects: Objects,
  roots: readonly Root[],
  options: CheckLinksOptions,
): AsyncGenerator<CheckEvent, Reached> {
  const walk = new LinkWalk(objects, options)
  for (const root of roots) walk.addRoot(root)
  for (let batches = 0; !walk.isDone; batches++) {
    options.signal?.throwIfAborted()
    yield* await walk.step()
    if (batches % 16 === 0) yield progress('links', walk.done, walk.size)
  }
  return { count: walk.size - walk.lost.length, lost: walk.lost }
}

class LinkWalk {
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

  /** Looks at the next objects; gives what is wrong with them. */
  async step(): Promise<CheckEvent[]> {
    const batch = this.#open.splice(-BATCH)
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
