/**
 * What people do in a simulation: in a tab of a client, and on the server's machine behind everybody's back.
 *
 * @module
 */
import { UnavailableError } from '@datakit/git/error'
import type { Oid } from '@datakit/git/oid'
import type { Place, UpdateRequest } from '@datakit/git/place'
import { compact } from '@datakit/storage/maintenance'
import { collectGarbage } from '@datakit/storage/r2/collect'
import { keepUp } from '@datakit/storage/upkeep'
import { BranchError, PathError, SyncError } from '../../src/error.ts'
import type { Resolution } from '../../src/merge/conflict.ts'
import type { Repository } from '../../src/repository.ts'
import type { BranchOutcome, SyncOutcome } from '../../src/sync/sync-outcome.ts'
import { briefExchange } from '../../src/sync/brief-exchange.ts'
import { exchange } from '../../src/sync/sync-exchange.ts'
import { Remote, type SyncOptions } from '../../src/sync/sync.ts'
import { takeTheirs, TakeTheirsError } from '../../src/sync/take-theirs.ts'
import { choose } from '../random-history.ts'
import { EDIT } from './ledger.ts'
import { GARBLED } from './wire.ts'
import { PartialClient } from './partial-client.ts'
import type { Process } from './process.ts'
import { RecordClient } from './record-client.ts'
import { LOCKED, prune, TOKEN, URL_OF_SERVER, type Machine, type World } from './world.ts'

const HEADS = 'refs/heads/'
const PATHS = ['a', 'b', 'dir/c', 'dir/d', 'dir/sub/e', 'config.json']
/** Where files and directories take each other's place. */
const ROUGH_PATHS = [...PATHS, 'a/x', 'dir', 'dir/sub']
/** So many that their directory is written as a delta: packs lean on others then. */
const MANY_PATHS = Array.from({ length: 120 }, (_, i) => `large/a-file-of-many-${i}`)
const BRANCHES = ['topic', 'topic/a', 'other', LOCKED]
/** After this long a person stops waiting for a sync, in milliseconds. */
const PATIENCE = 120_000
const HOUR = 3_600_000

/** One tab, or one shell on the server's machine. */
export class Actor {
  readonly world: World
  readonly machine: Machine
  readonly process: Process
  readonly repository: Repository
  /** What is done with a part, where the machine has one. */
  readonly part: PartialClient | undefined
  /** A program that keeps its configuration here. */
  readonly record: RecordClient
  readonly #place: Place
  readonly #remote: Remote
  /** Names all it has, or is brief where it can. */
  readonly #exchange: typeof exchange
  #last: SyncOutcome | undefined

