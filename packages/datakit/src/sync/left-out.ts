/**
 * Left out: what the server kept back of a pack since only a part was wanted, and whether that is no more than it may be.
 *
 * The trees of the pack are read; what they name and nobody has here stays with the server. An index that came over the wire is
 * not asked: it only locates bytes.
 *
 * @module
 */
import { encodeOid, type Oid } from '@datakit/git/oid'
import { MalformedError } from '@datakit/git/error'
import type { Objects } from '@datakit/git/objects'
import { OidMap } from '@datakit/git/oid-map'
import type { PackIndex } from '@datakit/git/pack/pack-index'
import type { PromisedObjects } from '@datakit/git/place'
import type { SyncScope } from '@datakit/git/protocol/sync-choice'
import { isGitlinkMode, isTreeMode, TreeCursor, type TreeEntry } from '@datakit/git/tree'
import { kindOfMode } from '@datakit/git/tree-entry'
import { unpackLinks, readLinks } from '@datakit/git/pack/links'
import { joinPath } from '../files/path.ts'

/** The name under which promises have the server, as the refs that mirror its branches do. */
export const SERVER = 'origin'

/** What was asked for, and where the refs of the answer point. */
export interface AskedPart {
  readonly heads: readonly Oid[]
  readonly choice: SyncScope
}

/**
 * The trees and files that the pack names, and that are neither in it nor here nor known to be with a server.
 *
 * @param objects those of the repository and of the pack
 * @throws MalformedError when something was left out of what refs point at that was asked for
 */
export async function findLeft(
  objects: Objects,
  index: PackIndex,
  { heads, choice }: AskedPart,
): Promise<PromisedObjects> {
  const trees: Oid[] = []
  for (let i = 0; i < index.count; i++) if (index.type(i) === 'tree') trees.push(index.oid(i))
  const named = new OidMap()
  for await (const { type, body } of objects.readMany(trees)) {
    if (type !== 'tree') throw new MalformedError('an answer to sync', `a tree is a ${type}`)
    for (const cursor = new TreeCursor(body); cursor.next();)
      if (!isGitlinkMode(cursor.mode)) named.add(body, cursor.oidStart)
  }
  const left = new Set<Oid>()
  for (let place = 0; place < named.size; place++) {
    if (index.findBytes(named.oidBytes(place)) >= 0) continue
    const oid = named.oid(place)
    if (!(await objects.has(oid)) && (await objects.state.promised(oid)) === undefined)
      left.add(oid)
  }
  const check = new PartCheck({ objects, index, left, choice })
  for (const oid of heads) await check.head(oid)
  return { add: [...left], remote: SERVER }
}

/** Walks what was asked for, as far as it came with the pack. */
class PartCheck {
  readonly #objects: Objects
  readonly #index: PackIndex
  readonly #left: ReadonlySet<Oid>
  readonly #choice: SyncScope
  readonly #paths: readonly string[]
  /** Trees that were looked into whole. */
  readonly #seen = new Set<Oid>()

  constructor(of: {
    readonly objects: Objects
    readonly index: PackIndex
    readonly left: ReadonlySet<Oid>
    readonly choice: SyncScope
  }) {
    this.#objects = of.objects
    this.#index = of.index
    this.#left = of.left
    this.#choice = of.choice
    this.#paths = of.choice.paths ?? ['']
  }

  /** Follows a ref to the tree of its commit. */
  async head(oid: Oid): Promise<void> {
    if (!this.#isNew(oid)) return
    const { type, body } = await this.#objects.read(oid)
    const packed = type === 'commit' || type === 'tag' ? readLinks(type, body) : undefined
    const links = packed && unpackLinks(packed)
    if (links?.kind === 'tag') return this.head(links.target)
    if (links?.kind === 'commit') await this.#tree(links.tree, '')
  }

  #isNew(oid: Oid): boolean {
    return this.#index.findBytes(encodeOid(oid)) >= 0
  }

  async #tree(oid: Oid, path: string): Promise<void> {
    if (!this.#isNew(oid)) return
    const isWhole = this.#isInside(path)
    if (isWhole && this.#seen.has(oid)) return
    if (isWhole) this.#seen.add(oid)
    const { body } = await this.#objects.read(oid)
    for (const cursor = new TreeCursor(body); cursor.next();) {
      const entry = cursor.entry()
      const below = joinPath(path, entry.name)
      if (isGitlinkMode(entry.mode) || !this.#isWanted(entry, below)) continue
      if (this.#left.has(entry.oid) && !this.#mayLack(entry))
        throw new MalformedError('an answer to sync', `"${below}" was asked for, and is not in it`)
      if (isTreeMode(entry.mode)) await this.#tree(entry.oid, below)
    }
  }

  #isWanted({ mode, name }: TreeEntry, path: string): boolean {
    if (this.#isInside(path)) return true
    if (isTreeMode(mode)) return this.#paths.some((each) => each.startsWith(`${path}/`))
    return name === '.gitattributes' && kindOfMode(mode) === 'file'
  }

  #isInside(path: string): boolean {
    return this.#paths.some((each) => each === '' || path === each || path.startsWith(`${each}/`))
  }

  /** Nobody here knows the size of a file that did not come. */
  #mayLack({ mode }: TreeEntry): boolean {
    return !isTreeMode(mode) && this.#choice.blobLimit !== undefined
  }
}
