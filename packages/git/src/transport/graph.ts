/**
 * ObjectGraph: the objects of a repository as small numbers, and what each names, for walks.
 *
 * Links come out of the indexes of verified packs, without a promise and without a string for each object; what an index
 * does not tell, the object does. A node is an oid; where it is kept is looked up when somebody asks for more.
 *
 * @module
 */
import { enlarge, release } from '../memory.ts'
import { MalformedError, MissingError } from '../error.ts'
import { encodeOid, type Oid } from '../oid.ts'
import type { PackInfo } from '../place.ts'
import { OidMap } from '../oid-map.ts'
import type { ObjectType } from '../object.ts'
import type { Located } from '../object-lookup.ts'
import type { Objects } from '../objects.ts'
import { NO_LINK, type Link } from '../pack/index-format.ts'
import type { CommitRows, EdgeRows, TagRows } from '../pack/index-rows.ts'
import { isGitlinkMode, TreeCursor } from '../tree.ts'
import { readLinks, unpackLinks } from '../pack/links.ts'
import type { PackIndex } from '../pack/pack-index.ts'

/** Number of an object in a graph. */
export type Node = number

/** What an object names. Those of a tree are told as a difference, see `pack/links.ts`. */
export type NodeLinks =
  | {
      readonly kind: 'commit'
      readonly tree: Node
      readonly parents: readonly Node[]
      readonly time: number
      /** 0 where nobody knows. */
      readonly generation: number
    }
  | {
      readonly kind: 'tree'
      readonly against: Node | undefined
      readonly removed: readonly Node[]
      readonly added: readonly Node[]
    }
  | { readonly kind: 'tag'; readonly target: Node }
  | { readonly kind: 'blob' }

/** An entry of a pack. */
export interface StoredEntry {
  readonly index: PackIndex
  readonly ordinal: number
  /** `undefined` for a pack that is gone. */
  readonly pack: PackInfo | undefined
}

/** An index, and which of its objects are nodes already. */
interface Room {
  readonly index: PackIndex
  /** Node of each ordinal, plus one; 0 where there is none. */
  readonly nodes: Int32Array<ArrayBuffer>
  /** The packs that the index is of; `undefined` for one that is gone. */
  readonly packs: readonly (PackInfo | undefined)[]
  commits: CommitRows | undefined
  edges: EdgeRows | undefined
  tags: TagRows | undefined
}

const NOWHERE = -1
const blob: NodeLinks = { kind: 'blob' }

/** A view of the objects of a repository at one moment. */
export class ObjectGraph {
  readonly objects: Objects
  /** The value of each is its marks. */
  readonly #oids = new OidMap()
  readonly #rooms: Room[] = []
  readonly #roomOfIndex = new Map<PackIndex, number>()
  #roomOf = new Int32Array(512).fill(NOWHERE)
  #ordinals = new Uint32Array(512)

  constructor(objects: Objects) {
    this.objects = objects
  }

