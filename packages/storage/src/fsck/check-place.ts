/**
 * Checking a place: everything that can be told of a repository through the seam, whatever keeps it. Nothing is changed.
 *
 * Each live pack, the catalogs against the packs that they cover, the refs, and all that the refs lead to. It is done in steps, each of
 * which looks at the repository as it is by then, so that a check can be kept between two of them and gone on with elsewhere:
 * packs that came meanwhile are checked as well, but not for ever, those that went are passed over, and links begin at the refs as they are when the packs
 * are done.
 *
 * @module
 */
import { Objects } from '@datakit/git/objects'
import { OidMap } from '@datakit/git/oid-map'
import type { PackId, Place, State } from '@datakit/git/place'
import type { Runtime } from '@datakit/git/runtime'
import type { Oid } from '@datakit/git/oid'
import { findDangling } from '../update.ts'
import { checkCatalogs } from './check-catalogs.ts'
import { LinkWalk, type CheckLinksOptions, type SavedWalk } from './check-links.ts'
import {
  checkPack,
  probePack,
  withPacks,
  type CheckPackOptions,
  type PackHealth,
  type ProbedPack,
} from './check-pack.ts'
import { checkRefs } from './check-refs.ts'
import { found, progress, type CheckEvent, type Counts } from './finding.ts'

/** What a check knows in the end, for who mends it. */
export interface Health {
  readonly packs: readonly PackHealth[]
  /** Objects that the refs lead to, without one copy that can be read. */
  readonly lost: readonly Oid[]
  /** Whether some catalog is wrong. */
  readonly hasBadCatalogs: boolean
}

/** How much a step does at most; what is begun is ended, so that a pack is read in one step however large it is. */
export interface StepLimits {
  /** Bytes of packs that are read. */
  readonly bytes: number
  /** Objects that are read in packs, or whose links are followed. */
  readonly objects: number
}

/** All there is in as few steps as there can be. */
export const NO_LIMITS: StepLimits = { bytes: Infinity, objects: Infinity }

/** The parts of a check, in their order. */
export type Stage = 'packs' | 'catalogs' | 'links' | 'done'

/** What is known of a pack, as values that can be kept. */
export type SavedPack = Omit<PackHealth, 'listed'>

/** A check of a place between two steps, as values that can be kept. */
export interface SavedPlaceCheck {
  readonly stage: Stage
  /** How often packs that came meanwhile were taken in, and the packs of this time. */
  readonly round: number
  readonly wanted: readonly PackId[]
  readonly packs: readonly SavedPack[]
  readonly hasBadCatalogs: boolean
  readonly walk: SavedWalk | undefined
}

const BEGIN: SavedPlaceCheck = {
  stage: 'packs',
  round: 0,
  wanted: [],
  packs: [],
  hasBadCatalogs: false,
  walk: undefined,
}

/** How often packs are taken in, those of the beginning and those that came meanwhile: pushes must not keep a check from its end. */
const MAX_ROUNDS = 3
/** Bytes of packs and objects that are kept meanwhile. */
const CACHE = 16_000_000

/**
 * Checks everything.
 *
 * @throws GitError when not even the state can be read
 */
export async function* checkPlace(
  place: Place,
  runtime: Runtime,
  options: CheckPackOptions = {},
): AsyncGenerator<CheckEvent, Health> {
  const check = new PlaceCheck(place, runtime, options)
  while (!check.isDone) yield* check.step(NO_LIMITS)
  // WebKit does not wait for a promise that a generator returns.
  return await check.health()
}

/** A check of one place, step by step. */
export class PlaceCheck {
  readonly #place: Place
  readonly #runtime: Runtime
  readonly #options: CheckPackOptions
  readonly #probes = new Map<PackId, ProbedPack>()
  #objects: Objects | undefined
  #stage: Stage
  #round: number
  #wanted: ReadonlySet<PackId>
  readonly #packs: SavedPack[]
  #hasBadCatalogs: boolean
  readonly #savedWalk: SavedWalk | undefined
  #walk: LinkWalk | undefined
  #lost: readonly Oid[] = []

  /** A check that begins, or goes on with what another has kept. */
  constructor(place: Place, runtime: Runtime, options: CheckPackOptions, saved = BEGIN) {
    this.#place = place
    this.#runtime = runtime
    this.#options = options
    this.#stage = saved.stage
    this.#round = saved.round
    this.#wanted = new Set(saved.wanted)
    this.#packs = [...saved.packs]
    this.#hasBadCatalogs = saved.hasBadCatalogs
    this.#savedWalk = saved.walk
    this.#lost = saved.walk?.lost ?? []
  }

  /** What is being done: another thing after a step that has ended one. */
  get stage(): Stage {
    return this.#stage
  }

  get isDone(): boolean {
    return this.#stage === 'done'
  }

