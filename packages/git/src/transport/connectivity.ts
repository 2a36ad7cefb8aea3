/**
 * Connectivity: whether everything that a request leads to is in its pack, or reached from the refs that are proof.
 *
 * @module
 */
import { RefusedError } from '../error.ts'
import type { Objects } from '../objects.ts'
import { encodeOid, type Oid } from '../oid.ts'
import { OidMap } from '../oid-map.ts'
import { findRow, type PackTable } from '../pack/pack-table.ts'
import type { PackId } from '../place.ts'
import { KINDS, type Children } from './children.ts'
import { Lack } from './lack.ts'
import { ALL_REFS, reachOf, type Readable } from './reach.ts'
import type { ReceiveRequest } from './receive.ts'
import type { Settlement } from './settlement.ts'
import type { UnfinishedPack } from './stage.ts'

const BRANCHES = 'refs/heads/'
const MISSING = 'missing necessary objects'

/** What a request is judged by. */
export interface Judged {
  readonly request: ReceiveRequest
  /** What its objects name. */
  readonly children: Children
  /** Its wishes: those that lead to what is missing get their outcome. */
  readonly wishes: Settlement
}

/** Proves one request. */
export class Connectivity {
  /** Commits that come without parents, though the caller did not ask for it. */
  readonly shallow: Oid[] = []
  /** What the remote left out. */
  readonly promised: Oid[] = []
  readonly #objects: Objects
  readonly #request: ReceiveRequest
  readonly #children: Children
  readonly #wishes: Settlement
  /** What is in the pack. */
  #table: PackTable | undefined
  /** What deltas of the pack rest on that is not in it. */
  #bases: readonly Oid[] = []
  /** What must be reachable. */
  #outside = new OidMap()
  #reliesOn: readonly PackId[] = []

  constructor(objects: Objects, { request, children, wishes }: Judged) {
    this.#objects = objects
    this.#request = request
    this.#children = children
    this.#wishes = wishes
  }

  /** The packs that were proof: they have to be live when refs move. */
  get reliesOn(): readonly PackId[] {
    return this.#reliesOn
  }

