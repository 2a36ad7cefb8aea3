/**
 * Children: what the objects of a pack name, and what each must be.
 *
 * A tree says of each child whether it is a tree or a file; a commit names a tree and commits; a tag says the type of its
 * target. Submodules are commits of other repositories and no children.
 *
 * @module
 */
import { RefusedError } from '../error.ts'
import { readCommitLinks } from '../commit.ts'
import type { GitObject, ObjectType } from '../object.ts'
import { encodeOid, type Oid } from '../oid.ts'
import { OidMap } from '../oid-map.ts'
import type { PackTable } from '../pack/pack-table.ts'
import { readTagLinks, type TagLinks } from '../tag.ts'
import { isGitlinkMode, isTreeMode, TreeCursor } from '../tree.ts'

/** What an oid stands for, as a bit; `any` where whoever names it does not say. */
export const KINDS = { commit: 1, tree: 2, blob: 4, tag: 8, any: 15 } as const

/** Bytes of a name, from which on a block of SHA-1 could be made of it and of what is around it. */
const LONG_NAME = 40

/** Collects what objects name while they pass by. */
export class Children {
  /** Every child, with the bits of what it must be: more than one where namers disagree. */
  readonly named = new OidMap()
  /** What the tags among the objects point at. */
  readonly tags = new Map<Oid, TagLinks>()
  /** Parents of those commits that were met of which the caller said that their parents may be missing. */
  readonly boundaries = new Map<Oid, readonly Oid[]>()
  readonly #shallow: ReadonlySet<Oid>
  readonly #mayLackParents: ReadonlySet<Oid>

  /** `shallow`: commits whose parents are left out on purpose; `mayLackParents`: those of which nobody knows. */
  constructor(shallow: ReadonlySet<Oid> = new Set(), mayLackParents: ReadonlySet<Oid> = new Set()) {
    this.#shallow = shallow
    this.#mayLackParents = mayLackParents
  }

  /**
   * Takes note of what an object names; whether it has room for bytes of its author's choice: a tree of short names
   * has none, since all else in it names objects that are there.
   *
   * @throws MalformedError when it cannot be read
   */
  see({ oid, type, body }: GitObject & { readonly oid: Oid }): boolean {
    if (type === 'tree') return this.#seeTree(body)
    if (type === 'commit') this.#seeCommit(oid, body)
    else if (type === 'tag') this.#seeTag(oid, body)
    return true
  }

  /** Takes note that `oid` is named by something else. */
  add(oid: Oid, kind: number): void {
    this.#add(encodeOid(oid), 0, kind)
  }

  /**
   * The children that the pack does not hold, with what they must be.
   *
   * @throws RefusedError `bad-link` when a child is of another type than an object says
   */
  outside(table: PackTable | undefined): OidMap {
    const outside = new OidMap()
    const order = table?.order()
    for (let i = 0; i < this.named.size; i++) {
      const bytes = this.named.oidBytes(i)
      const kind = this.named.value(i)
      const ordinal = order === undefined ? -1 : order.find(bytes)
      if (ordinal < 0 || table === undefined || order === undefined) {
        if (isContradiction(kind)) throw badLink(this.named.oid(i), kind)
        outside.setValue(outside.add(bytes), kind)
      } else if ((kind & KINDS[table.type(order.row(ordinal))]) !== kind && kind !== KINDS.any) {
        throw badLink(this.named.oid(i), kind, table.type(order.row(ordinal)))
      }
    }
    return outside
  }

  #seeTree(body: Uint8Array): boolean {
    let isFree = false
    for (const cursor = new TreeCursor(body); cursor.next();) {
      const isGitlink = isGitlinkMode(cursor.mode)
      if (isGitlink || cursor.oidStart - cursor.nameStart > LONG_NAME) isFree = true
      if (isGitlink) continue
      this.#add(body, cursor.oidStart, isTreeMode(cursor.mode) ? KINDS.tree : KINDS.blob)
    }
    return isFree
  }

  #seeCommit(oid: Oid, body: Uint8Array): void {
    const { tree, parents } = readCommitLinks(body)
    this.add(tree, KINDS.tree)
    if (this.#shallow.has(oid)) return
    if (this.#mayLackParents.has(oid)) this.boundaries.set(oid, parents)
    else for (const parent of parents) this.add(parent, KINDS.commit)
  }

  #seeTag(oid: Oid, body: Uint8Array): void {
    const links = readTagLinks(body)
    this.tags.set(oid, links)
    this.add(links.target, KINDS[links.type])
  }

  #add(bytes: Uint8Array, start: number, kind: number): void {
    const { named } = this
    const before = named.size
    const place = named.add(bytes, start)
    const known = place < before ? named.value(place) : KINDS.any
    // `any` takes nothing away from what somebody else says; two that differ leave both bits.
    if (known === KINDS.any) named.setValue(place, kind)
    else if (kind !== KINDS.any) named.setValue(place, known | kind)
  }
}

function isContradiction(kind: number): boolean {
  return kind !== KINDS.any && (kind & (kind - 1)) !== 0
}

function badLink(oid: Oid, kind: number, type?: ObjectType): RefusedError {
  const names: readonly ObjectType[] = ['commit', 'tree', 'blob', 'tag']
  const claims = names.filter((name) => (kind & KINDS[name]) !== 0).join(' and a ')
  const found = type === undefined ? '' : `, it is a ${type}`
  return new RefusedError('bad-link', `An object names ${oid} as a ${claims}${found}`)
}
