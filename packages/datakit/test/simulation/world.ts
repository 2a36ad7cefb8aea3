/**
 * The world of a simulation: one server, its clients, and how rough it is today.
 *
 * @module
 */
import { randomId } from '@datakit/git/bytes'
import { UnavailableError } from '@datakit/git/error'
import { Objects } from '@datakit/git/objects'
import type { Oid } from '@datakit/git/oid'
import { encodePack } from '@datakit/git/pack/write-pack'
import type { Depot, Place, UpdateRequest } from '@datakit/git/place'
import type { Runtime } from '@datakit/git/runtime'
import { createApp, type RepositoryChange } from '@datakit/server/app'
import { OPEN_POLICY } from '@datakit/server/policy'
import { r2Depot } from '@datakit/storage/r2'
import { UpkeepSchedule } from '@datakit/storage/upkeep'
import type { Bucket } from '../../../storage/src/r2/bucket.ts'
import { memoryBucket } from '../../../storage/test/memory-bucket.ts'
import { Repository } from '../../src/repository.ts'
import { bucketPlace, isolateBucket, type BucketGates } from './bucket-place.ts'
import { Disk, Ledger, readReached } from './ledger.ts'
import { Library } from './library.ts'
import { AMBUSH, APP, gatedPlace, Process, type Gates, type Observer } from './process.ts'
import { roughPlace } from './rough-place.ts'
import type { Scheduler } from './scheduler.ts'
import { Wire, type Host } from './wire.ts'

/** Where the server's repository is. */
export const URL_OF_SERVER = 'http://127.0.0.1:8787/config.git'
export const TOKEN = 'secret'
/** A branch that the server takes no push for, while its policy is in force. */
export const LOCKED = 'locked'

/** How rough it is: each from 0 to 1, a probability. */
export interface Weather {
  /** Of a fault, for each request. */
  readonly faults: number
  /** Of somebody being killed, for each step. */
  readonly crashes: number
  /** Of a read stopping at a gate. */
  readonly density: number
  /** Whether branches are moved back, renamed and deleted. */
  readonly hasRewrites: boolean
  /** Whether packs are merged, swept and pruned meanwhile. */
  readonly hasUpkeep: boolean
  /** Whether two tabs work on one repository. */
  readonly hasTabs: boolean
  /** Whether there are many branches, and clients that are brief where they can. */
  readonly isBrief: boolean
  /** Whether bits of packs are flipped on their way. */
  readonly isGarbled: boolean
  /** Whether packs are merged, and branches and what they led to thrown away, just when somebody is about to update what rests on them. */
  readonly isAmbushed: boolean
  /** Whether clients keep configuration records. */
  readonly hasRecords: boolean
  /** Whether clients have parts of the repository. */
  readonly hasParts: boolean
  /**
   * Whether places are busy and lose their answers, clocks jump, proxies answer with what they kept, files and directories
   * take each other's place, and people stay longer.
   */
  readonly isRough: boolean
}

/** How likely a place has a surprise, for each update. */
const SURPRISES = 0.08
/** How likely a bucket has one, for each request. */
const BUCKET_FAULTS = 0.02
/** How likely somebody else comes in between just before an update. */
const AMBUSHES = 0.1
/** The same, where the server is about to make a new branch: what that rests on, nothing else of the update says. */
const NEW_AMBUSHES = 0.5
/** Small packs that the server lets pile up. */
const MAX_SMALL = 2
const YEAR = 365 * 24 * 3_600_000

/** What a run is made with. */
export interface Materials {
  readonly runtime: Runtime
  /** Opens a depot for one machine, of which the clock is given. */
  readonly openDepot: (machine: string, clock: () => number) => Promise<Depot>
  /**
   * Whether the server runs at the edge: two isolates over one bucket, which takes one write a second to a key where it is
   * throttled. What `openDepot` opens is the server's when left out.
   */
  readonly edge?: 'bucket' | 'throttled bucket' | undefined
}

/** A machine with a disk that survives what runs on it. */
export interface Machine {
  readonly name: string
  readonly depot: Depot
  readonly disk: Disk
  readonly clock: () => number
  /** Where its repository is, at the edge. */
  readonly bucket: Bucket | undefined
  /** Puts the clock somewhere else. */
  readonly setClock: (skew: number) => void
}

/** What all actors share. */
export class World {
  readonly scheduler: Scheduler
  readonly ledger = new Ledger()
  /** Kept where there are parts. */
  readonly library = new Library()
  readonly weather: Weather
  readonly wire: Wire
  readonly server: Machine
  /** Whether the server refuses pushes to {@link LOCKED}. */
  isLocked = true
  /** Comes in between before an update of a machine is made; nobody does when left out. */
  ambush: ((machine: Machine, request: UpdateRequest) => Promise<void>) | undefined
  /** What runs at the moment and may be killed. */
  readonly processes = new Set<Process>()
  readonly materials: Materials
  readonly #hosts: Host[]

