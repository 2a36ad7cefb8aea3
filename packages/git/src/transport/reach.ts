/**
 * Reach: which objects can be reached from the refs that a caller may read.
 *
 * An object that is merely there proves nothing: what it names may have been collected, and to build on a hidden object
 * would publish it. So what a pack leaves out must be found on a way from a ref.
 *
 * The usual push is proved by its parents, which are tips, and by the trees of those: of them, the ones that the push
 * names again are left closed and the ones that it replaces are opened. Only what is not found there costs a walk over
 * the repository, and what a walk has found is kept for the next push, as long as refs move forward.
 *
 * @module
 */
import { GitError, RefusedError } from '../error.ts'
import { encodeOid, type Oid } from '../oid.ts'
import { OidMap } from '../oid-map.ts'
import type { Objects } from '../objects.ts'
import type { Place, State, Version } from '../place.ts'
import { isGitlinkMode, isTreeMode, TreeCursor } from '../tree.ts'
import { KINDS } from './children.ts'

/** Which refs a caller may read. */
export interface Readable {
  /** Names the set of refs: what was found for one caller serves another with the same key. */
  readonly key: string
  /** Whether the ref with this full name may be read. */
  includes(name: string): boolean
  /** Oids that count as if such refs pointed at them; the same array while they are the same. */
  readonly tips?: readonly Oid[] | undefined
}

/** Refs that say where other copies are: no caller is told of them, and none can push to them. */
const REMOTES = 'refs/datakit/remote/'

/** Every ref but the list of remotes. */
export const ALL_REFS: Readable = { key: '*', includes: (name) => !name.startsWith(REMOTES) }

/** Objects that a walk finds before it gives up: 28 bytes of memory each. */
const MAX_FOUND = 1_500_000
/** Objects that are kept from one push to the next. */
const MAX_KEPT = 300_000
/** Commits that are looked at to see that a ref moved forward. */
const MAX_FORWARD = 5000
/** Trees that are asked for at once. */
const BATCH = 64
/** Bit in the value of an object: what it names was taken in. */
const OPENED = 0x80

/** What was found so far from some refs, and where to go on. */
export class Reach {
  #found = new OidMap()
  readonly #roots = new Set<Oid>()
  /** Commits and tags to open, and trees: places in `#found`. */
  #commits: number[] = []
  #trees: number[] = []
  #running: Promise<unknown> = Promise.resolve()

  get size(): number {
    return this.#found.size
  }

  /** Walks from these oids too: commits, tags, or whatever refs point at. */
  addRoots(roots: Iterable<Oid>): void {
    for (const root of roots) {
      this.#roots.add(root)
      const before = this.#found.size
      const place = this.#found.add(encodeOid(root))
      if (place < before) continue
      this.#found.setValue(place, KINDS.any)
      this.#commits.push(place)
    }
  }