  /** Gives its memory back now; nothing may be asked afterwards. */
  release(): void {
    this.#oids.release()
    release(this.#roomOf, this.#ordinals, ...this.#rooms.map(({ nodes }) => nodes))
  }

  /** How many nodes there are: one more than the highest. */
  get count(): number {
    return this.#oids.size
  }

  /** The node of an oid, whether there is such an object or not. */
  node(oid: Oid): Node {
    return this.#nodeOfBytes(encodeOid(oid), 0)
  }

  /** The node of an oid, if it was met before. */
  find(oid: Oid): Node | undefined {
    const node = this.#oids.find(encodeOid(oid))
    return node < 0 ? undefined : node
  }

  oid(node: Node): Oid {
    return this.#oids.oid(node)
  }

  /** Sets marks, which are bits; tells whether any of them is new. */
  mark(node: Node, bits: number): boolean {
    const before = this.#oids.value(node)
    this.#oids.setValue(node, before | bits)
    return (before | bits) !== before
  }

  unmark(node: Node, bits: number): void {
    this.#oids.setValue(node, this.#oids.value(node) & ~bits)
  }

  /** Whether any of the marks is set. */
  isMarked(node: Node, bits: number): boolean {
    return (this.#oids.value(node) & bits) !== 0
  }

  /** Whether it is known where the object is kept. */
  isLocated(node: Node): boolean {
    return this.#roomOf[node] !== NOWHERE
  }

  /** Looks up where the object is kept. @throws MissingError, NotHereError when it is nowhere */
  async locate(node: Node): Promise<void> {
    if (await this.has(node)) return
    // Looks at the state again: meanwhile it may have been put into another pack.
    await this.objects.stat(this.oid(node))
    if (!(await this.has(node))) throw new MissingError('an object', this.oid(node))
  }

  /** Whether the object is there; remembers where. */
  async has(node: Node): Promise<boolean> {
    if (this.isLocated(node)) return true
    const [located] = await this.objects.locate(this.oid(node))
    if (located === undefined) return false
    this.#place(node, this.#roomFor(located), located.ordinal)
    return true
  }

  /** From here on, takes an object from another copy. */
  move(node: Node, located: Located): void {
    this.#roomOf[node] = NOWHERE
    this.#place(node, this.#roomFor(located), located.ordinal)
  }

  /** The type of a located object. */
  type(node: Node): ObjectType {
    return this.#room(node).index.type(this.#ordinals[node] ?? 0)
  }

  /** Where a located object is stored. */
  stored(node: Node): StoredEntry {
    const { index, packs } = this.#room(node)
    const ordinal = this.#ordinals[node] ?? 0
    return { index, ordinal, pack: packs[index.packOf(ordinal)] }
  }

  /** What a located object is stored as a delta to. */
  base(node: Node): Node | undefined {
    const room = this.#room(node)
    const link = room.index.base(this.#ordinals[node] ?? 0)
    return link === NO_LINK ? undefined : this.#follow(room, link)
  }

  /** The oid as 20 bytes, to be looked at until another node is made. */
  oidBytes(node: Node): Uint8Array {
    return this.#oids.oidBytes(node)
  }

  /** What a located object names, if that is at hand; else {@link readLinks} has to be asked. */
  links(node: Node): NodeLinks | undefined {
    const room = this.#room(node)
    const ordinal = this.#ordinals[node] ?? 0
    const type = room.index.type(ordinal)
    if (type === 'blob') return blob
    // What nobody verified only says where to look.
    if (room.packs[room.index.packOf(ordinal)]?.verified !== true) return undefined
    if (type === 'commit') return this.#commitLinks(room, ordinal)
    if (type === 'tree') return this.#treeLinks(room, ordinal)
    const target = room.tags?.of(ordinal)
    return target === undefined ? undefined : { kind: 'tag', target: this.#follow(room, target) }
  }

  /** What an object names, from its index or from the object itself. @throws as `Objects.read` */
  async readLinks(node: Node): Promise<NodeLinks> {
    await this.locate(node)
    const room = this.#room(node)
    const type = this.type(node)
    try {
      if (type === 'commit') room.commits ??= await room.index.commits()
      if (type === 'tree') room.edges ??= await room.index.edges()
      if (type === 'tag') room.tags ??= await room.index.tags()
    } catch (error) {
      // The pack went, and the rest of its index with it: the object is elsewhere by now.
      if (!(error instanceof MissingError)) throw error
      return this.readObject(node)
    }
    return this.links(node) ?? this.readObject(node)
  }

  /** What the object itself names; a tree's children are all `added`. @throws as `Objects.read` */
  async readObject(node: Node): Promise<NodeLinks> {
    const oid = this.oid(node)
    const { type, body } = await this.objects.read(oid)
    if (type === 'blob') return blob
    if (type === 'tree') return this.#readTree(body)
    const packed = readLinks(type, body)
    if (packed === undefined)
      throw new MalformedError(`${type} ${oid}`, 'it does not name what it must')
    const links = unpackLinks(packed)
    if (links.kind === 'tag') return { kind: 'tag', target: this.node(links.target) }
    if (links.kind === 'tree') return this.#readTree(body)
    const { time, generation } = links
    return {
      kind: 'commit',
      tree: this.node(links.tree),
      parents: this.#nodes(links.parents),
      time,
      generation,
    }
  }

  /** Without a string for each entry: large trees are what no index tells in full. */
  #readTree(body: Uint8Array): NodeLinks {
    const added: Node[] = []
    for (const cursor = new TreeCursor(body); cursor.next();) {
      if (!isGitlinkMode(cursor.mode)) added.push(this.#nodeOfBytes(body, cursor.oidStart))
    }
    return { kind: 'tree', against: undefined, removed: [], added }
  }

  #nodes(oids: readonly Oid[]): Node[] {
    return oids.map((oid) => this.node(oid))
  }

  #commitLinks(room: Room, ordinal: number): NodeLinks | undefined {
    const row = room.commits?.of(ordinal)
    if (row === undefined || row.tree === NO_LINK) return undefined
    const { time, generation } = row
    return {
      kind: 'commit',
      tree: this.#follow(room, row.tree),
      parents: this.#all(room, row.parents),
      time,
      generation,
    }
  }

  #treeLinks(room: Room, ordinal: number): NodeLinks | undefined {
    const row = room.edges?.of(ordinal)
    if (row === undefined) return undefined
    return {
      kind: 'tree',
      against: row.against === NO_LINK ? undefined : this.#follow(room, row.against),
      removed: this.#all(room, row.removed),
      added: this.#all(room, row.added),
    }
  }

  #all(room: Room, links: Uint32Array): Node[] {
    const nodes: Node[] = []
    for (const link of links) nodes.push(this.#follow(room, link))
    return nodes
  }

  #follow(room: Room, link: Link): Node {
    const known = room.nodes[link] ?? 0
    if (known > 0) return known - 1
    const { index } = room
    if (link >= index.count) {
      const oid = index.linkOid(link)
      if (oid === undefined) throw new RangeError(`A link leads nowhere: ${link}`)
      return this.node(oid)
    }
    const node = this.#nodeOfBytes(index.oidBytes(link), 0)
    // A pack of a merged index may be gone by now; where its objects are then is looked up.
    if (room.packs[index.packOf(link)] !== undefined) this.#place(node, room, link)
    return node
  }

