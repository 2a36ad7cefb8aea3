/**
 * A simulation: clients and a server that run the real code, everything that can go wrong, and what must hold all the same.
 *
 * What is checked, and one deliberate bug that each check was seen to find, is told in `simulation.test.ts`.
 *
 * @module
 */
import { ByteReader } from '@datakit/git/byte-reader'
import { UnavailableError } from '@datakit/git/error'
import { readSyncRequest, readSyncResponse } from '@datakit/git/protocol/sync'
import type { Place, UpdateRequest } from '@datakit/git/place'
import { Actor } from './actions.ts'
import { readEverything } from './ledger.ts'
import { wrongMerges } from './merge-check.ts'
import { AMBUSH, KilledError } from './process.ts'
import { loadDriver } from '@datakit/merge/drivers'
import { later } from '../../src/loading.ts'
import { replaceMachine, Scheduler } from './scheduler.ts'
import { openRepository, World, type Machine, type Materials, type Weather } from './world.ts'

/** What is simulated. */
export interface SimulationOptions extends Materials {
  readonly seed: number
  /** Resolves when everything that can go on without I/O has done so. */
  readonly turn: () => Promise<void>
  /** Whether clients have parts of the repository. */
  readonly hasParts?: boolean | undefined
  /** Whether others come in between just before an update, see `Weather`. */
  readonly isAmbushed?: boolean | undefined
  /** Whether there are many branches, and clients that are brief where they can. */
  readonly isBrief?: boolean | undefined
  /** Whether bits of packs are flipped on their way, see `Weather`. */
  readonly isGarbled?: boolean | undefined
  /** Whether clients keep configuration records, of defaults and what people set. */
  readonly hasRecords?: boolean | undefined
  /** Whether more goes wrong than usual, see `Weather`. */
  readonly isRough?: boolean | undefined
  /** Reads everything after each update, to find out which one lost something. */
  readonly isThorough?: boolean | undefined
  /** Looks at every repository at the end; throws when it is not as it should be. */
  readonly judge?: ((place: Place) => Promise<void>) | undefined
}

/** What a run was like. */
export interface SimulationReport {
  /** Choices that were made. */
  readonly steps: number
  /** A digest of all of them: equal seeds give equal ones. */
  readonly trace: number
  /** Commits that somebody was told are kept. */
  readonly acknowledged: number
  /** How often what was killed, and what happened to requests. */
  readonly faults: ReadonlyMap<string, number>
}

const NAMES = ['Ada', 'Grace', 'Edsger', 'Barbara', 'Alan', 'Margaret']
const YEAR = 365 * 24 * 3_600_000
/** Syncs after which all must be the same, once nothing goes wrong. */
const MAX_PASSES = 25

/** Something did not hold. */
export class SimulationError extends Error {
  override readonly name = 'SimulationError'
  /** Everything that happened until then. */
  readonly story: readonly string[]

  constructor(message: string, story: readonly string[], cause: unknown) {
    super(message, { cause })
    this.story = story
  }
}

/** Runs once. @throws SimulationError */
export async function simulate(options: SimulationOptions): Promise<SimulationReport> {
  const scheduler = new Scheduler(options.seed, options.turn)
  // What is loaded when it is wanted would take time that nobody simulates.
  await Promise.all([later(), loadDriver('json'), import('../../../git/src/transport/rebase.ts')])
  const restore = replaceMachine(scheduler)
  let story: readonly string[] = []
  try {
    const world = await World.create(scheduler, options, chooseWeather(scheduler, options))
    story = world.ledger.story
    world.ledger.isThorough = options.isThorough === true
    scheduler.beforeStep = () => {
      if (world.ledger.violation !== undefined) throw world.ledger.violation
    }
    const run = new Simulation(world)
    const report = await scheduler.run(run.live(options.judge))
    if (world.ledger.violation !== undefined) throw world.ledger.violation
    return report
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause)
    throw new SimulationError(`Simulation of SEED=${options.seed}: ${problem}`, story, cause)
  } finally {
    restore()
  }
}

function chooseWeather(
  scheduler: Scheduler,
  {
    hasParts = false,
    hasRecords = false,
    isAmbushed = false,
    isBrief = false,
    isGarbled = false,
    isRough = false,
  }: SimulationOptions,
): Weather {
  const pick = (values: readonly number[]): number => values[scheduler.below(values.length)] ?? 0
  return {
    faults: pick([0, 0.1, 0.3, 0.6]),
    crashes: pick([0, 0.002, 0.01]),
    density: pick([0.05, 0.3, 1]),
    hasRewrites: scheduler.chance(0.5) || isAmbushed,
    hasUpkeep: scheduler.chance(0.5) || isAmbushed,
    hasTabs: scheduler.chance(0.5),
    hasParts,
    hasRecords,
    isAmbushed,
    isBrief,
    isGarbled,
    isRough,
  }
}

