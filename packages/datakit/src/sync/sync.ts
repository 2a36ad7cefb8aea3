/**
 * Sync: brings a repository and a server to the same state.
 *
 * What is known of the server lives in refs, and survives with them, see `sync-refs.ts`.
 *
 * Absence is never a wish: a branch that is missing on one side is not deleted on the other. Who wants that says so, see
 * {@link SyncOptions.remove}.
 *
 * Spec: docs/sync-protocol.md
 *
 * @module
 */
import { randomId } from '@datakit/git/bytes'
import { MalformedError, RefusedError } from '@datakit/git/error'
import type { Oid } from '@datakit/git/oid'
import type { SyncRequest } from '@datakit/git/protocol/sync'
import { SyncError } from '../error.ts'
import { receivePack, type ReceivedPack } from './incoming-pack.ts'
import { packOutgoing } from './outgoing-pack.ts'
import { later } from '../loading.ts'
import type { Part } from './part.ts'
import type { Repository } from '../repository.ts'
import { exchange, type ServerOptions } from './sync-exchange.ts'
import { SyncRun, type Plan, type SyncOutcome, type Wish } from './sync-outcome.ts'
import { planStep, type Step } from './sync-plan.ts'
import { HEADS, readKnown, takeRefs, type Known, type Refs, type Taking } from './sync-refs.ts'
import { publish } from '../transaction/update.ts'

export type { BranchOutcome, SyncOutcome } from './sync-outcome.ts'

/** How far a sync is. */
export interface SyncProgress {
  readonly phase: 'sending' | 'receiving'
  /** Bytes of packs so far in this phase. */
  readonly bytes: number
  /** Bytes in all, where that is known. */
  readonly total: number | undefined
}

/** What to sync, and with whom. */
export interface SyncOptions extends ServerOptions {
  /** Branches to delete on the server, by short name, if they are where we last saw them. The local ones stay. */
  readonly remove?: readonly string[] | undefined
  /** Only takes what is there; the server stays as it is. */
  readonly pull?: boolean | undefined
  /** Branches that are gone or were rewritten on the server, and shall have there again what they have here. */
  readonly restore?: readonly string[] | undefined
  /** Goes on with a server whose repository is another one than before, or has no branch of ours. */
  readonly acceptOther?: boolean | undefined
  /** How requests are sent and answered: by `exchange` when left out. See `keep-answer.ts`. */
  readonly exchange?: typeof exchange | undefined
  readonly onProgress?: ((progress: SyncProgress) => void) | undefined
}

/** What is asked of a place. */
type Update = Parameters<typeof publish>[1]

/** Rounds after which a branch that moves all the time is left for later. */
const MAX_ROUNDS = 10
/** How often one request is sent when its answer is cut off. */
const MAX_ATTEMPTS = 3

/** Syncs once. */
export function sync(repository: Repository, options: SyncOptions): Promise<SyncOutcome> {
  return new Remote(repository, { ...options }).sync()
}

/** A server that a repository is synced with, again and again. */
export class Remote {
  readonly #repository: Repository
  readonly #options: SyncOptions
  /** The refs of the last answer and the version that they belong to: an answer leaves them out while it is the same. */
  #seen: { readonly version: string; readonly refs: Refs } | undefined
  /** Whether packs must be complete, because the server lacks what we thought it had. */
  #isWhole = false
  /** What asks for a part, where only that is wanted. */
  #part: Part | undefined

  constructor(repository: Repository, options: SyncOptions) {
    this.#repository = repository
    this.#options = options
  }

  /**
   * Sends what is here and takes what is there, until both agree or a person must decide. May be repeated at any time;
   * not while it runs.
   *
   * @throws SyncError when the server does not answer, or says no to all of it; `malformed` when it answers with what cannot be, or
   *   lacks what it must bring
   * @throws MalformedError, MissingError when something that is needed for it is damaged here
   */
  async sync(): Promise<SyncOutcome> {
    const run = new SyncRun()
    for (;;) {
      const plan = await this.#plan(run).catch(async (error: unknown) => {
        await (await later()).takeBackAfter(this.#repository, error)
        throw error
      })
      const isDone = run.heard !== undefined && plan.wishes.length === 0
      if (isDone || run.rounds === MAX_ROUNDS) return this.#finish(run, plan)
      run.rounds++
      if (await this.#round(run, plan)) continue
      return (await later()).refuseOther(run, plan)
    }
  }