  constructor(
    world: World,
    machine: Machine,
    parts: { readonly process: Process; readonly repository: Repository; readonly place: Place },
  ) {
    this.world = world
    this.machine = machine
    this.process = parts.process
    this.repository = parts.repository
    this.#place = parts.place
    this.record = new RecordClient({ world, machine, ...parts }, (oid) => this.#acknowledge(oid))
    const isBrief = world.weather.isBrief && world.scheduler.chance(0.7)
    this.#exchange = isBrief ? briefExchange() : exchange
    const server = this.#syncOptions({ exchange: this.#exchange })
    this.#remote = new Remote(this.repository, server)
    if (machine.disk.isPartial) this.part = new PartialClient({ world, machine, ...parts }, server)
  }

  /** Does something that a client does. */
  async actAsClient(): Promise<void> {
    const { hasRewrites, hasUpkeep, hasRecords } = this.world.weather
    const deeds: (readonly [number, () => Promise<void>])[] = [
      [10, () => this.edit()],
      [8, () => this.sync()],
      [4, () => this.decide()],
      [1, () => this.mergeBranch()],
      [1, () => this.forkBranch()],
      [1, () => this.world.scheduler.pause(this.world.scheduler.below(HOUR))],
    ]
    if (hasRewrites)
      deeds.push(
        [1, () => this.deleteBranch()],
        [1, () => this.renameBranch()],
        [0.5, () => this.removeOnServer()],
      )
    if (hasUpkeep) deeds.push([2, () => this.upkeep()])
    if (hasRecords) deeds.push([6, () => this.#excuse(() => this.record.use())])
    const { part } = this
    if (part !== undefined)
      deeds.push([3, () => part.choose()], [4, async () => part.look(await this.#someBranch())])
    await this.#act(deeds)
  }

  /** Does something that somebody with a shell on the server does. */
  async actAsOperator(): Promise<void> {
    const { hasRewrites, hasUpkeep, isRough } = this.world.weather
    const deeds: (readonly [number, () => Promise<void>])[] = [
      [3, () => this.edit()],
      [1, () => this.forkBranch()],
      [1, () => this.world.scheduler.pause(this.world.scheduler.below(HOUR))],
    ]
    if (hasRewrites)
      deeds.push(
        [3, () => this.rewind()],
        [1, () => this.deleteBranch()],
        [1, () => this.renameBranch()],
        [1, () => this.moveTag()],
      )
    if (hasUpkeep) deeds.push([2, () => this.upkeep()], [3, () => this.prune()])
    if (hasUpkeep && this.machine.bucket !== undefined) deeds.push([3, () => this.collect()])
    if (isRough && hasRewrites && hasUpkeep) deeds.push([4, () => this.throwAway()])
    await this.#act(deeds)
  }

  async #act(deeds: readonly (readonly [number, () => Promise<void>])[]): Promise<void> {
    this.process.wishes.clear()
    this.process.moved.clear()
    this.process.faults.length = 0
    const all = deeds.reduce((sum, [weight]) => sum + weight, 0)
    let at = this.world.scheduler.random() * all
    for (const [weight, deed] of deeds) {
      at -= weight
      if (at > 0) continue
      const work = this.part ? this.part.allow(deed) : deed()
      await work.catch((error: unknown) => {
        // A place that does not answer for long.
        if (!(this.world.weather.isRough && error instanceof UnavailableError)) throw error
      })
      return
    }
  }

  /** Commits a change of one file or two. Its branch may be gone by then, with another in the way of its name. */
  async edit(): Promise<void> {
    const branch = await this.#someBranch()
    await this.#excuse(() => this.#commitTo(branch))
  }

  async #commitTo(branch: string): Promise<void> {
    const { scheduler, weather } = this.world
    const paths = [
      ...(weather.isRough ? ROUGH_PATHS : PATHS),
      ...(weather.isAmbushed ? MANY_PATHS.slice(0, 4) : []),
    ]
    const outcome = await this.repository.branch(branch).commit(
      async (transaction) => {
        for (let i = scheduler.below(2); i >= 0; i--) {
          const path = choose(scheduler.random, paths)
          if (weather.isRough && scheduler.chance(0.1)) {
            await transaction.move(path, choose(scheduler.random, paths))
            continue
          }
          const content = path.endsWith('.json')
            ? `{\n  "${choose(scheduler.random, ['x', 'y'])}": ${scheduler.below(9)}\n}\n`
            : `${this.machine.name} ${scheduler.below(1000)}\n`
          if (scheduler.chance(0.15)) await transaction.remove(path)
          else await transaction.write(path, content)
        }
      },
      { message: `${EDIT} by ${this.machine.name}` },
    )
    if (outcome.state === 'committed') await this.#acknowledge(outcome.oid)
  }

  /** Syncs, and looks whether what came of it is true. */
  async sync(options: Partial<SyncOptions> = {}): Promise<SyncOutcome | undefined> {
    const { scheduler } = this.world
    for (const branch of options.restore ?? []) this.world.ledger.restored.add(HEADS + branch)
    const isPlain = Object.keys(options).length === 0 && scheduler.chance(0.5)
    const end = new AbortController()
    const timer = scheduler.after(PATIENCE, () =>
      end.abort(new DOMException('It takes too long', 'TimeoutError')),
    )
    try {
      const remote = isPlain
        ? this.#remote
        : new Remote(this.repository, {
            ...this.#syncOptions(options),
            signal: end.signal,
            exchange: this.#exchange,
            pull: options.pull ?? scheduler.chance(0.1),
          })
      const said = Object.entries(options).map(([name, value]) => `${name}=${String(value)}`)
      this.#tell(`sync ${said.join(' ')}`)
      const outcome = await remote.sync()
      this.#tell(
        `synced: ${outcome.branches.map(({ branch, state }) => `${branch} ${state}`).join(', ')}`,
      )
      this.#checkOutcome(outcome)
      this.#last = outcome
      return outcome
    } catch (error) {
      this.#tell(`not synced: ${String(error)} (${this.process.faults.join(', ')})`)
      if (!this.#isExcused(error)) throw error
      return undefined
    } finally {
      scheduler.cancel(timer)
    }
  }

  /** The same, where something that is rightly not here may be needed. */
  async syncPart(options: Partial<SyncOptions>): Promise<SyncOutcome | undefined> {
    let outcome: SyncOutcome | undefined
    const work = async (): Promise<void> => void (outcome = await this.sync(options))
    await (this.part ? this.part.allow(work) : work())
    return outcome
  }

  /** Decides what the last sync left to a person. */
  async decide(): Promise<void> {
    const outcomes = this.#last?.branches ?? []
    if (outcomes.length === 0) return
    await this.decideOne(choose(this.world.scheduler.random, outcomes))
  }

  /** Decides one thing, one way or another. */
  async decideOne(outcome: BranchOutcome): Promise<void> {
    const { scheduler } = this.world
    const { branch, state } = outcome
    if (state === 'conflict') await this.#resolve(outcome)
    if (state === 'rewritten' && scheduler.chance(0.4)) await this.sync({ restore: [branch] })
    else if (state === 'rewritten' || (state === 'unrelated' && outcome.theirs !== undefined))
      await this.#takeTheirs({ branch, ours: outcome.ours, theirs: outcome.theirs })
    if (state === 'unrelated' && outcome.theirs === undefined)
      await this.sync({ acceptOther: true })
    if (state === 'gone') await this.sync({ restore: [branch] })
    if (state === 'refused') await this.#giveUp(branch)
    if (state === 'elsewhere') await this.#bringBack(outcome)
  }

  /**
   * Lets go of a branch that can never be sent, since it leads to what was left with the server and is gone there. Another one is
   * in the way of a branch that this client does not want to know of.
   */
  async #giveUp(name: string): Promise<void> {
    const branch = this.repository.branch(name)
    const head = await branch.oid()
    if (head === undefined || this.part === undefined) return
    if (name === LOCKED && this.world.isLocked) return
    if (await this.part.isBeyond(head)) {
      this.#tell(`gives up ${name}`)
      this.process.wishes.add(branch.ref)
      await branch.delete()
      this.process.wishes.clear()
    } else await this.#excuse(() => branch.rename(this.#newName()))
  }

  async mergeBranch(): Promise<void> {
    const [into, from] = [await this.#someBranch(), await this.#someBranch()]
    const theirs = await this.repository.branch(from).oid()
    if (theirs === undefined) return
    const outcome = await this.repository.branch(into).merge(theirs)
    if (outcome.state === 'committed') await this.#acknowledge(outcome.oid)
  }

  async forkBranch(): Promise<void> {
    const branch = this.repository.branch(await this.#someBranch())
    const name = choose(this.world.scheduler.random, BRANCHES)
    await this.#excuse(() => branch.fork(name))
  }

  /** Commits a directory of many files. */
  async fill(): Promise<void> {
    const outcome = await this.repository.branch('main').commit(
      async (transaction) => {
        for (const path of MANY_PATHS) await transaction.write(path, `${path}\n`)
      },
      { message: 'Many files' },
    )
    if (outcome.state === 'committed') await this.#acknowledge(outcome.oid)
  }

  /** Makes so many branches that a client which is brief where it can is so. */
  async forkMany(): Promise<void> {
    for (let i = 0; i < 7; i++)
      await this.#excuse(() => this.repository.branch('main').fork(`many/${i}`))
  }

  async deleteBranch(): Promise<void> {
    const branch = this.repository.branch(await this.#someBranch())
    this.process.wishes.add(branch.ref)
    this.#tell(`delete ${branch.name}`)
    await branch.delete()
  }

  async renameBranch(): Promise<void> {
    const branch = this.repository.branch(await this.#someBranch())
    const name = choose(this.world.scheduler.random, BRANCHES)
    await this.#excuse(() => branch.rename(name))
  }

  async removeOnServer(): Promise<void> {
    const branch = choose(this.world.scheduler.random, BRANCHES)
    this.world.ledger.removals.add(HEADS + branch)
    await this.sync({ remove: [branch] })
  }

  /** Moves a branch back, as `git reset` and `git push --force` do, and sometimes goes on from there. */
  async rewind(): Promise<void> {
    const branch = this.repository.branch(await this.#someBranch())
    const head = await branch.oid()
    if (head === undefined) return
    const before = [...this.world.ledger.reach([head])]
    this.process.wishes.add(branch.ref)
    const isMoved = await branch.compareAndSet(head, choose(this.world.scheduler.random, before))
    this.process.wishes.clear()
    if (!isMoved && this.process.moved.has(branch.ref))
      this.world.ledger.blame(`${branch.name} is told not to have been moved, and was`)
    if (isMoved && this.world.scheduler.chance(0.5)) await this.edit()
  }

  async moveTag(): Promise<void> {
    const name = 'refs/tags/v1'
    const to = await this.repository.branch(await this.#someBranch()).oid()
    const from = await (await this.repository.store.state()).ref(name)
    const why = 'tag'
    this.process.wishes.add(name)
    const id = Array.from({ length: 32 }, () => this.world.scheduler.below(16).toString(16)).join(
      '',
    )
    await this.#place.update({ id, refs: [{ name, from, to }], log: { who: '', why } })
  }

  async upkeep(): Promise<void> {
    const { scheduler, materials } = this.world
    const options = { maxSmall: 2, grace: HOUR }
    if (scheduler.chance(0.5)) await keepUp(this.#place, materials.runtime, options)
    else await compact(this.#place, materials.runtime)
  }

  async prune(): Promise<void> {
    await prune(this.#place, this.world.materials.runtime)
  }

  /** Collects the garbage of a bucket, after a retention that may be over at once. */
  async collect(): Promise<void> {
    const { world, machine, process } = this
    const bucket = world.bucketOf(machine, process)
    if (bucket === undefined) return
    const retention = world.scheduler.below(2) * HOUR
    await collectGarbage(bucket, 'config', world.materials.runtime, {
      clock: machine.clock,
      retention,
    })
  }

  /** Moves a branch back, and throws away what it led to: a push that builds on it may be on its way. */
  async throwAway(): Promise<void> {
    await this.rewind()
    await this.prune()
  }

  /**
   * Comes in between before somebody else makes an update: merges packs, and on the server deletes branches that the update
   * does not name and throws away what they led to. Whoever has proved something by it, or named a pack, must look again.
   */
  async comeBetween({ refs }: UpdateRequest): Promise<void> {
    const { scheduler, weather } = this.world
    const others = (await this.repository.branches()).filter(
      ({ name }) => !refs.some((ref) => ref.name === HEADS + name),
    )
    const isServer = this.machine === this.world.server
    if (!isServer || !weather.hasRewrites || others.length === 0 || scheduler.chance(0.3)) {
      await compact(this.#place, this.world.materials.runtime)
      return
    }
    const chosen = scheduler.chance(0.5) ? others : [choose(scheduler.random, others)]
    for (const { name } of chosen) {
      const branch = this.repository.branch(name)
      this.process.wishes.add(branch.ref)
      this.#tell(`comes between, and deletes ${name}`)
      await branch.delete()
    }
    await this.prune()
  }

  async #resolve(outcome: Extract<BranchOutcome, { state: 'conflict' }>): Promise<void> {
    const { random } = this.world.scheduler
    const resolutions = new Map<string, Resolution>()
    for (const { path } of outcome.conflicts)
      resolutions.set(
        path,
        choose<Resolution>(random, ['ours', 'theirs', { bytes: `${random()}\n` }]),
      )
    const resolved = await this.repository.resolve(outcome.branch, outcome, resolutions)
    if (resolved.state === 'committed') await this.#acknowledge(resolved.oid)
  }

  async #takeTheirs({
    branch,
    ours,
    theirs,
  }: {
    readonly branch: string
    readonly ours: Oid
    readonly theirs: Oid | undefined
  }): Promise<void> {
    if (theirs === undefined) return
    const { scheduler } = this.world
    const keepMineAs = scheduler.chance(0.6)
      ? `kept/${this.machine.name}-${scheduler.below(1e6)}`
      : undefined
    if (keepMineAs === undefined) this.process.wishes.add(HEADS + branch)
    await this.#excuse(() => takeTheirs(this.repository, { branch, ours, theirs }, { keepMineAs }))
    this.process.wishes.clear()
  }

  /** Brings back a branch that is only on the server; what is in the way gets another name. */
  async #bringBack({
    branch,
    oid,
    clash,
  }: Extract<BranchOutcome, { state: 'elsewhere' }>): Promise<void> {
    const { repository } = this
    const name = this.#newName()
    await this.#excuse(() =>
      clash === undefined
        ? repository.branch(branch).create(oid)
        : repository.branch(clash).rename(name),
    )
  }

  #newName(): string {
    return `moved/${this.machine.name}-${this.world.scheduler.below(1e6)}`
  }

  #syncOptions(options: Partial<SyncOptions>): SyncOptions {
    const fetch = this.world.wire.fetchOf(this.process)
    return { url: URL_OF_SERVER, token: TOKEN, fetch, ...options }
  }

  /** What a person is told is on the server was there. */
  #checkOutcome({ branches }: SyncOutcome): void {
    for (const outcome of branches) {
      if (!['pushed', 'merged', 'pulled', 'in-step'].includes(outcome.state) || !('oid' in outcome))
        continue
      if (!this.world.ledger.wasServed(outcome.branch, outcome.oid))
        this.world.ledger.blame(`${outcome.branch} is told to be on the server at ${outcome.oid}`)
    }
  }

  #tell(what: string): void {
    this.world.ledger.tell(this.machine.name, what)
  }

  async #acknowledge(oid: Oid): Promise<void> {
    const { ledger, scheduler } = this.world
    this.#tell(`committed ${oid}`)
    await scheduler.outside(ledger.acknowledge(oid, this.machine.disk))
  }

  async #someBranch(): Promise<string> {
    const names = (await this.repository.branches()).map(({ name }) => name)
    return choose(this.world.scheduler.random, ['main', ...names])
  }

  /** Does what may be refused for a reason that a person understands. */
  async #excuse(work: () => Promise<unknown>): Promise<void> {
    try {
      await work()
    } catch (error) {
      const isClash = error instanceof Error && 'code' in error && error.code === 'ref-conflict'
      const isPath = this.world.weather.isRough && error instanceof PathError
      if (isClash || isPath || error instanceof BranchError || error instanceof TakeTheirsError)
        return
      throw error
    }
  }

  /** Whether a sync may fail like this: something happened to it. */
  #isExcused(error: unknown): boolean {
    const { faults } = this.process
    if (error instanceof SyncError) {
      const isBusy = error.code === 'busy' && error.status === 0
      return isBusy ? this.world.weather.hasTabs : faults.length > 0
    }
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'malformed') return faults.includes('answer cut short') || faults.includes(GARBLED)
    if (error instanceof DOMException) return error.name === 'TimeoutError' && faults.length > 0
    const { hasTabs, isRough } = this.world.weather
    return error instanceof UnavailableError && (hasTabs || isRough)
  }
}
