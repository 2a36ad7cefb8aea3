/**
 * Draft: objects that were made and are not stored yet, laid over those that are.
 *
 * A transaction and a merge write into a draft; {@link Draft.encode} then makes one pack of what the new commits reach.
 * What was written on the way and is not reached (a file that was written twice, the virtual bases of a merge) is left
 * behind.
 *
 * @module
 */
import { encodeCommit, type Commit } from '@datakit/git/commit'
import { makeIdentity } from '@datakit/git/identity'
import type { GitObject, ObjectType } from '@datakit/git/object'
import { decodeOids, encodeOid, readOid, type Oid } from '@datakit/git/oid'
import { encodePack, type PackObject } from '@datakit/git/pack/write-pack'
import { readLinks, type Links } from '@datakit/git/pack/links'
import { objectNameBytes } from '@datakit/git/pack/object-name'
import type { PackId, StagedPack } from '@datakit/git/place'
import { editTree, findEntry, isGitlinkMode, TreeCursor } from '@datakit/git/tree'
import type { Side } from '../merge/conflict.ts'
import type { LinkSource } from '../history/history.ts'
import type { MergeContent } from '../merge/merge.ts'
import { readTreeBody, type StatSource } from '../files/object-source.ts'
import type { OnDemand } from '../files/demand.ts'
import type { Person, Store } from '../store.ts'

/** Trees above this are stored as deltas against the version before them. */
export const LARGE_TREE = 4 * 1024
/** Deltas on deltas end at this many; the next version is stored whole. */
export const MAX_CHAIN = 32

/** A pack that waits for its update. */
export interface Stage {
  readonly staged: StagedPack
  /** Packs that hold bases of its deltas. */
  readonly needs: readonly PackId[]
  readonly objects: readonly PackObject[]
}

/** A commit that is made now. */
export interface NewCommit {
  readonly tree: Oid
  readonly parents: readonly Oid[]
  readonly message: string
  readonly author?: Person | undefined
  readonly committer?: Person | undefined
}

/** Edits of one directory, by name: what to put there, `undefined` to remove it. */
export type TreeEdits = ReadonlyMap<string, Side | undefined>

/** Objects on top of a repository. */
export class Draft implements StatSource, LinkSource {
  readonly #store: Store
  /** See {@link Store}. */
  readonly mergeContent: MergeContent | undefined
  readonly #objects = new Map<Oid, PackObject>()

  constructor(store: Store) {
    this.#store = store
    this.mergeContent = store.mergeContent
  }

  async read(oid: Oid): Promise<GitObject> {
    return this.#objects.get(oid) ?? this.#store.read(oid)
  }

  async stat(oid: Oid): Promise<{ readonly type: ObjectType; readonly size: number }> {
    const drafted = this.#objects.get(oid)
    return drafted ? { type: drafted.type, size: drafted.body.length } : this.#store.stat(oid)
  }

  async links(oid: Oid): Promise<Links | undefined> {
    return this.#objects.get(oid)?.links ?? this.#store.links(oid)
  }

  get onDemand(): OnDemand | undefined {
    return this.#store.onDemand
  }

  get shallow(): ReadonlySet<Oid> {
    return this.#store.shallow
  }

  /** Keeps a file; `body` must not change afterwards. */
  writeBlob(body: Uint8Array): Promise<Oid> {
    return this.#write({ type: 'blob', body })
  }