  private constructor(
    scheduler: Scheduler,
    materials: Materials,
    { weather, server }: { readonly weather: Weather; readonly server: Machine },
  ) {
    this.scheduler = scheduler
    this.weather = weather
    this.materials = materials
    this.server = server
    this.ledger.server = server.disk
    const isolates = server.bucket === undefined ? 1 : 2
    this.#hosts = Array.from({ length: isolates }, () => this.#bootServer())
    this.wire = new Wire(scheduler, () => this.#someHost())
  }

  static async create(
    scheduler: Scheduler,
    materials: Materials,
    weather: Weather,
  ): Promise<World> {
    const isAtEdge = materials.edge !== undefined
    const parts = { scheduler, materials, skew: 0, isPartial: false, isAtEdge }
    const server = await openMachine('server', parts)
    return new World(scheduler, materials, { weather, server })
  }

  /** A machine whose clock goes wrong by `skew` milliseconds. */
  machine(name: string, skew: number): Promise<Machine> {
    const { scheduler, materials, weather } = this
    const isPartial = weather.hasParts && scheduler.chance(0.7)
    return openMachine(name, { scheduler, materials, skew, isPartial, isAtEdge: false })
  }

  /** Starts a process on a machine, with the repository as it sees it. */
  boot(
    machine: Machine,
    name: string,
  ): { readonly process: Process; readonly place: Promise<Place> } {
    const process = new Process(name, this.scheduler)
    this.processes.add(process)
    return { process, place: this.placeOf(machine, process) }
  }

  /** The repository of a machine, as a process sees it. */
  async placeOf(machine: Machine, process: Process): Promise<Place> {
    const { scheduler, weather } = this
    const place =
      machine.bucket === undefined
        ? gatedPlace(await scheduler.outside(machine.depot.open('config')), {
            ...this.#gatesOf(machine, process),
          })
        : await bucketPlace(this.#bucketGatesOf(machine, machine.bucket, process))
    // Somebody with a shell who throws everything away at once has to look himself that nobody else works there, as with Git.
    const isShell = machine === this.server && process.name !== APP
    if (weather.isAmbushed && process.name !== AMBUSH && !isShell)
      return this.#ambushed(place, machine, process)
    if (!weather.isRough) return place
    return roughPlace(place, scheduler, () => (this.wire.faultRate === 0 ? 0 : SURPRISES))
  }

  #ambushed(place: Place, machine: Machine, process: Process): Place {
    return {
      ...place,
      update: async (request) => {
        const isNew = request.refs.some(({ from, to }) => from === undefined && to !== undefined)
        const rate = isNew && process.name === APP ? NEW_AMBUSHES : AMBUSHES
        if (this.ambush !== undefined && this.scheduler.chance(rate))
          await this.ambush(machine, request)
        return place.update(request)
      },
    }
  }

  /** The bucket of a machine, as a process sees it; `undefined` when it has none. */
  bucketOf(machine: Machine, process: Process): Bucket | undefined {
    if (machine.bucket === undefined) return undefined
    return isolateBucket(this.#bucketGatesOf(machine, machine.bucket, process), new Map())
  }

  #gatesOf(machine: Machine, process: Process): Gates {
    const { scheduler, weather } = this
    return { scheduler, process, density: weather.density, observe: this.#observerOf(machine) }
  }

  #bucketGatesOf(machine: Machine, bucket: Bucket, process: Process): BucketGates {
    const { disk, clock } = machine
    const isThrottled = this.materials.edge === 'throttled bucket'
    const faultRate = (): number =>
      this.weather.isRough && this.wire.faultRate > 0 ? BUCKET_FAULTS : 0
    return { ...this.#gatesOf(machine, process), bucket, disk, clock, isThrottled, faultRate }
  }

  /** A clock goes wrong by years, or is put right. */
  jumpClock({ setClock }: Machine): void {
    setClock(this.scheduler.chance(0.3) ? 0 : this.scheduler.below(4 * YEAR) - 2 * YEAR)
  }

  /** Looks at what nobody may lose, and at what a part must have. */
  #observerOf(machine: Machine): Observer {
    const { ledger, library, weather } = this
    const { disk } = machine
    const isServer = machine === this.server
    const observe = ledger.observer(disk, isServer)
    if (!weather.hasParts) return observe
    return async (request, context) => {
      await observe(request, context)
      const objects = await disk.known()
      for (const { to } of request.refs)
        if (to !== undefined) await library.learn(objects, to, isServer)
      const [wrong] = disk.isPartial ? await library.wrongWith(disk) : []
      if (wrong !== undefined) ledger.blame(`${disk.name}: ${wrong} by "${request.log.why}"`)
    }
  }

  /** Kills the server and starts it again. */
  restartServer(): void {
    const chosen = this.#hosts.length === 1 ? 0 : this.scheduler.below(this.#hosts.length)
    const host = this.#hosts[chosen]
    if (host === undefined) return
    this.processes.delete(host.process)
    host.process.kill()
    this.#hosts[chosen] = this.#bootServer()
  }

  /** Who answers the next request: one of the isolates. */
  #someHost(): Host {
    const [first, second] = this.#hosts
    const host = second !== undefined && this.scheduler.chance(0.5) ? second : first
    if (host === undefined) throw new Error('Nobody is there')
    return host
  }

