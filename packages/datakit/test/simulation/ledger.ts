/**
 * The ledger of a simulation: every commit that there ever was, which of them somebody was told are kept, and which somebody
 * wanted to lose.
 *
 * @module
 */
import { Objects } from '@datakit/git/objects'
import type { Oid } from '@datakit/git/oid'
import { readLinks, unpackLinks } from '@datakit/git/pack/links'
import type { Place, State, UpdateRequest } from '@datakit/git/place'
import { decodeTree, isGitlinkMode } from '@datakit/git/tree'
import type { Runtime } from '@datakit/git/runtime'
import { APP, type Observer } from './process.ts'

const HEADS = 'refs/heads/'
const CANDIDATES = 'refs/datakit/candidate/'
/** Who makes the merges of a sync. */
const MERGER = 'committer DataKit <datakit@localhost>'
/** How the message of an edit begins. */
export const EDIT = 'Edit'

/** What one place keeps, with no gates before it. */
export class Disk {
  readonly name: string
  readonly place: Place
  /** Whether it may have a part of what its refs lead to. */
  readonly isPartial: boolean
  readonly #runtime: Runtime
  #known: Objects | undefined

  constructor(
    name: string,
    of: { readonly place: Place; readonly runtime: Runtime; readonly isPartial: boolean },
  ) {
    this.name = name
    this.place = of.place
    this.isPartial = of.isPartial
    this.#runtime = of.runtime
  }