  /** Moves what can be moved here, and finds out what the server must be asked. */
  async #plan(run: SyncRun): Promise<Plan> {
    for (;;) {
      const known = await readKnown(await this.#repository.store.state())
      const { size } = known.choice
      this.#part = size
        ? await (await later()).openPart(this.#repository, known, this.#options)
        : undefined
      if (await this.#isStrange(run, known)) return (await later()).planStranger(run, known)
      const steps = await this.#steps(run, known)
      const followed = await this.#follow(run, known, steps)
      if (followed) continue
      const wishes: Wish[] = []
      const stuck = new Map(run.stuck)
      for (const [branch, step] of steps) {
        if (step.kind === 'stuck') stuck.set(branch, { branch, ...step.outcome })
        if (step.kind !== 'send') continue
        const result = step.merge === undefined ? 'pushed' : 'merged'
        wishes.push({
          branch,
          update: { name: HEADS + branch, from: known.heads.get(branch), to: step.to },
          result,
        })
      }
      if (this.#options.pull) return { known, wishes: [], stuck }
      if (wishes.some(({ result }) => result === 'merged')) {
        const { keepCandidates } = await later()
        await keepCandidates(known, steps, (update) => this.#publish('merge', update))
        await this.#repository.store.state()
      }
      if (this.#options.remove)
        wishes.push(...(await later()).removals(this.#options.remove, known, run.stuck))
      return { known, wishes, stuck }
    }
  }

  /** Whether nothing may be sent, since nobody knows that the server's histories are ours too. */
  async #isStrange(run: SyncRun, known: Known): Promise<boolean> {
    if (run.isRelated || known.own.size === 0) return false
    const isOther = this.#isAccepting(run)
    if (known.repository !== undefined && !isOther) return false
    // To a server that has nothing yet, all may go at once; the request says so.
    if (run.heard === undefined) return run.isStrange || isOther || known.tracked.size > 0
    const { findRelated } = await later()
    const isAccepted = this.#options.acceptOther
    const taking = await findRelated(this.#repository, run.heard, { known, isAccepted })
    if (!taking) return true
    run.isRelated = true
    if (!(await this.#take(run, taking, undefined))) run.heard = undefined
    return false
  }

  /** Whether the next answer may be another repository's. */
  #isAccepting(run: SyncRun): boolean {
    return this.#options.acceptOther === true && run.heard === undefined
  }

  async #steps(run: SyncRun, known: Known): Promise<Map<string, Step>> {
    const steps = new Map<string, Step>()
    for (const [branch, own] of known.own) {
      if (run.stuck.has(branch) || this.#options.remove?.includes(branch)) continue
      const isRestored = this.#options.restore?.includes(branch)
      if (known.gone.has(branch) && !isRestored) continue
      const theirs = known.heads.get(branch)
      if (own === theirs) continue
      const dropped = isRestored ? [] : known.dropped.get(branch)
      steps.set(branch, await planStep(this.#repository, { branch, own, theirs, dropped }))
    }
    return steps
  }

  /** Moves local branches that are behind the server. True when one did, or was moved by somebody else. */
  async #follow(run: SyncRun, known: Known, steps: ReadonlyMap<string, Step>): Promise<boolean> {
    const behind = [...steps].filter(([, { kind }]) => kind === 'follow')
    if (behind.length === 0) return false
    const refs = (await later()).followMoves(known, steps)
    const { state } = await this.#publish('fast-forward', { refs })
    if (state === 'done') for (const [branch] of behind) run.note(branch, 'pulled')
    return true
  }

  /** One request and its answer. False when the server has another repository than before. */
  async #round(run: SyncRun, plan: Plan): Promise<boolean> {
    const { known } = plan
    const haves = this.#isWhole ? [] : [...new Set(known.tracked.values())]
    const pack = await this.#pack(plan, haves)
    const isFirst = plan.wishes.length > 0 && !run.isRelated
    const request: SyncRequest = {
      id: randomId(),
      repository: this.#isAccepting(run)
        ? undefined
        : (run.heard?.answer.repository ?? known.repository ?? (isFirst ? '' : undefined)),
      known: this.#seen?.version,
      haves,
      updates: plan.wishes.map(({ update }) => update),
      head: undefined,
      log: this.#log('sync'),
      wantPack: true,
      pack: pack.length,
    }
    this.#tell('sending', 0, pack.length)
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#exchange(run, plan, { request, pack })
        return true
      } catch (error) {
        if (!(error instanceof SyncError))
          throw await (await later()).faultOf(this.#repository, this.#options, error)
        if (/^cut-off|-gone$/.test(error.code) && attempt < MAX_ATTEMPTS) continue
        if (error.code === 'repository-changed') {
          run.isStrange = true
          return request.repository === ''
        }
        const isLacking = error.status === 422 && !this.#isWhole
        if (!isLacking) throw error
        this.#isWhole = true
        return true
      }
    }
  }

  /** The objects that the wishes reach and the server does not have. */
  async #pack({ wishes }: Plan, haves: readonly Oid[]): Promise<Uint8Array> {
    const wants = wishes.flatMap(({ update: { to } }) => to ?? [])
    const from = wishes.flatMap(({ update }) => (update.to ? [update.from] : []))
    if (wants.length === 0) return new Uint8Array(0)
    const { signal } = this.#options
    return packOutgoing(this.#repository.store, { wants, haves, from, signal })
  }

  async #exchange(
    run: SyncRun,
    plan: Plan,
    { request, pack }: { readonly request: SyncRequest; readonly pack: Uint8Array },
  ): Promise<void> {
    const send = this.#part?.exchange ?? this.#options.exchange ?? exchange
    const answer = await send(this.#options, request, pack)
    this.#tell('sending', pack.length, pack.length)
    try {
      const { header } = answer
      const isOther = header.repository !== request.repository
      if (request.repository && isOther)
        throw new SyncError('repository-changed', 'Cannot sync: the server has another repository')
      const refs = header.refs
        ? new Map(header.refs.map(({ name, oid }) => [name, oid]))
        : this.#seen?.refs
      if (!refs)
        throw new MalformedError('an answer to sync', 'it leaves out refs that nobody knows yet')
      const total = header.pack === 'chunked' ? undefined : header.pack
      const onBytes = (bytes: number): void => this.#tell('receiving', bytes, total)
      const { repository, own, tracked: since } = plan.known
      // What was known is here.
      const news = new Map([...refs].filter(([name, oid]) => since.get(name) !== oid))
      const received = await receivePack(this.#repository.store, answer, { refs: news, onBytes })
      const removed = await run.settle(plan.wishes, header.updates)
      const isRelated =
        run.isRelated ||
        request.repository !== undefined ||
        header.repository === repository ||
        own.size === 0
      const taking = { answer: header, refs, removed, isRelated, since, options: this.#options }
      this.#seen = { version: header.version, refs }
      // Where another sync was faster, the server is asked again.
      run.heard = (await this.#take(run, taking, received)) ? taking : undefined
    } finally {
      await answer.close()
    }
  }

  /**
   * Makes the pack visible and moves the refs that tell where the server is, in one update. False when another sync has moved
   * them meanwhile; nothing is done then.
   */
  async #take(run: SyncRun, taking: Taking, received: ReceivedPack | undefined): Promise<boolean> {
    const { store } = this.#repository
    for (let attempt = 0; attempt < MAX_ROUNDS; attempt++) {
      const state = await store.state()
      const refs = await takeRefs(state, taking)
      if (refs === undefined) return false
      refs.push(...(this.#part?.moves ?? []))
      if (received === undefined && refs.every(({ from, to }) => from === to)) return true
      const request = {
        refs,
        head:
          (await readKnown(state)).own.size === 0
            ? (await later()).firstHead(state, taking.answer)
            : undefined,
        addPacks: received && [received.staged],
        reliesOn: received?.needs,
        promised: received?.promised,
      }
      // Meanwhile somebody made a branch that cannot be beside one of theirs; or two of theirs cannot be.
      const outcome = await this.#publish('fetch', request).catch((error: unknown) => {
        if (!(error instanceof RefusedError) || attempt === MAX_ROUNDS - 1) throw error
      })
      if (!outcome) continue
      if (outcome.state === 'done') {
        for (const { name } of refs)
          if (name.startsWith(HEADS)) run.note(name.slice(HEADS.length), 'pulled')
        return true
      }
      // What another tab has of the server decides over the answer to a part.
      if (this.#part) return false
      if (outcome.packs.length > 0)
        throw new SyncError('cut-off', 'Cannot sync: the store was compacted')
    }
    throw new SyncError('busy', 'Cannot sync: another sync is under way here')
  }

  async #finish(run: SyncRun, plan: Plan): Promise<SyncOutcome> {
    const { known } = plan
    const refs = hasKept(known) ? await (await later()).forgetSettled(this.#repository, known) : []
    // Leftovers do no harm: if somebody else is at it, the next sync clears them away.
    if (refs.length > 0) await this.#publish('done', { refs })
    const repository = run.heard?.answer.repository ?? ''
    return { repository, rounds: run.rounds, branches: await run.outcomes(plan) }
  }

  #log(why: string): { who: string; why: string } {
    return { who: this.#repository.store.who(), why }
  }

  #publish(why: string, request: Omit<Update, 'log'>): ReturnType<typeof publish> {
    const { place } = this.#repository.store
    return publish(place, { ...request, log: this.#log(`sync: ${why}`) }, this.#options)
  }

  #tell(phase: SyncProgress['phase'], bytes: number, total: number | undefined): void {
    this.#options.onProgress?.({ phase, bytes, total })
  }
}

/** Whether there is anything that is kept until a branch is what the server has. */
function hasKept({ candidates, dropped }: Known): boolean {
  return candidates.size + dropped.size > 0
}