class Simulation {
  readonly #world: World
  readonly #clients: Machine[] = []
  #kills = 0

  constructor(world: World) {
    this.#world = world
  }

  async live(judge: SimulationOptions['judge']): Promise<SimulationReport> {
    const { scheduler, weather, wire, server, ledger } = this.#world
    for (const name of NAMES.slice(0, 2 + scheduler.below(weather.isRough ? 5 : 3))) {
      const skew = scheduler.chance(0.5) ? 0 : scheduler.below(4 * YEAR) - 2 * YEAR
      this.#clients.push(await this.#world.machine(name, skew))
    }
    await this.#begin()
    wire.faultRate = weather.faults
    wire.hasCache = weather.isRough
    wire.isGarbled = weather.isGarbled
    if (weather.isAmbushed)
      this.#world.ambush = (machine, request) => this.#comeBetween(machine, request)
    this.#unleash()
    const tabs = this.#clients.flatMap((machine) =>
      weather.hasTabs && scheduler.chance(0.7) ? [machine, machine] : [machine],
    )
    await Promise.all([
      ...tabs.map((machine) => this.#keepActing(machine, (actor) => actor.actAsClient())),
      this.#keepActing(server, (actor) => actor.actAsOperator()),
    ])
    this.#calm()
    await this.#converge()
    await this.#repeatAll()
    if (weather.hasRecords) await this.#compareRecords()
    await scheduler.outside(this.#examine(judge))
    const faults = new Map([...wire.counts, ['killed', this.#kills] as const])
    return {
      steps: scheduler.steps,
      trace: scheduler.trace,
      acknowledged: ledger.acknowledged,
      faults,
    }
  }

  /** Most runs begin with one history that all have. */
  async #begin(): Promise<void> {
    const { scheduler, weather } = this.#world
    if (scheduler.chance(0.1)) return
    for (const [i, machine] of this.#clients.entries()) {
      const actor = await this.#boot(machine)
      if (i === 0) await actor.edit()
      if (i === 0 && weather.hasRecords) await actor.record.use()
      if (i === 0 && weather.isBrief) await actor.forkMany()
      if (i === 0 && weather.isAmbushed) await actor.fill()
      await actor.sync({ pull: false })
      actor.process.kill()
    }
  }

  /** Lets chance kill who is running. */
  #unleash(): void {
    const { scheduler, weather, processes, ledger } = this.#world
    scheduler.beforeStep = () => {
      if (ledger.violation !== undefined) throw ledger.violation
      if (!scheduler.chance(weather.crashes)) return
      this.#kills++
      const victims = [...processes]
      const victim = victims[scheduler.below(victims.length + 1)]
      ledger.tell(victim?.name ?? 'app', 'killed')
      if (victim === undefined) this.#world.restartServer()
      else victim.kill()
    }
  }

  #calm(): void {
    const { scheduler, ledger, wire } = this.#world
    wire.faultRate = 0
    this.#world.ambush = undefined
    this.#world.isLocked = false
    ledger.tell('all', 'calm')
    scheduler.beforeStep = () => {
      if (ledger.violation !== undefined) throw ledger.violation
    }
  }

  /** Others come in between, if they live long enough and the place takes what they do. */
  async #comeBetween(machine: Machine, request: UpdateRequest): Promise<void> {
    let actor: Actor | undefined
    try {
      actor = await this.#boot(machine, AMBUSH)
      await actor.process.run(actor.comeBetween(request))
    } catch (error) {
      if (!(error instanceof KilledError || error instanceof UnavailableError)) throw error
    } finally {
      if (actor !== undefined) this.#world.processes.delete(actor.process)
    }
  }

  async #boot(machine: Machine, called = machine.name): Promise<Actor> {
    const { process, place } = this.#world.boot(machine, called)
    const work = async (): Promise<Actor> => {
      const opened = await place
      const parts = { world: this.#world, machine, name: machine.name }
      const repository = await openRepository(opened, parts)
      return new Actor(this.#world, machine, { process, repository, place: opened })
    }
    try {
      return await process.run(work())
    } catch (error) {
      this.#world.processes.delete(process)
      throw error
    }
  }

  /** Acts for a while, in one process after the other as they are killed. */
  async #keepActing(machine: Machine, act: (actor: Actor) => Promise<void>): Promise<void> {
    const { scheduler, processes, weather } = this.#world
    let left = 3 + scheduler.below(weather.isRough ? 25 : 9)
    while (left > 0) {
      let actor: Actor | undefined
      if (weather.isRough && scheduler.chance(0.3)) this.#world.jumpClock(machine)
      try {
        actor = await this.#boot(machine)
        for (; left > 0; left--) await actor.process.run(act(actor))
        actor.process.kill()
      } catch (error) {
        if (!(error instanceof KilledError)) throw error
        left--
      } finally {
        if (actor !== undefined) processes.delete(actor.process)
      }
    }
  }