  /** The check as it stands between two steps. */
  save(): SavedPlaceCheck {
    const walk = this.#walk?.save() ?? this.#savedWalk
    const { isDone } = this
    return {
      stage: this.#stage,
      round: this.#round,
      wanted: [...this.#wanted],
      packs: this.#packs,
      hasBadCatalogs: this.#hasBadCatalogs,
      walk: walk && isDone ? { ...walk, roots: [], objects: new Uint8Array(4) } : walk,
    }
  }

  /** Does the next part of it. */
  async *step(limits: StepLimits): AsyncGenerator<CheckEvent, void> {
    if (this.#stage === 'packs') yield* this.#checkPacks(limits)
    else if (this.#stage === 'catalogs') yield* this.#checkCatalogs()
    else if (this.#stage === 'links') yield* this.#checkLinks(limits)
  }

  /** What is known of the packs, those too that went since they were checked. */
  async health(): Promise<Health> {
    await this.#look()
    const packs = this.#packs.map((pack): PackHealth => {
      return { ...pack, listed: this.#probes.get(pack.pack.id)?.index }
    })
    return { packs, lost: this.#lost, hasBadCatalogs: this.#hasBadCatalogs }
  }

  async *#checkPacks(limits: StepLimits): AsyncGenerator<CheckEvent, void> {
    const checked = new Set(this.#packs.map(({ pack }) => pack.id))
    for (let { bytes, objects: rows } = limits; ;) {
      const { objects, state } = await this.#look()
      const unchecked = state.packs.filter(({ id }) => !checked.has(id))
      const open = unchecked.filter(({ id }) => this.#wanted.has(id))
      if (open.length === 0) {
        if (unchecked.length === 0 || this.#round >= MAX_ROUNDS) break
        this.#round++
        this.#wanted = new Set(unchecked.map(({ id }) => id))
        continue
      }
      for (const [i, { id, size, objects: count }] of open.entries()) {
        this.#options.signal?.throwIfAborted()
        const probe = this.#probes.get(id)
        if (probe === undefined) continue
        yield progress('packs', checked.size, checked.size + open.length - i)
        const { listed: _, ...health } = yield* checkPack(objects, probe, this.#options)
        this.#packs.push(health)
        checked.add(id)
        if (!probe.pack.verified) yield unverified(id)
        bytes -= size
        rows -= count
        if (bytes <= 0 || rows <= 0) return
      }
    }
    this.#stage = 'catalogs'
  }

  async *#checkCatalogs(): AsyncGenerator<CheckEvent, void> {
    const { objects, state } = await this.#look()
    for (const id of findDangling(state.packs)) {
      const message = `pack ${id} is needed by another one for its deltas, and is not listed`
      yield found('pack-gone', id, { message, remedy: 'repair' })
    }
    const listed = new Map([...this.#probes].map(([id, { index }]) => [id, index]))
    this.#hasBadCatalogs = yield* checkCatalogs(state.catalogs, listed)
    this.#walk = new LinkWalk(objects, this.#linkOptions())
    for (const root of yield* checkRefs(objects, this.#options.signal)) this.#walk.addRoot(root)
    this.#stage = 'links'
  }

  async *#checkLinks(limits: StepLimits): AsyncGenerator<CheckEvent, void> {
    const { objects, state } = await this.#look()
    const walk = this.#walk ?? resume(objects, this.#savedWalk, this.#linkOptions())
    this.#walk = walk
    yield* walk.run(limits.objects, this.#options.signal)
    if (!walk.isDone) return
    this.#lost = walk.lost
    yield { kind: 'counts', counts: this.#count(state, walk) }
    this.#stage = 'done'
  }

  #linkOptions(): CheckLinksOptions {
    const suspects = new Set(this.#packs.flatMap(({ damaged }) => damaged))
    return { suspects, signal: this.#options.signal }
  }

  /** The repository as it is, and the objects of its packs that can be looked into. */
  async #look(): Promise<{ readonly objects: Objects; readonly state: State }> {
    for (;;) {
      const state = await this.#place.read()
      const live = new Set(state.packs.map(({ id }) => id))
      for (const id of this.#probes.keys()) if (!live.has(id)) this.#probes.delete(id)
      for (const pack of state.packs)
        if (!this.#probes.has(pack.id))
          this.#probes.set(pack.id, await probePack(this.#place, pack))
      const isThere = (id: PackId): boolean => isUsable(this.#probes.get(id))
      const place = withPacks(this.#place, isThere)
      this.#objects ??= await Objects.open(place, this.#runtime, { bytes: CACHE })
      const { version } = await this.#objects.refresh()
      if (version === state.version) return { objects: this.#objects, state }
    }
  }

  #count(state: State, walk: LinkWalk): Counts {
    const checked = new Set(this.#packs.map(({ pack }) => pack.id))
    const packs = state.packs.filter(({ id }) => checked.has(id))
    const all = new OidMap()
    for (const { id } of packs) {
      const index = this.#probes.get(id)?.index
      for (let ordinal = 0; ordinal < (index?.count ?? 0); ordinal++) {
        const oid = index?.oidBytes(ordinal)
        if (oid !== undefined) all.add(oid)
      }
    }
    return {
      packs: packs.length,
      bytes: packs.reduce((sum, { size }) => sum + size, 0),
      refs: walk.roots,
      objects: all.size,
      unreachable: Math.max(0, all.size - walk.reached.count),
    }
  }
}

function resume(
  objects: Objects,
  saved: SavedWalk | undefined,
  options: CheckLinksOptions,
): LinkWalk {
  if (saved === undefined) throw new TypeError('Cannot go on with links that were not begun')
  return LinkWalk.resume(objects, saved, options)
}

function isUsable(probe: ProbedPack | undefined): boolean {
  return probe?.index !== undefined && !probe.isGone
}

function unverified(id: PackId): CheckEvent {
  const message = `pack ${id} has an index from elsewhere, which nobody has proved yet`
  return found('unverified', id, { message, severity: 'info', remedy: 'time' })
}
