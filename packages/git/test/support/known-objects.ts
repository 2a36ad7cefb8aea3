/**
 * Every object of a repository of Git's, and what each names: read plainly, so that tests can tell what a client has.
 *
 * @module
 */
import { readCommitLinks } from '../../src/commit.ts'
import type { GitObject, ObjectType } from '../../src/object.ts'
import { parseOid, readOid, type Oid } from '../../src/oid.ts'
import { readTagLinks } from '../../src/tag.ts'
import { isGitlinkMode, TreeCursor } from '../../src/tree.ts'
import type { RealRepository } from '../real-git.ts'

/** The objects of a repository, by name. */
export class KnownObjects {
  readonly objects = new Map<Oid, GitObject>()

  constructor(git: RealRepository) {
    const all = Buffer.from(git.bytes(['cat-file', '--batch', '--batch-all-objects']))
    for (let at = 0; at < all.length;) {
      const end = all.indexOf(10, at)
      const [oid = '', type = '', size = ''] = all.toString('latin1', at, end).split(' ')
      const body = Uint8Array.from(all.subarray(end + 1, end + 1 + Number(size)))
      this.objects.set(parseOid(oid), { type: type as ObjectType, body })
      at = end + 2 + Number(size)
    }
  }

  /** The oids of a type, in the order of the oids. */
  ofType(type: ObjectType): Oid[] {
    return [...this.objects].flatMap(([oid, object]) => (object.type === type ? [oid] : []))
  }

  /** What the oids reach, themselves included, where the parents of some commits are left out. */
  reach(oids: Iterable<Oid>, shallow: ReadonlySet<Oid> = new Set()): Set<Oid> {
    const found = new Set<Oid>()
    const open = [...oids]
    for (let oid = open.pop(); oid !== undefined; oid = open.pop()) {
      if (found.has(oid) || !this.objects.has(oid)) continue
      found.add(oid)
      open.push(...this.#namedBy(oid, shallow))
    }
    return found
  }

  #namedBy(oid: Oid, shallow: ReadonlySet<Oid>): Oid[] {
    const object = this.objects.get(oid)
    if (object === undefined || object.type === 'blob') return []
    const { type, body } = object
    if (type === 'tag') return [readTagLinks(body).target]
    if (type === 'commit') {
      const { tree, parents } = readCommitLinks(body)
      return shallow.has(oid) ? [tree] : [tree, ...parents]
    }
    const children: Oid[] = []
    for (const cursor = new TreeCursor(body); cursor.next();)
      if (!isGitlinkMode(cursor.mode)) children.push(readOid(body, cursor.oidStart))
    return children
  }
}
