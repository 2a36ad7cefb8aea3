/**
 * Landing: one request on its way into a place.
 *
 * @module
 */
import { randomId, utf8 } from '../bytes.ts'
import { findRow, type PackTable } from '../pack/pack-table.ts'
import { RefusedError, UnavailableError, type GitError } from '../error.ts'
import { LockedRefsError } from '../locked-refs.ts'
import type { Objects } from '../objects.ts'
import type { Oid } from '../oid.ts'
import type { RefUpdate, State, UpdateOutcome, UpdateRequest, Version } from '../place.ts'
import { isAncestor } from './ancestry.ts'
import { Children } from './children.ts'
import { Connectivity } from './connectivity.ts'
import type { Delegate } from './delegate.ts'
import { keepPack, publishPack, renew, type KeptPack } from './kept-pack.ts'
import { peelTag } from './peel.ts'
import { ALL_REFS } from './reach.ts'
import type { ReceiveOutcome, ReceiveRequest } from './receive.ts'
import {
  chooseHead,
  mustMoveForward,
  refuseUpdates,
  type Ask,
  type PushFacts,
} from './ref-rules.ts'
import { attemptId } from './repeat.ts'
import { checkRepository } from './same-repository.ts'
import { settleUpdate, wait, type SettledOutcome } from './settle.ts'
import { Settlement } from './settlement.ts'
import { readIntoPlace, type UnfinishedPack } from './stage.ts'

/** How often an update that was lost to changes elsewhere is worked out anew. */
const MAX_ATTEMPTS = 32
/** How long it waits between two of them, in milliseconds. */
const MAX_WAIT = 1000

/** Takes a request through its steps, in the order in which its methods stand here. */
export class Landing {
  readonly #objects: Objects
  readonly #request: ReceiveRequest
  readonly #children: Children
  readonly #wishes: Settlement
  #pack: UnfinishedPack | undefined
  #kept: KeptPack | undefined
  /** What is in the pack that was kept. */
  #table: PackTable | undefined
  readonly #connectivity: Connectivity
  #version: Version | undefined
  #isUnpacked = true
  /** Whether each ref is moved by an update of its own, since they cannot be moved together. */
  #isOneByOne = false
  /** The repository that it is meant for, until something of it was done there. */
  #repository: string | undefined
  /** Who has updates to make, until he was asked. */
  #delegate: Delegate | undefined