  /** Syncs and decides until all is the same everywhere. */
  async #converge(): Promise<void> {
    const actors: Actor[] = []
    for (const machine of this.#clients) actors.push(await this.#boot(machine))
    // Who wants all in the end must have all.
    for (const { part } of actors)
      if (part !== undefined && this.#world.scheduler.chance(0.5)) await part.want(undefined)
    let told = ''
    for (let pass = 0; pass < MAX_PASSES; pass++) {
      const busy = await Promise.all(
        actors.map(async (actor) => {
          const outcome = await actor.syncPart({ pull: false })
          const open = outcome?.branches.filter(({ state }) => state !== 'in-step') ?? []
          told = open.map(({ branch, state }) => `${branch}: ${state}`).join(', ')
          for (const each of open) await actor.decideOne(each)
          return outcome === undefined || open.length > 0
        }),
      )
      if (!busy.includes(true) && (await this.#areSame(actors))) return
    }
    throw new Error(`The clients are not the same after ${MAX_PASSES} syncs each (${told})`)
  }

  async #areSame(actors: readonly Actor[]): Promise<boolean> {
    const theirs = await this.#world.server.disk.refs('refs/heads/')
    const seen = await Promise.all(
      actors.map(async ({ part, machine: { disk } }) =>
        part === undefined
          ? JSON.stringify([...(await disk.refs('refs/heads/'))]) !== JSON.stringify([...theirs])
          : (await part.differences(theirs)).length > 0,
      ),
    )
    return !seen.includes(true)
  }

  /** Every request that the server ever did something for comes once more: nothing changes, and the answer is the same. */
  async #repeatAll(): Promise<void> {
    const { wire, server, ledger } = this.#world
    const before = JSON.stringify([...(await server.disk.refs())])
    for (const { request, body } of [...wire.answered]) {
      const { updates } = await readSyncResponse(readerOf(body))
      const done = updates.filter(({ outcome }) => outcome === 'done')
      if (done.length === 0) continue
      const { id, brief } = await readSyncRequest(readerOf(request.body))
      // Of what a brief one counts from, nobody knows any more; it would be sent with all haves.
      if (brief === true) continue
      const again = await readSyncResponse(readerOf(await wire.replay(request)))
      const after = JSON.stringify([...(await server.disk.refs())])
      if (after !== before) throw new Error(`Request ${id} was done twice: ${after}, was ${before}`)
      // Of one that was done in parts (as where names collide), or moved HEAD too, is told where the refs are by then.
      const isClear = !updates.some(({ name }) => name.startsWith('refs/heads/topic'))
      const isWhole = done.length === updates.length && isClear && !ledger.hasMovedHead
      if (!isWhole || JSON.stringify(again.updates) === JSON.stringify(updates)) continue
      const receipt = await (await server.disk.place.read()).receipt(id)
      throw new Error(
        `Request ${id} is answered otherwise than before: ${JSON.stringify([updates, again.updates, receipt])}`,
      )
    }
  }

  /** The configuration is the same everywhere. */
  async #compareRecords(): Promise<void> {
    const held = new Set<string>()
    for (const machine of this.#clients) {
      const actor = await this.#boot(machine)
      held.add(await actor.record.check())
      actor.process.kill()
    }
    if (held.size > 1) throw new Error(`The configuration is not the same: ${[...held].join()}`)
  }

  async #examine(judge: SimulationOptions['judge']): Promise<void> {
    const { ledger, library, server } = this.#world
    const heads = [...(await server.disk.refs()).values()]
    const missing = ledger.missing(heads)
    if (missing.length > 0)
      throw new Error(`No ref of the server leads to ${missing.join(', ')} any more`)
    const [merge] = await wrongMerges(await server.disk.objects(), { ledger, heads })
    if (merge !== undefined) throw new Error(`Nobody has decided about ${merge}`)
    const cascades = ledger.cascades(heads)
    if (cascades.length > 0) throw new Error(`Merges of nothing but merges: ${cascades.join(', ')}`)
    for (const { disk } of [server, ...this.#clients]) {
      const [wrong] = disk.isPartial ? await library.wrongWith(disk) : []
      if (wrong !== undefined) throw new Error(`${disk.name}: ${wrong}`)
      if (disk.isPartial) continue
      await readEverything(disk)
      await judge?.(disk.place)
    }
  }
}

function readerOf(body: Uint8Array): ByteReader {
  const pieces = async function* (): AsyncGenerator<Uint8Array> {
    yield body
  }
  return new ByteReader(pieces(), 'a message')
}