  /** What is stored, with no cache that remembers what was. */
  objects(): Promise<Objects> {
    return Objects.open(this.place, this.#runtime)
  }

  /** The same, for those who only want to know commits. */
  async known(): Promise<Objects> {
    this.#known ??= await this.objects()
    await this.#known.refresh()
    return this.#known
  }

  /** Where its refs are, by full name. */
  async refs(prefix = ''): Promise<Map<string, Oid>> {
    return refsOf(await this.place.read(), prefix)
  }
}

/** Refs of a state, by full name. */
export async function refsOf(state: State, prefix = ''): Promise<Map<string, Oid>> {
  const refs = new Map<string, Oid>()
  for await (const { name, oid } of state.refs(prefix)) refs.set(name, oid)
  return refs
}

/** Refs without those that a sync makes for a while: who deletes a branch does not mean to keep it there. */
function lasting(refs: ReadonlyMap<string, Oid>): Map<string, Oid> {
  return new Map([...refs].filter(([name]) => !/^refs\/datakit\/(candidate|dropped)\//.test(name)))
}

/** Knows all commits, and what must not be lost. */
export class Ledger {
  /** Every commit that a ref has led to, with its parents. */
  readonly parents = new Map<Oid, readonly Oid[]>()
  /** Commits that a sync made, and nobody else. */
  readonly #merges = new Set<Oid>()
  /** Those, and edits that were merged with what came up meanwhile. */
  readonly #automatic = new Set<Oid>()
  /** Commits that somebody was told are kept. */
  readonly #acknowledged = new Set<Oid>()
  /** Commits that somebody wanted to lose. */
  readonly #dropped = new Set<Oid>()
  readonly #targets = new Map<Oid, Oid>()
  /** Every head that a branch of the server ever had, by its full name. */
  readonly #served = new Map<string, Set<Oid>>()
  /** Full names of refs that somebody asked a sync to delete on the server. */
  readonly removals = new Set<string>()
  /** Full names of branches of which somebody asked to have again what the server took back. */
  readonly restored = new Set<string>()
  /** What happened, in order, for whoever looks for what went wrong. */
  readonly story: string[] = []
  /** Whether everything is read after each update: slow, and tells which one lost something. */
  isThorough = false
  /** Whether somebody moved HEAD of the server. */
  hasMovedHead = false
  /** What the server keeps. */
  server: Disk | undefined
  /** The first promise that was broken. */
  violation: Error | undefined

  /** Adds to the story. */
  tell(who: string, what: string): void {
    this.story.push(`${who}: ${what.replaceAll(/[0-9a-f]{40}/g, (oid) => oid.slice(0, 7))}`)
  }

  /** Says that a promise was broken. */
  blame(problem: string, cause?: unknown): void {
    this.violation ??= new Error(problem, { cause })
  }

  /** How many commits somebody was told of. */
  get acknowledged(): number {
    return this.#acknowledged.size
  }

  /** Looks at every update of a disk: nothing may be lost by it that nobody wanted to lose. */
  observer(disk: Disk, isServer: boolean): Observer {
    return async (request, { before, after, process }) => {
      if ((request.removePacks ?? []).length > 0) this.tell(disk.name, request.log.why)
      for (const { name, from = '', to = '' } of request.refs)
        if (from !== to) this.tell(disk.name, `${name} ${from} to ${to} by "${request.log.why}"`)
      const objects = await disk.known()
      for (const { to } of request.refs) if (to !== undefined) await this.#learn(objects, to)
      if (isServer) await this.#noteServed(after)
      else this.#checkCandidates(request)
      this.hasMovedHead ||= isServer && request.head !== undefined
      if (this.isThorough && !disk.isPartial) await this.#checkWhole(disk, request.log.why)
      const lossy = request.refs.filter(({ from, to }) => !this.#covers(to, from))
      if (lossy.length === 0) return
      const gone = this.#difference(await refsOf(before), await refsOf(after))
      const isWanted = lossy.some(
        ({ name, to }) =>
          process.wishes.has(name) || (isServer && to === undefined && this.removals.has(name)),
      )
      if (isWanted) {
        const dropped = this.#difference(
          lasting(await refsOf(before)),
          lasting(await refsOf(after)),
        )
        for (const oid of dropped) this.#dropped.add(oid)
      }
      // Who has some of the branches need not keep what is in the others.
      const elsewhere = disk.isPartial
        ? this.reach((await this.server?.refs())?.values() ?? [])
        : new Set<Oid>()
      const lost = [...gone].filter((oid) => this.#mustStay(oid) && !elsewhere.has(oid))
      if (lost.length > 0)
        this.blame(`${disk.name} lost ${lost.join(', ')} by "${request.log.why}"`)
      const rewound = lossy.filter(({ name }) => process.name === APP && name.startsWith(HEADS))
      if (rewound.length > 0 && !isWanted)
        this.blame(`The server's ${rewound[0]?.name} was moved back by "${request.log.why}"`)
    }
  }

  /** Notes that somebody was told that a commit is kept here. It has to be. */
  async acknowledge(oid: Oid, disk: Disk): Promise<void> {
    this.#acknowledged.add(oid)
    if (!this.#mustStay(oid)) return
    if (!this.reach((await disk.refs()).values()).has(oid))
      this.blame(`${disk.name} said that ${oid} is kept, and no ref leads to it`)
  }

  /** Whether a branch of the server ever was at a commit. */
  wasServed(branch: string, oid: Oid): boolean {
    return this.#served.get(HEADS + branch)?.has(oid) === true
  }

  /** Those of the acknowledged commits that must be somewhere and are not reached from `oids`. */
  missing(oids: Iterable<Oid>): Oid[] {
    const there = this.reach(oids)
    return [...this.#acknowledged].filter((oid) => this.#mustStay(oid) && !there.has(oid))
  }

  /** All commits that are reached. */
  reach(oids: Iterable<Oid>): Set<Oid> {
    const seen = new Set<Oid>()
    const stack = [...oids].map((oid) => this.#targets.get(oid) ?? oid)
    for (let oid = stack.pop(); oid !== undefined; oid = stack.pop()) {
      const parents = this.parents.get(oid)
      if (parents === undefined || seen.has(oid)) continue
      seen.add(oid)
      stack.push(...parents)
    }
    return seen
  }

  /**
   * Merges of syncs among the commits reached that are one too many: they bring a branch of the server nothing but merges of syncs
   * that it had before, or a merge that the server never took. Where a person has made another branch of such a merge, that is no
   * more than he wanted.
   */
  cascades(oids: Iterable<Oid>): Oid[] {
    const served = new Set([...this.#served.values()].flatMap((heads) => [...heads]))
    return [...this.reach(oids)].filter((merge) => {
      const [theirs, own] = this.parents.get(merge) ?? []
      if (!this.#merges.has(merge) || theirs === undefined || own === undefined) return false
      if (this.#merges.has(own) && !served.has(own)) return true
      const isOfBranch = [...this.#served].some(
        ([name, heads]) => !this.restored.has(name) && heads.has(merge) && heads.has(own),
      )
      if (!isOfBranch) return false
      const there = this.reach([theirs])
      return [...this.reach([own])].every((oid) => there.has(oid) || this.#merges.has(oid))
    })
  }

  /** The merges among the commits reached that no person has decided about. */
  merges(oids: Iterable<Oid>): Oid[] {
    return [...this.reach(oids)].filter((oid) => this.#automatic.has(oid))
  }

  /** The best common ancestors of two commits. */
  mergeBases(one: Oid, other: Oid): Oid[] {
    const there = this.reach([other])
    const common = [...this.reach([one])].filter((oid) => there.has(oid))
    return common.filter(
      (oid) => !common.some((each) => each !== oid && this.reach([each]).has(oid)),
    )
  }

  /** Commits that were reached before, and are not after. */
  #difference(before: ReadonlyMap<string, Oid>, after: ReadonlyMap<string, Oid>): Set<Oid> {
    const gone = this.reach(before.values())
    for (const oid of this.reach(after.values())) gone.delete(oid)
    return gone
  }

  /** The first parent of a sync's merge is the server's head, always. */
  #checkCandidates({ refs }: UpdateRequest): void {
    for (const { name, to } of refs) {
      const [first] = (to !== undefined && this.parents.get(to)) || []
      if (!name.startsWith(CANDIDATES) || first === undefined) continue
      const branch = decodeURIComponent(name.slice(CANDIDATES.length))
      if (!this.wasServed(branch, first))
        this.blame(`The first parent of the merge ${to} is not the server's`)
    }
  }

  async #checkWhole(disk: Disk, why: string): Promise<void> {
    try {
      await readEverything(disk)
    } catch (error) {
      this.blame(`${disk.name} lacks something since "${why}"`, error)
    }
  }

  #mustStay(oid: Oid): boolean {
    return this.#acknowledged.has(oid) && !this.#dropped.has(oid)
  }

  /** Whether everything behind `from` is behind `to`, too. */
  #covers(to: Oid | undefined, from: Oid | undefined): boolean {
    if (from === undefined || from === to) return true
    return to !== undefined && this.reach([to]).has(this.#targets.get(from) ?? from)
  }

  async #noteServed(state: State): Promise<void> {
    for (const [name, oid] of await refsOf(state, HEADS)) {
      const heads = this.#served.get(name) ?? new Set()
      this.#served.set(name, heads.add(oid))
    }
  }

  /** Reads a commit and all behind it that nobody knows yet, and its files: a ref leads to nothing that is not there. */
  async #learn(objects: Objects, oid: Oid): Promise<void> {
    const stack = [oid]
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      if (this.parents.has(at) || this.#targets.has(at)) continue
      const { type, body } = await objects.read(at)
      const packed = readLinks(type, body)
      const links = packed && unpackLinks(packed)
      if (links?.kind === 'tag') {
        this.#targets.set(at, links.target)
        stack.push(links.target)
      }
      if (links?.kind !== 'commit') continue
      this.parents.set(at, links.parents)
      const words = new TextDecoder().decode(body)
      if (words.includes(MERGER)) this.#merges.add(at)
      if (words.includes(MERGER) || words.includes(`\n\n${EDIT} by `)) this.#automatic.add(at)
      stack.push(...links.parents)
    }
  }
}

/** Reads everything that the refs of a disk lead to; each name is checked. @throws MissingError, MalformedError */
export async function readEverything(disk: Disk): Promise<void> {
  await readReached(await disk.objects(), (await disk.refs()).values())
}

/** Reads everything that is reached, and gives what it is called. @throws MissingError, MalformedError */
export async function readReached(objects: Objects, oids: Iterable<Oid>): Promise<Set<Oid>> {
  const seen = new Set<Oid>()
  const stack = [...oids]
  for (let oid = stack.pop(); oid !== undefined; oid = stack.pop()) {
    if (seen.has(oid)) continue
    seen.add(oid)
    const { type, body } = await objects.read(oid)
    if (type === 'tree') {
      for (const entry of decodeTree(body)) if (!isGitlinkMode(entry.mode)) stack.push(entry.oid)
      continue
    }
    const packed = readLinks(type, body)
    const links = packed && unpackLinks(packed)
    if (links?.kind === 'commit') stack.push(links.tree, ...links.parents)
    if (links?.kind === 'tag') stack.push(links.target)
  }
  return seen
}