  constructor(objects: Objects, request: ReceiveRequest) {
    this.#objects = objects
    this.#request = request
    const { updates, shallow, boundaries, policy, atomic = false } = request
    this.#wishes = new Settlement(updates, atomic)
    this.#delegate = policy?.delegate
    this.#repository = request.repository
    this.#children = new Children(new Set(shallow?.add ?? []), new Set(boundaries ?? []))
    const judged = { request, children: this.#children, wishes: this.#wishes }
    this.#connectivity = new Connectivity(objects, judged)
  }

  /** Whether every wish has its outcome. */
  get isSettled(): boolean {
    return this.#open().length === 0
  }

  /** Settles what cannot be: against the rules, or not where the caller saw it. */
  async refuse(state: State): Promise<void> {
    const updates = this.#open()
    const policy = { ...this.#request.policy, delegate: this.#delegate }
    const refused = await refuseUpdates(state, updates, policy)
    for (const update of updates) {
      const { name, from, to } = update
      const reason = refused.get(name)
      const current = await state.ref(name)
      if (reason !== undefined) this.#wishes.settle({ name, state: 'refused', reason })
      else if (this.#delegate?.takes(update) === true) continue
      else if (current !== from) this.#wishes.settle({ name, state: 'lost', current })
      // Nothing is to be done about a ref that is not there and should not be; it must not make a repository.
      else if (from === undefined && to === undefined) this.#wishes.settle({ name, state: 'done' })
    }
  }

  /** Reads the pack, if there is one, and checks its objects. */
  async readPack(): Promise<void> {
    const { pack, policy } = this.#request
    this.#isUnpacked = pack === undefined
    if (pack === undefined) return
    // To whom something is hidden, that is as if it were not: neither that it is there nor what is in it can be told by a delta.
    const isOpen = (policy?.readable ?? ALL_REFS).key === ALL_REFS.key
    const mayRestOn = isOpen ? undefined : (oid: Oid) => this.#connectivity.isReached(oid)
    const options = { ...this.#request, judge: policy?.judge, children: this.#children, mayRestOn }
    this.#pack = await readIntoPlace(this.#objects, pack, options)
    this.#isUnpacked = true
  }

  /**
   * Settles refs that would point at what is not here.
   *
   * @throws RefusedError when something that the pack needs is neither in it nor reachable, and not only the refs that lead there are to be
   *   refused
   */
  async prove(): Promise<void> {
    await this.#connectivity.prove(this.#pack)
  }

  /** Settles refs that would lose commits, where the policy forbids it. */
  async refuseRewinds(): Promise<void> {
    const { policy } = this.#request
    if (policy === undefined) return
    for (const update of this.#open()) {
      const { name, from, to } = update
      if (from === undefined || to === undefined || !mustMoveForward(name, policy)) continue
      if (this.#delegate?.takes(update) === true) continue
      const question = { ancestor: from, descendant: to, table: this.#pack?.table }
      if (await isAncestor(this.#objects, question)) continue
      this.#wishes.settle({ name, state: 'refused', reason: 'non-fast-forward' })
    }
  }

  /** Keeps the pack, unless no ref needs it any more. */
  async keepPack(): Promise<void> {
    const pack = this.#pack
    const isNeeded = this.#open().some(({ to }) => to !== undefined)
    if (pack === undefined || pack.table.count === 0 || !isNeeded) return
    this.#pack = undefined
    this.#table = pack.table
    this.#kept = await keepPack(this.#objects, pack, this.#request.promisor !== undefined)
  }

  /** Settles what the policy says no to. */
  async ask(): Promise<void> {
    await this.#settleByWord(this.#request.policy?.ask)
  }

  /** Has the delegate make the updates that are his; what he gives back is held against the rules. */
  async delegate(): Promise<void> {
    const delegate = this.#delegate
    const updates = this.#open().filter((update) => delegate?.takes(update) === true)
    this.#delegate = undefined
    if (delegate === undefined || updates.length === 0) return
    await this.#publish()
    const { names } = this.#wishes
    this.#wishes.take(await delegate.make(updates, names, this.#facts()), updates)
    await this.refuse(await this.#objects.refresh())
    await this.refuseRewinds()
  }

  /** Settles what the policy says no to, of what is still to be made. */
  async askEach(): Promise<void> {
    const askEach = this.#request.policy?.askEach
    if (askEach === undefined || this.isSettled) return
    await this.#publish()
    await this.#settleByWord(askEach)
  }

  async #settleByWord(ask: Ask | undefined): Promise<void> {
    const updates = this.#open()
    if (ask === undefined || updates.length === 0) return
    for (const [name, reason] of await ask(updates, this.#facts()))
      this.#wishes.settle({ name, state: 'refused', reason })
  }

  /** Says yes to what nothing speaks against, and does nothing. */
  grant(): ReceiveOutcome {
    for (const { name } of this.#open()) this.#wishes.settle({ name, state: 'done' })
    return this.outcome()
  }

  /** Moves the refs and makes the pack visible. */
  async update(): Promise<ReceiveOutcome> {
    const { place } = this.#objects
    for (let number = 0, failed = 0; failed < MAX_ATTEMPTS;) {
      if (this.isSettled) return this.outcome()
      const request = await this.#updateRequest(number)
      const outcome = await this.#tryUpdate(request)
      if (outcome?.state === 'done') {
        this.#repository = undefined
        this.#version = outcome.version
        for (const { name } of request.refs) this.#wishes.done(name)
        number++
        continue
      }
      await this.#resolveAgain(outcome)
      // Places need not remember a loss that was not the caller's. Whoever repeats the request looks for no later number then.
      if ((await this.#objects.state.receipt(request.id)) !== undefined) number++
      if (failed++ > 0 && !this.isSettled)
        await wait(Math.min(20 * 2 ** failed, MAX_WAIT), this.#request.signal)
    }
    throw new UnavailableError(
      `The repository (${place.traits.kind}) changes too fast to be updated`,
    )
  }

  /** Tells the policy what was done. */
  async tell(): Promise<void> {
    const made = this.#wishes.made()
    if (made.length > 0) await this.#request.policy?.tell?.(made, this.#facts())
  }

  /** Ends: drops a pack that was not kept, and gives its memory back now. Nothing may be asked afterwards. */
  async end(): Promise<void> {
    await this.#pack?.writer.abort()
    this.#table?.release()
    this.#children.named.release()
  }

  /** What became of everything; with a problem, what has no outcome yet is refused for it. */
  outcome(problem?: GitError): ReceiveOutcome {
    const isUnpacked = this.#isUnpacked || problem === undefined
    const refs = this.#wishes.outcomes(isUnpacked ? problem?.message : 'unpacker error')
    return { refs, problem: isUnpacked ? undefined : problem, version: this.#version }
  }

  #facts(): PushFacts {
    const { atomic = false, options = [], certificate, log, say = () => {} } = this.#request
    const staged = this.#kept === undefined ? [] : [this.#kept.staged.id]
    return { who: log.who, staged, atomic, options, certificate, say }
  }

  #open(): readonly RefUpdate[] {
    return this.#wishes.open()
  }

  /** Shows the pack to everybody before any ref moves. It is not to be held back any more then. */
  async #publish(): Promise<void> {
    const { log, signal } = this.#request
    const pack = this.#kept
    if (pack === undefined) return
    const shallow = await this.#shallowUpdate()
    const notice = { id: randomId(), repository: this.#repository, shallow, log, signal }
    await publishPack(this.#objects, pack, notice)
    this.#kept = undefined
    this.#repository = undefined
  }

  async #updateRequest(number: number): Promise<UpdateRequest> {
    const { id, isFirst, log, head, promised, promisor } = this.#request
    const { state } = this.#objects
    const refs: RefUpdate[] = []
    const open = this.#isOneByOne ? this.#open().slice(0, 1) : this.#open()
    for (const update of open) {
      const peeled = await peelTag(this.#objects, update.to, this.#children.tags)
      refs.push({ ...update, peeled })
    }
    return {
      id: attemptId(this.#objects, id, number),
      isFirst,
      repository: this.#repository,
      refs,
      head: head ?? (await chooseHead(state, refs)),
      addPacks: this.#kept === undefined ? [] : [this.#kept.staged],
      reliesOn: this.#connectivity.reliesOn,
      shallow: await this.#shallowUpdate(),
      promised:
        promisor === undefined ? promised : { ...promisor, add: this.#connectivity.promised },
      log,
    }
  }

  /**
   * A commit that did not come and is not here has no parents to lack; who says he has it never gets it. One that was cut off
   * and comes again, with parents that are proved, is cut off no more.
   */
  async #shallowUpdate(): Promise<UpdateRequest['shallow']> {
    const { shallow } = this.#request
    const add = new Set(this.#connectivity.shallow)
    for (const oid of shallow?.add ?? [])
      if (this.#cameAlong(oid) || (await this.#objects.has(oid))) add.add(oid)
    const remove = new Set(shallow?.remove)
    for (const oid of this.#objects.state.shallow)
      if (this.#cameAlong(oid) && !add.has(oid)) remove.add(oid)
    return add.size + remove.size === 0 ? undefined : { add: [...add], remove: [...remove] }
  }

  #cameAlong(oid: Oid): boolean {
    return this.#table !== undefined && findRow(this.#table, oid) >= 0
  }

  /** `undefined` where refs that came up meanwhile are in the way, and where nobody would ask again. */
  async #tryUpdate(request: UpdateRequest): Promise<SettledOutcome | undefined> {
    const { place } = this.#objects
    let mayBeMade = false
    const update = async (asked: UpdateRequest): Promise<UpdateOutcome> => {
      const outcome = await place.update(asked)
      mayBeMade ||= outcome.state === 'unknown'
      return outcome
    }
    try {
      return await settleUpdate({ update }, request, this.#request.signal)
    } catch (error) {
      if (error instanceof RefusedError && error.code === 'ref-conflict') {
        const open = this.#open().length
        await this.refuse(await this.#objects.refresh())
        // Each of the rules says yes, and the place says no.
        if (this.#open().length === open) throw error
        return undefined
      }
      const isTold = request.isFirst === true && error instanceof UnavailableError && !mayBeMade
      if (!isTold) throw error
      this.#giveUp(error, request.refs)
      return undefined
    }
  }

  /**
   * Nothing was changed, and the caller will not ask again by himself: he is told which refs were not moved, and why. Those
   * are the locked ones, where the others can go without them; `packed-refs` is in the way of those alone that move together.
   */
  #giveUp(error: UnavailableError, refs: readonly RefUpdate[]): void {
    const { say, atomic = false } = this.#request
    const locked = error instanceof LockedRefsError && !atomic ? error.refs : []
    const stuck = refs.filter(({ name }) => locked.includes(name))
    const goOn = locked.includes('packed-refs') && !this.#isOneByOne
    this.#isOneByOne ||= goOn
    if (stuck.length > 0 || !goOn) say?.(utf8(`error: ${error.message}\n`))
    const reason = atomic ? 'atomic transaction failed' : 'failed to update ref'
    const failed = stuck.length > 0 || goOn ? stuck : refs
    for (const { name } of atomic ? [...failed, ...this.#wishes.made()] : failed)
      this.#wishes.refuse(name, reason)
  }

  /** Takes in how the repository has changed. @throws RefusedError when it cannot be done on what is there */
  async #resolveAgain(outcome: SettledOutcome | undefined): Promise<void> {
    const state = await this.#objects.refresh({ signal: this.#request.signal })
    if (outcome?.state !== 'lost') return
    checkRepository(this.#repository, state)
    for (const [name, current] of outcome.refs)
      this.#wishes.settle({ name, state: 'lost', current })
    if (outcome.head !== undefined && this.#request.head !== undefined) {
      throw new RefusedError('head-moved', 'HEAD points elsewhere by now')
    }
    await this.refuse(state)
    await this.#connectivity.proveOutside()
    if (this.#kept !== undefined) this.#kept = await renew(this.#objects, this.#kept, outcome.packs)
  }
}