  #nodeOfBytes(oid: Uint8Array, start: number): Node {
    const before = this.#oids.size
    const node = this.#oids.add(oid, start)
    if (node < before) return node
    if (node >= this.#roomOf.length) this.#grow()
    return node
  }

  #place(node: Node, room: Room, ordinal: number): void {
    room.nodes[ordinal] = node + 1
    if (this.#roomOf[node] !== NOWHERE) return
    this.#roomOf[node] = this.#roomOfIndex.get(room.index) ?? NOWHERE
    this.#ordinals[node] = ordinal
  }

  #room(node: Node): Room {
    const room = this.#rooms[this.#roomOf[node] ?? NOWHERE]
    if (room === undefined) throw new RangeError(`Nobody has looked yet where ${this.oid(node)} is`)
    return room
  }

  #packsOf({ index, pack }: Located): (PackInfo | undefined)[] {
    if (index.packs.length === 0) return [pack]
    const live = new Map(this.objects.state.packs.map((info) => [info.id, info]))
    return index.packs.map((id) => live.get(id))
  }

  #roomFor(located: Located): Room {
    const { index } = located
    const known = this.#rooms[this.#roomOfIndex.get(index) ?? NOWHERE]
    if (known !== undefined) return known
    const room: Room = {
      index,
      nodes: new Int32Array(index.count),
      packs: this.#packsOf(located),
      commits: undefined,
      edges: undefined,
      tags: undefined,
    }
    this.#roomOfIndex.set(index, this.#rooms.push(room) - 1)
    return room
  }

  #grow(): void {
    const size = this.#roomOf.length * 2
    const known = this.#roomOf.length
    this.#roomOf = enlarge(this.#roomOf, new Int32Array(size)).fill(NOWHERE, known)
    this.#ordinals = enlarge(this.#ordinals, new Uint32Array(size))
  }
}
