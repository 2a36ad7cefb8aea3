/**
 * What a ref needs to be moved to a commit that a client made: the objects that no ref leads to yet.
 *
 * Loose objects are not enough of an answer: a client does not write an object that is here already, and one that is here
 * may be no ref's any more. So the commits are followed down to those that refs lead to, and their trees are compared with
 * their parents'.
 *
 * @module
 */
import type { GitObject } from '@datakit/git/object'
import { EMPTY_TREE, type Oid } from '@datakit/git/oid'
import { decodeCommit } from '@datakit/git/commit'
import { decodeTag } from '@datakit/git/tag'
import { decodeTree, isGitlinkMode, isTreeMode, type TreeEntry } from '@datakit/git/tree'
import { commonHaves } from '@datakit/git/transport/negotiate'
import { ALL_REFS } from '@datakit/git/transport/reach'
import type { Objects } from '@datakit/git/objects'

/** Where objects are looked for; `undefined` for one that is neither loose nor in the repository. */
export type FindObject = (oid: Oid) => Promise<GitObject | undefined>

/** What is needed. */
export interface Needed {
  readonly oids: readonly Oid[]
  /** Whether some of it was not found; it may be in a pack of the client's. */
  readonly isCut: boolean
}

/** Walks from `tip` down to what refs lead to. */
export async function findNeeded(objects: Objects, tip: Oid, find: FindObject): Promise<Needed> {
  const walk = new Walk(objects, find)
  await walk.from(tip)
  return { oids: [...walk.needed], isCut: walk.isCut }
}

class Walk {
  readonly needed = new Set<Oid>()
  isCut = false
  readonly #objects: Objects
  readonly #find: FindObject

  constructor(objects: Objects, find: FindObject) {
    this.#objects = objects
    this.#find = find
  }

  async from(tip: Oid): Promise<void> {
    const waiting = [tip]
    for (let oid = waiting.pop(); oid !== undefined; oid = waiting.pop()) {
      if (this.needed.has(oid) || (await this.#isReached(oid))) continue
      const object = await this.#take(oid)
      if (object?.type === 'tag') waiting.push(decodeTag(object.body).target)
      if (object?.type === 'tree') await this.#tree(object, undefined)
      if (object?.type !== 'commit') continue
      const { tree, parents } = decodeCommit(object.body)
      await this.#child(tree, await this.#treeOf(parents[0]))
      waiting.push(...parents)
    }
  }

  /** Whether a ref leads to a commit, or points at the object. */
  async #isReached(oid: Oid): Promise<boolean> {
    if (!(await this.#objects.has(oid))) return false
    return (await commonHaves(this.#objects, [oid], ALL_REFS)).length > 0
  }

  async #take(oid: Oid): Promise<GitObject | undefined> {
    const object = await this.#find(oid)
    if (object === undefined) this.isCut = true
    else this.needed.add(oid)
    return object
  }

  /** The tree of a commit that is here, for comparison. */
  async #treeOf(commit: Oid | undefined): Promise<Oid | undefined> {
    const object = commit && (await this.#find(commit))
    return object?.type === 'commit' ? decodeCommit(object.body).tree : undefined
  }

  /** Takes a tree, but for what it has in common with the one before it. */
  async #child(oid: Oid, before: Oid | undefined): Promise<void> {
    if (oid === before || this.needed.has(oid)) return
    const object = await this.#take(oid)
    if (object !== undefined) await this.#tree(object, before)
  }

  async #tree({ body }: GitObject, before: Oid | undefined): Promise<void> {
    const old = before && before !== EMPTY_TREE ? await this.#find(before) : undefined
    const known = new Map<string, TreeEntry>()
    if (old?.type === 'tree') for (const entry of decodeTree(old.body)) known.set(entry.name, entry)
    for (const { name, mode, oid } of decodeTree(body)) {
      const same = known.get(name)
      if (isGitlinkMode(mode) || same?.oid === oid) continue
      if (isTreeMode(mode))
        await this.#child(oid, same && isTreeMode(same.mode) ? same.oid : undefined)
      else if (!this.needed.has(oid)) await this.#take(oid)
    }
  }
}