  /** Keeps a commit; its generation is worked out from its parents. */
  async writeCommit(commit: Commit): Promise<Oid> {
    const { tree, parents, committer } = commit
    const generations = await Promise.all(parents.map((parent) => this.#generation(parent)))
    // 0 stands for "nobody worked it out": of one parent, so of the child.
    const generation = generations.includes(0) ? 0 : Math.max(0, ...generations) + 1
    const links: Links = { kind: 'commit', tree, parents, time: committer.seconds, generation }
    return this.#write({ type: 'commit', body: encodeCommit(commit), links })
  }

  /** Keeps a commit of now, or of the latest of its parents if the clock is behind them. */
  async writeNewCommit(commit: NewCommit): Promise<Oid> {
    const { tree, parents } = commit
    let newest = 0
    for (const parent of parents) {
      const links = await this.links(parent)
      if (links?.kind === 'commit') newest = Math.max(newest, links.time)
    }
    const committer = makeIdentity(this.#store.stamp(commit.committer, newest))
    // Who says nothing of the author means the same moment.
    const { author: who } = commit
    const author = makeIdentity({ ...committer, ...this.#store.person(who), ...who })
    return this.writeCommit({
      tree,
      parents,
      author,
      committer,
      headers: [],
      message: closeLine(commit.message),
    })
  }

  /** Keeps the tree that `edits` make of the tree `base`, and gives its oid; `undefined` when nothing is left in it. */
  async editTree(base: Oid | undefined, edits: TreeEdits): Promise<Oid | undefined> {
    const before = await readTreeBody(this, base)
    const real = new Map<string, Side | undefined>()
    const removed: Oid[] = []
    for (const [name, value] of edits) {
      const old = findEntry(before, name)
      if (isSame(old, value)) continue
      real.set(name, value)
      if (old && !isGitlinkMode(old.mode)) removed.push(old.oid)
    }
    if (base !== undefined && real.size === 0) return before.length === 0 ? undefined : base
    const { body, delta } = editTree(before, real)
    if (body.length === 0) return undefined
    if (base === undefined) return this.#write({ type: 'tree', body })
    return this.#write({
      type: 'tree',
      body,
      links: { kind: 'tree', against: base, removed, added: addedBy(real) },
      delta: body.length > LARGE_TREE ? { base, bytes: delta } : undefined,
    })
  }

  /** The entry of a tree, on the way to `path`. */
  async find(tree: Oid, name: string, path?: string): Promise<Side | undefined> {
    const entry = findEntry(await readTreeBody(this, tree, path), name)
    return entry && { mode: entry.mode, oid: entry.oid }
  }

  /** Keeps the tree without entries, for a commit that has no file. */
  writeEmptyTree(): Promise<Oid> {
    return this.#write({ type: 'tree', body: new Uint8Array(0) })
  }

  /**
   * Writes one pack of what `tips` reach in the draft, invisible until an update names it; `undefined` when they reach
   * nothing that is not stored.
   */
  async stage(tips: readonly Oid[]): Promise<Stage | undefined> {
    const objects = this.#collect(tips)
    if (objects.size === 0) return undefined
    const { packed, needs } = await this.#chooseDeltas(objects)
    const { bytes, table } = await encodePack(this.#store.runtime, packed)
    const writer = await this.#store.place.writePack()
    await writer.write(bytes)
    return { staged: await writer.finish({ table, needs, verified: true }), needs, objects: packed }
  }

  async #write(object: Omit<PackObject, 'oid'>): Promise<Oid> {
    const oid = readOid(await objectNameBytes(this.#store.runtime, object))
    if (!this.#objects.has(oid)) this.#objects.set(oid, { oid, ...object })
    return oid
  }

  async #generation(commit: Oid): Promise<number> {
    const links = await this.links(commit)
    return links?.kind === 'commit' ? links.generation : 0
  }

  /** What the tips reach without leaving the draft, commits first, then trees, then blobs. */
  #collect(tips: readonly Oid[]): Map<Oid, PackObject> {
    const reached = new Map<Oid, PackObject>()
    const stack = [...tips]
    for (let oid = stack.pop(); oid !== undefined; oid = stack.pop()) {
      const object = this.#objects.get(oid)
      if (object === undefined || reached.has(oid)) continue
      reached.set(oid, object)
      stack.push(...this.#childrenOf(object))
    }
    const order = { commit: 0, tag: 1, tree: 2, blob: 3 }
    return new Map([...reached].sort(([, a], [, b]) => order[a.type] - order[b.type]))
  }

  #childrenOf({ links, type, body }: PackObject): readonly Oid[] {
    if (links?.kind === 'commit') return [links.tree, ...links.parents]
    if (type !== 'tree') return []
    // What a tree shares with a version that is in the draft itself must come along too.
    const isAgainstStored =
      links?.kind === 'tree' && links.against !== undefined && !this.#objects.has(links.against)
    return isAgainstStored
      ? links.added
      : decodeOids(readLinks(type, body)?.oids ?? new Uint8Array(0))
  }

  /** Keeps the deltas that the place can keep and that end soon enough. */
  async #chooseDeltas(
    objects: Map<Oid, PackObject>,
  ): Promise<{ packed: PackObject[]; needs: PackId[] }> {
    const needs = new Set<PackId>()
    const packed: PackObject[] = []
    for (const object of objects.values()) {
      const home = object.delta && (await this.#homeOf(object.delta.base))
      const delta = home === undefined ? undefined : object.delta
      const { oid, type, body } = object
      packed.push({ oid, type, body, links: proveRemoved(object), delta })
      if (home !== undefined) needs.add(home)
    }
    return { packed, needs: [...needs] }
  }

  /** The pack that the base of a delta is in; `undefined` when no delta should be made of it. */
  async #homeOf(base: Oid): Promise<PackId | undefined> {
    if (!this.#store.place.traits.keepsThinPacks) return undefined
    const { objects } = this.#store
    const [stored] = await objects.locate(base)
    if (stored === undefined) return undefined
    let at: Oid | undefined = base
    for (let depth = 1; depth <= MAX_CHAIN; depth++) {
      const [located]: Awaited<ReturnType<typeof objects.locate>> = await objects.locate(at)
      if (located === undefined) return undefined
      const link = located.index.base(located.ordinal)
      at = located.index.linkOid(link)
      if (at === undefined) return stored.pack.id
    }
    return undefined
  }
}

/** A message that ends with a line end, as Git's own do. */
function closeLine(message: string): string {
  return message === '' || message.endsWith('\n') ? message : `${message}\n`
}

function isSame(found: Side | undefined, value: Side | undefined): boolean {
  return found?.mode === value?.mode && found?.oid === value?.oid
}

function addedBy(edits: TreeEdits): readonly Oid[] {
  const added = new Set<Oid>()
  for (const side of edits.values()) if (side && !isGitlinkMode(side.mode)) added.add(side.oid)
  return [...added]
}

/** Children that left one name and may still be there under another are no longer told of as removed if they are. */
function proveRemoved({ body, links }: PackObject): Links | undefined {
  if (links?.kind !== 'tree' || links.against === undefined) return links
  const added = new Set(links.added)
  const gone = new Set(links.removed.filter((oid) => !added.has(oid)))
  const firsts = new Set([...gone].map((oid) => encodeOid(oid)[0]))
  for (const cursor = new TreeCursor(body); gone.size > 0 && cursor.next();)
    if (firsts.has(body[cursor.oidStart])) gone.delete(cursor.oid())
  return { ...links, removed: [...gone] }
}