  #bootServer(): Host {
    const process = new Process(APP, this.scheduler)
    const depot: Depot = {
      open: () => this.placeOf(this.server, process),
      list: () => this.server.depot.list(),
      close: async () => {},
    }
    const refuse = ({ name }: { readonly name: string }): string | undefined =>
      this.isLocked && name === `refs/heads/${LOCKED}` ? 'this branch is locked' : undefined
    const { push } = OPEN_POLICY
    const app = createApp({
      depot,
      runtime: this.materials.runtime,
      access: { kind: 'token', token: TOKEN },
      policyOf: () => ({ ...OPEN_POLICY, push: { ...push, receive: { refuse } } }),
      assets: () => new Response('', { status: 404 }),
      afterChange: this.#upkeepOf(),
      log: (error) => {
        const isExcused = this.weather.isRough && error instanceof UnavailableError
        if (!isExcused) this.ledger.blame('The server failed unexpectedly', error)
      },
    })
    return { process, answer: async (request) => app.fetch(request) }
  }

  /** At the edge packs are merged a while after each change, by the isolate that made it. */
  #upkeepOf(): (change: RepositoryChange) => void {
    if (this.server.bucket === undefined || !this.weather.hasUpkeep) return () => {}
    const { ledger } = this
    const upkeep = new UpkeepSchedule(this.materials.runtime, {
      maxSmall: MAX_SMALL,
      log: (problem) => {
        if (!(problem instanceof UnavailableError)) ledger.blame('Upkeep failed', problem)
      },
    })
    return ({ name, place }) => void upkeep.changed(name, place)
  }
}

async function openMachine(
  name: string,
  {
    scheduler,
    materials,
    skew,
    isPartial,
    isAtEdge,
  }: {
    readonly scheduler: Scheduler
    readonly materials: Materials
    readonly skew: number
    readonly isPartial: boolean
    readonly isAtEdge: boolean
  },
): Promise<Machine> {
  let wrong = skew
  const clock = (): number => scheduler.now + wrong
  const bucket = isAtEdge ? memoryBucket() : undefined
  const depot = await scheduler.outside(
    bucket === undefined
      ? materials.openDepot(name, clock)
      : Promise.resolve(r2Depot(bucket, { clock })),
  )
  const { runtime } = materials
  const disk = new Disk(name, {
    place: await scheduler.outside(depot.open('config')),
    runtime,
    isPartial,
  })
  return { name, depot, disk, clock, bucket, setClock: (next) => void (wrong = next) }
}

/** Opens the repository that a place keeps, for somebody. */
export function openRepository(
  place: Place,
  {
    world,
    machine,
    name,
  }: { readonly world: World; readonly machine: Machine; readonly name: string },
): Promise<Repository> {
  const identity = (): { name: string; address: string } => ({
    name,
    address: `${name.toLowerCase()}@example.org`,
  })
  const { runtime } = world.materials
  return Repository.open(place, { runtime, identity, clock: machine.clock })
}

/**
 * Throws away what no ref leads to, as `git gc --prune=now` does: one update that puts one pack in the place of all. False
 * when something was changed meanwhile, and in a Git directory, where nothing of ours ever does that.
 */
export async function prune(place: Place, runtime: Runtime): Promise<boolean> {
  const objects = await Objects.open(place, runtime)
  const { state } = objects
  const refs: { name: string; from: Oid; to: Oid }[] = []
  for await (const { name, oid } of state.refs()) refs.push({ name, from: oid, to: oid })
  const mayPrune = place.traits.kind !== 'git-directory'
  if (!mayPrune || refs.length === 0 || state.packs.length === 0) return false
  const kept = []
  for (const oid of await readReached(
    objects,
    refs.map(({ to }) => to),
  ))
    kept.push({ oid, ...(await objects.read(oid)) })
  const { bytes, table } = await encodePack(runtime, kept)
  const writer = await place.writePack()
  await writer.write(bytes)
  const staged = await writer.finish({ table, needs: [], verified: true })
  const outcome = await place.update({
    id: randomId(),
    refs,
    addPacks: [staged],
    removePacks: state.packs.map(({ id }) => id),
    log: { who: '', why: 'prune' },
  })
  return outcome.state === 'done'
}
