/**
 * Syncing of one repository while a page has it open: when it happens, and what came of it last.
 *
 * @module
 */
import { batch, computed, signal, type ReadonlySignal } from '@preact/signals'
import { askForBackgroundSync } from './background-sync.ts'
import type { Decision, RepositoryStore, SyncReport } from './data.ts'
import { listen } from './listen.ts'
import { ProofWatch } from './proof.ts'
import { ServerListener } from './server-listener.ts'
import { askForToken, currentToken, onSignIn } from './sign-in.ts'
import { explainProblem } from './status.ts'
import { watchStorage } from './storage-watch.ts'
import type { Trouble } from './trouble.ts'
import { SyncSchedule, whenAlone, type Verdict } from './sync-schedule.ts'

/** How long one page waits for another to finish its sync, in milliseconds: if that was frozen, this one has synced within ten seconds. */
const PATIENCE = 6_000
/** After this long a sync is given up, in milliseconds: a server that hangs must not hold it for ever. */
const LIMIT = 600_000
/** From here on a sync is slow enough to be broken off by a person who closes the page, in milliseconds. Asking early costs little: a service worker that finds nothing to send sends nothing. */
const SLOW = 100
/** From here on what is to be sent waits for the network, in milliseconds. */
const LATE = 5_000

/** Syncs at the start, when the server has news, when the network comes back, when the page is looked at again, when asked and now and then. */
export class SessionSync {
  /** Whether what came is what the server said that it is. */
  readonly proof: ProofWatch
  /** What the last sync, and what came of what it brought, had to say for people. */
  readonly message: ReadonlySignal<string | undefined>
  readonly #store: RepositoryStore
  readonly #afterwards: () => Promise<void>
  readonly #schedule: SyncSchedule
  readonly #listener: ServerListener
  readonly #isRunning = signal(false)
  readonly #isOffline = signal(!navigator.onLine)
  readonly #isLate = signal(false)
  readonly #answers = signal(0)
  readonly #said = signal<string | undefined>(undefined)
  readonly #trouble = signal<Trouble | undefined>(undefined)
  readonly #decisions = signal<readonly Decision[]>([])
  readonly #stops: (() => void)[] = []
  #acceptsOther = false
  #restore: readonly string[] = []
  /** Whether the server is known to have all that it can have. */
  #isDone = false
  #hasAsked = false
  /** When the server was last found out of reach, in milliseconds since 1970; `undefined` when it was not, or wants to be left alone. */
  #awaySince: number | undefined
  /** Breaks off what is under way. */
  #connection = new AbortController()

  /** `afterwards` is called after each sync, to show what it brought. It must not reject. */
  constructor(store: RepositoryStore, afterwards: () => Promise<void>) {
    this.#store = store
    this.#afterwards = afterwards
    this.proof = new ProofWatch(store)
    this.message = computed(() => this.#said.value ?? this.proof.damage.value)
    this.#schedule = new SyncSchedule(() => this.#runAlone())
    this.#listener = new ServerListener(
      store,
      () => void this.request(),
      () => this.#tryAgain(),
    )
  }

  get isRunning(): ReadonlySignal<boolean> {
    return this.#isRunning
  }

  /** Whether the server was out of reach at the last attempt, or the browser knows that there is no network. */
  get isOffline(): ReadonlySignal<boolean> {
    return this.#isOffline
  }

  /** How many syncs the server has answered: what could not be read before may be within reach since. */
  get answers(): ReadonlySignal<number> {
    return this.#answers
  }

  /** Whether a sync takes so long that what it has to send waits, for all that is known. */
  get isLate(): ReadonlySignal<boolean> {
    return this.#isLate
  }

  /** What of the storage of this browser kept the last sync from its work. */
  get trouble(): ReadonlySignal<Trouble | undefined> {
    return this.#trouble
  }

  /** What the last sync left to be decided. */
  get decisions(): ReadonlySignal<readonly Decision[]> {
    return this.#decisions
  }