  /**
   * Which of the wanted oids cannot be reached as what they must be; empty when all can.
   *
   * @param wanted oids and what they must be (`KINDS`); used up
   * @param near commits whose trees are looked at first
   * @throws RefusedError `too-complex` when the repository is too large to be walked
   */
  async prove(objects: Objects, wanted: OidMap, near: readonly Oid[] = []): Promise<Oid[]> {
    return this.#alone(async () => {
      const search = new Search(wanted, this.#found)
      if (search.left > 0) await this.#openFirst(objects, search, near)
      if (search.left > 0) await this.#openCommits(objects, search, () => !search.wantsCommits)
      if (search.left > 0 && !search.wantsCommits) await this.#openNear(objects, search, near)
      if (search.left > 0 && !search.wantsCommits) await this.#openAll(objects, search)
      return search.unproved()
    })
  }

  /** Whether all of these are found among the next commits, at most `MAX_FORWARD` of them. */
  async leadsTo(objects: Objects, oids: Iterable<Oid>): Promise<boolean> {
    const wanted = new OidMap()
    for (const oid of oids) wanted.setValue(wanted.add(encodeOid(oid)), KINDS.any)
    return this.#alone(async () => {
      const search = new Search(wanted, this.#found)
      let opened = 0
      await this.#openCommits(objects, search, () => search.left === 0 || ++opened > MAX_FORWARD)
      return search.left === 0
    })
  }

  /** One walk at a time: two would take each other's work for done before it is. */
  #alone<Result>(walk: () => Promise<Result>): Promise<Result> {
    const result = this.#running.then(walk)
    // A walk that broke off has taken things off its lists that it did not finish.
    this.#running = result.catch(() => this.#startOver())
    return result
  }

  #startOver(): void {
    this.#found = new OidMap()
    this.#commits = []
    this.#trees = []
    this.addRoots([...this.#roots])
  }

  /** Opens the refs that are most likely to lead to what is wanted: where it is a ref itself, and what is near. */
  async #openFirst(objects: Objects, search: Search, near: readonly Oid[]): Promise<void> {
    for (const oid of new Set([...search.commits(), ...near])) {
      const place = this.#found.find(encodeOid(oid))
      if (place >= 0) await this.#openCommit(objects, search, place)
    }
  }

  async #openCommits(objects: Objects, search: Search, isEnough: () => boolean): Promise<void> {
    let next = 0
    for (; next < this.#commits.length && !isEnough(); next++) {
      await this.#openCommit(objects, search, this.#commits[next] ?? 0)
    }
    this.#commits.splice(0, next)
  }

  async #openCommit(objects: Objects, search: Search, place: number): Promise<void> {
    if (this.#isOpened(place)) return
    const oid = this.#found.oid(place)
    const links = await unlessAbsent(objects.links(oid))
    this.#found.setValue(place, this.#found.value(place) | OPENED)
    if (links?.kind === 'commit') {
      this.#found.setValue(place, KINDS.commit | OPENED)
      search.settle(this.#found.oidBytes(place), 0, KINDS.commit)
      this.#trees.push(this.#mark(search, encodeOid(links.tree), KINDS.tree))
      if (objects.state.shallow.has(oid)) return
      for (const parent of links.parents)
        this.#commits.push(this.#mark(search, encodeOid(parent), KINDS.commit))
    } else if (links?.kind === 'tag') {
      this.#found.setValue(place, KINDS.tag | OPENED)
      search.settle(this.#found.oidBytes(place), 0, KINDS.tag)
      this.#commits.push(this.#mark(search, encodeOid(links.target), KINDS.any))
    } else {
      await this.#openOther(objects, search, place)
    }
  }

  /** A ref or a tag that points at a tree or a blob. */
  async #openOther(objects: Objects, search: Search, place: number): Promise<void> {
    const stat = await unlessAbsent(objects.stat(this.#found.oid(place)))
    if (stat === undefined) return
    const kind = KINDS[stat.type]
    this.#found.setValue(place, kind)
    search.settle(this.#found.oidBytes(place), 0, kind)
    if (stat.type === 'tree') this.#trees.push(place)
  }

  /** Opens the trees of the commits that the pack builds on, and in them those that it does not name again. */
  async #openNear(objects: Objects, search: Search, near: readonly Oid[]): Promise<void> {
    const open: number[] = []
    for (const oid of new Set([...search.commits(), ...near])) {
      const place = this.#found.find(encodeOid(oid))
      if (place < 0 || (this.#found.value(place) & KINDS.any) !== KINDS.commit) continue
      const links = await unlessAbsent(objects.links(oid))
      if (links?.kind === 'commit') open.push(this.#mark(search, encodeOid(links.tree), KINDS.tree))
    }
    while (open.length > 0 && search.left > 0) {
      const batch = open.splice(0, BATCH)
      for (const subtree of await this.#openTrees(objects, search, batch)) {
        if (search.names(this.#found.oidBytes(subtree))) this.#trees.push(subtree)
        else open.push(subtree)
      }
    }
    this.#trees.push(...open)
  }

  /** Opens everything: the rest of the nearest trees first, then commits a few at a time, and theirs. */
  async #openAll(objects: Objects, search: Search): Promise<void> {
    while (search.left > 0 && this.#trees.length + this.#commits.length > 0) {
      if (this.#trees.length === 0) {
        let opened = 0
        await this.#openCommits(objects, search, () => ++opened > BATCH)
      }
      // From the end, so that the list stays short.
      const batch = this.#trees.splice(-BATCH)
      this.#trees.push(...(await this.#openTrees(objects, search, batch)))
    }
  }

  /** Takes in what trees name; gives the trees among it that are still closed. */
  async #openTrees(objects: Objects, search: Search, places: readonly number[]): Promise<number[]> {
    const closed = [...new Set(places)].filter((place) => !this.#isOpened(place))
    const subtrees: number[] = []
    const copies = await Promise.all(closed.map((place) => objects.locate(this.#found.oid(place))))
    objects.prefetch(copies.flatMap(([copy]) => copy ?? []))
    for (const place of closed) {
      const tree = await unlessAbsent(objects.read(this.#found.oid(place)))
      this.#found.setValue(place, KINDS.tree | OPENED)
      if (tree?.type !== 'tree') continue
      for (const cursor = new TreeCursor(tree.body); cursor.next();) {
        if (isGitlinkMode(cursor.mode)) continue
        const isTree = isTreeMode(cursor.mode)
        const child = this.#mark(
          search,
          tree.body,
          isTree ? KINDS.tree : KINDS.blob,
          cursor.oidStart,
        )
        if (isTree && !this.#isOpened(child)) subtrees.push(child)
      }
    }
    return subtrees
  }

  #mark(search: Search, bytes: Uint8Array, kind: number, start = 0): number {
    const found = this.#found
    const before = found.size
    const place = found.add(bytes, start)
    if (place >= before || (found.value(place) & KINDS.any) === KINDS.any) {
      found.setValue(place, (found.value(place) & OPENED) | kind)
      search.settle(bytes, start, kind)
    }
    if (found.size > MAX_FOUND) {
      const problem = `more than ${MAX_FOUND} objects would have to be looked at`
      throw new RefusedError('too-complex', `Cannot tell what the repository holds: ${problem}`)
    }
    return place
  }

  #isOpened(place: number): boolean {
    return (this.#found.value(place) & OPENED) !== 0
  }
}

/** What is still looked for. */
class Search {
  /** How many oids are left. */
  left = 0
  readonly #wanted: OidMap
  readonly #open = new Set<number>()
  #commitsLeft = 0

  constructor(wanted: OidMap, found: OidMap) {
    this.#wanted = wanted
    for (let place = 0; place < wanted.size; place++) {
      this.#open.add(place)
      this.left++
      if (isCommitOrTag(wanted.value(place))) this.#commitsLeft++
    }
    for (let place = 0; place < wanted.size; place++) {
      const bytes = wanted.oidBytes(place)
      const there = found.find(bytes)
      if (there >= 0) this.settle(bytes, 0, found.value(there) & KINDS.any)
    }
  }

  /** Whether some of what is left can only be found among commits and tags. */
  get wantsCommits(): boolean {
    return this.#commitsLeft > 0
  }

  settle(bytes: Uint8Array, start: number, kind: number): void {
    if (this.left === 0) return
    const place = this.#wanted.find(bytes, start)
    if (place < 0) return
    const must = this.#wanted.value(place)
    // A root whose type is not known yet proves only those who do not care.
    if ((kind & must) !== kind || !this.#open.delete(place)) return
    this.left--
    if (isCommitOrTag(must)) this.#commitsLeft--
  }

  /** Whether a new tree holds it still. The base of a thin delta is wanted too, and most often what was replaced. */
  names(bytes: Uint8Array): boolean {
    const place = this.#wanted.find(bytes)
    return place >= 0 && this.#wanted.value(place) !== KINDS.any
  }

  commits(): Oid[] {
    const oids: Oid[] = []
    for (let place = 0; place < this.#wanted.size; place++) {
      if (this.#wanted.value(place) === KINDS.commit) oids.push(this.#wanted.oid(place))
    }
    return oids
  }

  unproved(): Oid[] {
    return [...this.#open].map((place) => this.#wanted.oid(place))
  }
}

function isCommitOrTag(kind: number): boolean {
  return (kind & ~(KINDS.commit | KINDS.tag)) === 0
}

/** `undefined` for what was left with a remote, or is missing: it can be named, and leads no further. */
async function unlessAbsent<Result>(reading: Promise<Result>): Promise<Result | undefined> {
  try {
    return await reading
  } catch (error) {
    const isAbsent =
      error instanceof GitError && (error.code === 'missing' || error.code === 'not-here')
    if (isAbsent) return undefined
    throw error
  }
}

interface KeptReach {
  readonly version: Version
  readonly tips: readonly Oid[] | undefined
  readonly roots: ReadonlySet<Oid>
  /** Whether history was cut off somewhere. */
  readonly isCut: boolean
  readonly reach: Reach
}

const kept = new WeakMap<Place, Map<string, KeptReach>>()

/** What is known of the reach of the readable refs in the objects' state. */
export async function reachOf(objects: Objects, readable: Readable): Promise<Reach> {
  const { state, place } = objects
  const before = kept.get(place)?.get(readable.key)
  const { tips } = readable
  if (before?.version === state.version && before.tips === tips) return before.reach
  const roots = await readRoots(state, readable)
  const reach = await extend(objects, before, roots)
  const ofPlace = kept.get(place) ?? new Map<string, KeptReach>()
  const isCut = state.shallow.size > 0
  ofPlace.set(readable.key, { version: state.version, tips, roots, isCut, reach })
  kept.set(place, ofPlace)
  return reach
}

/** The reach of before with the new roots, if all of its own lie behind them; else a new one. */
async function extend(
  objects: Objects,
  before: KeptReach | undefined,
  roots: ReadonlySet<Oid>,
): Promise<Reach> {
  const reach = new Reach()
  reach.addRoots(roots)
  const isUseful = before !== undefined && before.reach.size <= MAX_KEPT
  // A deeper history would not be seen behind commits that were opened while it was cut off.
  if (!isUseful || before.isCut || objects.state.shallow.size > 0) return reach
  const gone = [...before.roots].filter((root) => !roots.has(root))
  if (!(await reach.leadsTo(objects, gone))) return reach
  before.reach.addRoots(roots)
  return before.reach
}

/** What the refs that a caller may read point at, and a HEAD that points at a commit itself. */
export async function readRoots(state: State, readable: Readable): Promise<ReadonlySet<Oid>> {
  const roots = new Set(readable.tips)
  if ('oid' in state.head) roots.add(state.head.oid)
  for await (const { name, oid } of state.refs()) if (readable.includes(name)) roots.add(oid)
  return roots
}