  /**
   * Settles refs that would point at what is not here.
   *
   * @throws RefusedError when something that the pack needs is neither in it nor reachable, and not only the refs that lead
   *   there are to be refused
   */
  async prove(pack: UnfinishedPack | undefined): Promise<void> {
    this.#table = pack?.table
    await this.#proveTips()
    await this.#proveBoundaries()
    await this.#addBehind()
    this.#bases = pack?.outside ?? []
    for (const base of this.#bases) this.#children.add(base, KINDS.any)
    const outside = this.#children.outside(pack?.table)
    this.#outside = outside.without(this.#request.promised?.add ?? [])
    if (this.#request.promisor !== undefined) await this.#promiseOutside()
    await this.proveOutside()
  }

  /** What the refs are to point at: each of them has its own outcome. */
  async #proveTips(): Promise<void> {
    const table = this.#table
    const tips = new Map<string, { readonly oid: Oid; readonly kind: number }>()
    const elsewhere = new OidMap()
    for (const { name, to } of this.#wishes.open()) {
      if (to === undefined) continue
      const kind = name.startsWith(BRANCHES) ? KINDS.commit : KINDS.any
      const row = table === undefined ? -1 : findRow(table, to)
      if (row < 0) elsewhere.setValue(elsewhere.add(encodeOid(to)), kind)
      if (row >= 0 && kind === KINDS.commit && table?.type(row) !== 'commit')
        this.#wishes.settle({ name, state: 'refused', reason: 'a branch must point at a commit' })
      else tips.set(name, { oid: to, kind })
    }
    const missing = new Set(await this.#eachUnreachable(elsewhere))
    for (const [name, { oid, kind }] of tips) {
      if (missing.has(oid))
        this.#wishes.settle({ name, state: 'refused', reason: `${MISSING}: ${oid}` })
      else this.#children.add(oid, kind)
    }
  }

  /** The parents of which a shallow clone knows nothing: they are here, or the repository becomes shallow itself. */
  async #proveBoundaries(): Promise<void> {
    const { boundaries } = this.#children
    const table = this.#table
    const wanted = new OidMap()
    for (const parent of [...boundaries.values()].flat()) {
      if (table === undefined || findRow(table, parent) < 0)
        wanted.setValue(wanted.add(encodeOid(parent)), KINDS.commit)
    }
    const missing = new Set(await this.#unreachable(wanted))
    for (const [oid, parents] of boundaries) {
      if (!parents.some((parent) => missing.has(parent)))
        for (const parent of parents) this.#children.add(parent, KINDS.commit)
      else if (this.#request.policy?.takesShallow === true) this.shallow.push(oid)
      else throw new RefusedError('shallow', 'shallow update not allowed')
    }
  }

  /** The parents of commits that are no longer shallow have to be there. */
  async #addBehind(): Promise<void> {
    for (const oid of this.#request.shallow?.remove ?? []) {
      const links = (await this.#objects.has(oid)) ? await this.#objects.links(oid) : undefined
      if (links?.kind !== 'commit') continue
      for (const parent of links.parents) this.#children.add(parent, KINDS.commit)
    }
  }

  /** Trees and files that no ref here leads to stay with the remote that left them out. */
  async #promiseOutside(): Promise<void> {
    for (const oid of await this.#unreachable(this.#outside.copy())) {
      const kind = this.#outside.value(this.#outside.find(encodeOid(oid)))
      if (kind === KINDS.tree || kind === KINDS.blob) this.promised.push(oid)
    }
    this.#outside = this.#outside.without(this.promised)
  }

  /**
   * Proves what the pack names and does not have, once more where packs that were proof of it are gone.
   *
   * @throws RefusedError `not-connected`
   */
  async proveOutside(): Promise<void> {
    const isEach = this.#request.refusesEach === true
    const missing = isEach
      ? await this.#eachUnreachable(this.#outside)
      : await this.#unreachable(this.#outside.copy())
    const [first, ...others] = missing
    if (first === undefined) return
    // Nobody may build on a delta that rests on what is missing.
    const bases = new Set(this.#bases)
    if (isEach && !missing.some((oid) => bases.has(oid))) {
      this.#refuseLacking(missing)
      this.#outside = this.#outside.without(missing)
      return
    }
    const more = others.length === 0 ? '' : ` and ${others.length} more`
    throw new RefusedError('not-connected', `${MISSING}: ${first}${more}`)
  }

  /** Settles the refs that lead to what is missing. What else leads there came for refs that have their outcome. */
  #refuseLacking(missing: readonly Oid[]): void {
    const shallow = new Set(this.#request.shallow?.add ?? [])
    const { boundaries } = this.#children
    const isCut = (oid: Oid): boolean => shallow.has(oid) || boundaries.has(oid)
    const lack = new Lack(this.#table, missing, isCut)
    for (const { name, to } of this.#wishes.open()) {
      const why = to && lack.of(to)
      if (why) this.#wishes.settle({ name, state: 'refused', reason: `${MISSING}: ${why}` })
    }
  }

  /** As `#unreachable`, and no others: that ends where it lacks a commit, whatever else it was to find. */
  async #eachUnreachable(wanted: OidMap): Promise<readonly Oid[]> {
    const missing = await this.#unreachable(wanted.copy())
    const commits = missing.filter((oid) => {
      const kind = wanted.value(wanted.find(encodeOid(oid)))
      return kind === KINDS.commit || kind === KINDS.tag
    })
    if (commits.length === 0 || commits.length === missing.length) return missing
    return [...commits, ...(await this.#unreachable(wanted.without(commits)))]
  }

  /** Which of these cannot be reached from what the caller may read; used up. */
  async #unreachable(wanted: OidMap): Promise<readonly Oid[]> {
    if (wanted.size === 0 || this.#wishes.open().length === 0) return []
    const { state } = this.#objects
    this.#reliesOn = state.packs.map(({ id }) => id)
    const reach = await reachOf(this.#objects, this.#readable)
    const near = this.#wishes.open().flatMap(({ from }) => from ?? [])
    return reach.prove(this.#objects, wanted, near)
  }

  /** Whether one object can be reached from what the caller may read. */
  async isReached(oid: Oid): Promise<boolean> {
    const wanted = new OidMap()
    wanted.setValue(wanted.add(encodeOid(oid)), KINDS.any)
    return (await this.#unreachable(wanted)).length === 0
  }

  /** Whose objects are proof. */
  get #readable(): Readable {
    const { proven, readable } = this.#request.policy ?? {}
    return proven ?? readable ?? ALL_REFS
  }
}