  /** Begins to sync. */
  async start(): Promise<void> {
    this.#stops.push(
      onSignIn(() => void this.request()),
      listen(window, 'online', () => this.#setOnline(true)),
      listen(window, 'offline', () => this.#setOnline(false)),
      listen(document, 'visibilitychange', () => {
        if (document.visibilityState === 'visible') void this.request()
        // Nobody may come back. A page that is being closed is often, not always, fast enough.
        else if (!this.#isDone) void askForBackgroundSync(this.#store.name)
      }),
    )
    // What was open when the page was left is open without a network too.
    this.#decisions.value = await this.#store.decisions().catch(() => [])
    this.#listener.start()
    void this.request()
  }

  /** Syncs now; resolves when that is over. Never rejects. */
  request(): Promise<void> {
    return this.#schedule.request()
  }

  /** Goes on with the repository that the server has, though it is another one than before. */
  acceptOther(): Promise<void> {
    this.#acceptsOther = true
    return this.request()
  }

  /** Sends a branch again that is gone on the server. */
  restore(branch: string): Promise<void> {
    this.#restore = [...this.#restore, branch]
    // A server that has lost everything is another one, each time.
    this.#acceptsOther = true
    return this.request()
  }

  /** Takes a decision off the list, and puts another in its place if there is one. */
  replace(decision: Decision, next?: Decision): void {
    const others = this.#decisions.value.filter((other) => other !== decision)
    this.#decisions.value = next === undefined ? others : [...others, next]
  }

  stop(): void {
    this.#listener.stop()
    this.#schedule.stop()
    this.proof.stop()
    for (const stop of this.#stops) stop()
  }

  #setOnline(isOnline: boolean): void {
    this.#isOffline.value = !isOnline
    if (!isOnline) return
    // The connection of before is dead, which nobody would notice for a while.
    this.#connection.abort(new DOMException('The network is another one', 'TimeoutError'))
    void this.#schedule.afresh()
  }

  /** Syncs when the server answers again: the next attempt may be minutes away. */
  #tryAgain(): void {
    if (this.#awaySince !== undefined && Date.now() - this.#awaySince > LATE) void this.request()
  }

  async #runAlone(): Promise<Verdict> {
    let verdict: Verdict = 'failed'
    this.#isDone = false
    const timer = setTimeout(() => void this.#leaveToBackground(), SLOW)
    try {
      await whenAlone(`datakit-sync ${this.#store.name}`, PATIENCE, async () => {
        verdict = await this.#runOnce()
      })
    } catch (error) {
      this.#said.value = explainProblem(error)
    }
    clearTimeout(timer)
    await this.#note(verdict)
    return verdict
  }

  async #note(verdict: Verdict): Promise<void> {
    this.#isDone = verdict === 'done'
    if (verdict === 'done') this.#hasAsked = false
    else if (verdict !== 'pause') await this.#leaveToBackground()
  }

  /** Leaves to the service worker what this page may not live to send; once until it is sent, for the browser tries again by itself. */
  async #leaveToBackground(): Promise<void> {
    if (this.#hasAsked || (await this.#store.waiting().catch(() => 0)) === 0) return
    this.#hasAsked = true
    await askForBackgroundSync(this.#store.name)
  }

  async #runOnce(): Promise<Verdict> {
    if (!navigator.onLine) {
      this.#isOffline.value = true
      return 'failed'
    }
    const prove = this.proof.beginSync()
    const report = await this.#syncOnce()
    await this.#afterwards()
    void watchStorage()
    this.#show(report)
    const isAway = report.state === 'offline' && (report.retryAfter ?? 0) === 0
    this.#awaySince = isAway ? Date.now() : undefined
    if (report.state === 'done') {
      this.#acceptsOther = false
      this.#restore = []
      this.#listener.wake()
      void prove().then(() => this.#schedule.judge(this.proof.damage.value === undefined))
    }
    if (report.state === 'unauthorized') {
      askForToken()
      return 'pause'
    }
    if (report.state === 'done') return 'done'
    return report.retryAfter ?? 'failed'
  }

  async #syncOnce(): Promise<SyncReport> {
    this.#isRunning.value = true
    this.#connection = new AbortController()
    const signal = AbortSignal.any([AbortSignal.timeout(LIMIT), this.#connection.signal])
    const late = setTimeout(() => (this.#isLate.value = true), LATE)
    try {
      return await this.#store.sync({
        token: currentToken(),
        signal,
        acceptsOther: this.#acceptsOther,
        restore: this.#restore,
      })
    } finally {
      clearTimeout(late)
      this.#isRunning.value = false
    }
  }

  #show(report: SyncReport): void {
    batch(() => {
      this.#isLate.value = false
      this.#isOffline.value = report.state === 'offline' || !navigator.onLine
      if (report.state === 'done') this.#answers.value++
      this.#said.value = report.message
      this.#trouble.value = report.trouble
      this.#decisions.value = report.decisions
    })
  }
}
