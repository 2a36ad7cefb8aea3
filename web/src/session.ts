/**
 * A branch of a repository that is open in this page: what the views show of it, and what a person can do to it.
 *
 * @module
 */
import { batch, computed, signal, type ReadonlySignal } from '@preact/signals'
import type { Oid } from '@datakit/git/oid'
import { readAuthor } from './author.ts'
import type {
  BranchInfo,
  Choices,
  CommitResult,
  ConflictDecision,
  Decision,
  Edit,
  GoneDecision,
  ListedEntry,
  RepositoryStore,
  SplitDecision,
} from './data.ts'
import { editsOfDecision, writeOf } from './draft-decision.ts'
import { DraftKeeper } from './draft-keeper.ts'
import { groupDrafts, isStale, type Draft } from './drafts.ts'
import { isOfPath, readUnder } from './under-drafts.ts'
import { isFleeting, isKept } from './kept-storage.ts'
import { listen } from './listen.ts'
import { SessionSync } from './session-sync.ts'
import { describeStatus, explainProblem, type Status } from './status.ts'
import { askToKeep, watchStorage } from './storage-watch.ts'
import { explainTrouble, troubleOf, type Trouble } from './trouble.ts'

/** How something that a person asked for ended. */
export type ActionResult = CommitResult | { readonly state: 'failed'; readonly reason: string }

/** One branch of one repository, open. */
export class Session {
  readonly store: RepositoryStore
  readonly branch: string
  readonly keeper: DraftKeeper
  readonly syncing: SessionSync
  readonly status: ReadonlySignal<Status>
  /** What is wrong with the storage of this browser. */
  readonly trouble: ReadonlySignal<Trouble | undefined>
  readonly decisions: ReadonlySignal<readonly Decision[]>
  /** The names of all branches and of this one, sorted, a line each: the same text as long as they are the same. */
  readonly branchNames: ReadonlySignal<string>
  /** Paths of drafts whose files changed underneath. */
  readonly stale: ReadonlySignal<ReadonlySet<string>>
  readonly #head = signal<Oid | undefined>(undefined)
  readonly #branches = signal<readonly BranchInfo[]>([])
  readonly #committed = signal<ReadonlyMap<string, ListedEntry | undefined>>(new Map())
  readonly #fromDrafts = signal<ReadonlyMap<ConflictDecision, readonly Draft[]>>(new Map())
  readonly #waiting = signal<number | undefined>(undefined)
  readonly #writeFailure = signal<unknown>(undefined)
  readonly #readFailure = signal<unknown>(undefined)
  readonly #stops: (() => void)[] = []
  #refreshing: Promise<void> | undefined
  #refreshAgain = false

  constructor(store: RepositoryStore, branch: string) {
    this.store = store
    this.branch = branch
    this.keeper = new DraftKeeper(store.name, branch)
    this.syncing = new SessionSync(store, () => this.refresh())
    this.decisions = computed(() => [
      ...this.#fromDrafts.value.keys(),
      ...this.syncing.decisions.value,
    ])
    this.branchNames = computed(() => {
      const names = new Set([branch, ...this.#branches.value.map(({ name }) => name)])
      return [...names].toSorted().join('\n')
    })
    this.stale = computed(() => this.#findStale())
    this.status = computed(() => this.#describe())
    this.trouble = computed(() => troubleOf(this.#failure()) ?? this.syncing.trouble.value)
  }

  /** The newest commit of the branch; `undefined` while it has none. */
  get head(): ReadonlySignal<Oid | undefined> {
    return this.#head
  }

  get branches(): ReadonlySignal<readonly BranchInfo[]> {
    return this.#branches
  }

  /** Shows what is here, and begins to sync. */
  async start(): Promise<void> {
    await this.keeper.load()
    await this.refresh()
    this.#stops.push(
      this.store.subscribe(() => void this.refresh()),
      this.keeper.drafts.subscribe(() => void this.#lookUnderDrafts()),
      // Once the texts are kept again, a commit that failed for the same reason has lost nothing.
      this.keeper.failure.subscribe((failure) => {
        if (failure === undefined) this.#writeFailure.value = undefined
      }),
      listen(window, 'beforeunload', (event) => {
        if (this.#isLostWithPage()) event.preventDefault()
      }),
      listen(window, 'pagehide', () => void this.keeper.flush()),
      listen(document, 'visibilitychange', () => {
        if (document.visibilityState === 'hidden') void this.keeper.flush()
      }),
    )
    await this.syncing.start()
  }

  /** Tries again what could not be kept or read. */
  async retry(): Promise<void> {
    await this.keeper.flush()
    this.#writeFailure.value = undefined
    await this.refresh()
    if (this.syncing.trouble.value !== undefined) await this.syncing.request()
  }

  /** Reads again what may have changed. Never rejects: the status says what failed. */
  refresh(): Promise<void> {
    this.#refreshAgain = true
    this.#refreshing ??= this.#refreshRounds()
    return this.#refreshing
  }

  /** Commits these drafts together. Those whose files changed underneath are merged first, each from where it began. */
  async commitDrafts(paths: readonly string[], message: string): Promise<ActionResult> {
    await this.keeper.flush()
    const drafts = paths.flatMap((path) => this.keeper.drafts.value.get(path) ?? [])
    let result: ActionResult = { state: 'unchanged' }
    const committed = await this.#act(async () => {
      await this.#readUnderDrafts()
      return { state: 'unchanged' }
    })
    if (committed.state === 'failed') return committed
    for (const group of groupDrafts(drafts, this.#committed.value, this.#head.value)) {
      const edits = group.drafts.map(writeOf)
      result = await this.#commit(group.from, edits, message)
      if (result.state === 'conflict') this.#askAboutDrafts(result.decision, group.drafts)
      if (result.state === 'conflict' || result.state === 'failed') return result
      await this.keeper.drop(group.drafts)
    }
    return result
  }

  /** Moves a file or a directory, and the drafts in it, in a commit of its own. */
  async move(from: string, to: string, message: string): Promise<ActionResult> {
    await this.keeper.flush()
    if (await this.#isCommitted(from)) {
      const result = await this.#commit(this.#head.value, [{ act: 'move', from, to }], message)
      if (result.state !== 'committed') return result
    }
    for (const draft of this.#draftsUnder(from)) {
      const commit = draft.base === undefined ? draft.commit : this.#head.value
      await this.keeper.put({ ...draft, path: to + draft.path.slice(from.length), commit })
      await this.keeper.discard(draft.path)
    }
    return { state: 'unchanged' }
  }

  /** Removes a file or a directory in a commit of its own, and the drafts in it. */
  async remove(path: string, message: string): Promise<ActionResult> {
    await this.keeper.flush()
    if (await this.#isCommitted(path)) {
      const result = await this.#commit(this.#head.value, [{ act: 'remove', path }], message)
      if (result.state !== 'committed') return result
    }
    for (const draft of this.#draftsUnder(path)) await this.keeper.discard(draft.path)
    return { state: 'unchanged' }
  }

  /** Joins two lines of work as a person decided. */
  async resolve(
    decision: ConflictDecision,
    choices: Choices,
    message: string,
  ): Promise<ActionResult> {
    const drafts = this.#fromDrafts.value.get(decision)
    if (drafts !== undefined) {
      const committed = await this.#resolveDrafts(decision, drafts, choices, message)
      void this.syncing.request()
      return committed
    }
    const result = await this.#act(async () =>
      this.store.resolve(decision, choices, { message, author: await readAuthor() }),
    )
    if (result.state === 'failed') return result
    const next = result.state === 'conflict' ? result.decision : undefined
    this.syncing.replace(decision, next)
    void this.syncing.request()
    return result
  }

  /** The bytes of a blob, also of one that only a decision about drafts names. */
  async readBlob(oid: Oid): Promise<Uint8Array> {
    for (const decision of this.#fromDrafts.value.keys()) {
      const bytes = decision.unstored.get(oid)
      if (bytes !== undefined) return bytes
    }
    return this.store.readBlob(oid)
  }

  /** Takes the server's side, if it has one; mine is kept as a branch of another name, or given up. */
  async settle(
    decision: SplitDecision | GoneDecision,
    keepMineAs: string | undefined,
  ): Promise<ActionResult> {
    const result = await this.#act(async () => {
      if (decision.kind === 'gone') await this.store.deleteBranch(decision.branch, decision.ours)
      else await this.store.settle(decision, { keepMineAs })
      return { state: 'unchanged' }
    })
    if (result.state !== 'failed') this.#forgetDecision(decision)
    void this.syncing.request()
    return result
  }

  /** Takes a decision about drafts off the list: committing them asks again. */
  putOff(decision: ConflictDecision): void {
    if (this.#fromDrafts.value.has(decision)) this.#forgetDecision(decision)
  }

  async createBranch(name: string): Promise<ActionResult> {
    const head = this.#head.value
    if (head === undefined) return { state: 'failed', reason: 'There is no commit to begin from' }
    const result = await this.#act(async () => {
      await this.store.createBranch(name, head)
      return { state: 'unchanged' }
    })
    void this.syncing.request()
    return result
  }

  /** Lets go; what was typed is written first. */
  async close(): Promise<void> {
    this.syncing.stop()
    for (const stop of this.#stops) stop()
    await this.keeper.close()
    await this.store.close()
  }

  #describe(): Status {
    const open = this.#branches.value.find(({ name }) => name === this.branch)
    const failure = this.#failure()
    const trouble = this.syncing.trouble.value
    return describeStatus({
      problem: failure === undefined ? trouble && explainTrouble(trouble) : explainProblem(failure),
      decisions: this.decisions.value.length,
      waiting: this.#waiting.value,
      drafts: this.keeper.drafts.value.size,
      offline: this.syncing.isOffline.value || this.syncing.isLate.value,
      onServer: open?.remote !== undefined,
      proof: this.syncing.proof.state.value,
      kept: isKept.value,
      fleeting: isFleeting.value,
    })
  }

  /** Whether closing the page loses something. */
  #isLostWithPage(): boolean {
    return !isKept.value && (this.#waiting.value !== 0 || this.keeper.drafts.value.size > 0)
  }

  /** What went wrong here last, the worst first; `undefined` when all is well. */
  #failure(): unknown {
    const read = this.#readFailure.value
    const reading = this.syncing.proof.explains(read) ? undefined : read
    return this.keeper.failure.value ?? this.#writeFailure.value ?? reading
  }

  #findStale(): ReadonlySet<string> {
    const drafts = [...this.keeper.drafts.value.values()]
    const known = this.#committed.value
    const stale = drafts.filter(
      (draft) => known.has(draft.path) && isStale(draft, known.get(draft.path)),
    )
    return new Set(stale.map((draft) => draft.path))
  }

  #draftsUnder(path: string): Draft[] {
    const drafts = [...this.keeper.drafts.value.values()]
    return drafts.filter((draft) => draft.path === path || draft.path.startsWith(`${path}/`))
  }

  async #isCommitted(path: string): Promise<boolean> {
    const head = this.#head.value
    if (head === undefined) return false
    // Where it cannot be read, the commit that follows says so.
    const found = await this.store.stat(head, path).catch(() => 'unreadable')
    return found !== undefined
  }

  async #commit(
    from: Oid | undefined,
    edits: readonly Edit[],
    message: string,
  ): Promise<ActionResult> {
    return this.#act(async () =>
      this.store.commit(this.branch, from, edits, { message, author: await readAuthor() }),
    )
  }

  /** Does something that changes the repository, and shows what it is like afterwards. */
  async #act(work: () => Promise<CommitResult>): Promise<ActionResult> {
    try {
      const result = await work()
      this.#writeFailure.value = undefined
      // From here on there is something that may be nowhere else.
      if (result.state === 'committed') {
        // Others wait for it: it is on its way before anything here is tidied up.
        void this.syncing.request()
        void askToKeep()
        void watchStorage()
      }
      await this.refresh()
      return result
    } catch (error) {
      const reason = explainProblem(error)
      // A path that cannot be used here is for the person who typed it, and nothing was lost by it.
      if (!isOfPath(error)) this.#writeFailure.value = error
      return { state: 'failed', reason }
    }
  }

  /** Drafts were not committed, so a decision about them changes the drafts, and then they are. */
  async #resolveDrafts(
    decision: ConflictDecision,
    drafts: readonly Draft[],
    choices: Choices,
    message: string,
  ): Promise<ActionResult> {
    const edits = await editsOfDecision(decision, drafts, choices, this.store)
    const decided = drafts.filter(({ path }) => choices.has(path))
    let result: ActionResult = { state: 'unchanged' }
    if (edits.length > 0) result = await this.#commit(decision.theirs, edits, message)
    if (result.state === 'failed') return result
    this.#forgetDecision(decision)
    if (result.state === 'conflict') {
      this.#askAboutDrafts(result.decision, decided)
      return result
    }
    await this.keeper.drop(decided)
    const others = drafts.filter(({ path }) => !choices.has(path)).map(({ path }) => path)
    return others.length > 0 ? this.commitDrafts(others, message) : result
  }

  #askAboutDrafts(decision: ConflictDecision, drafts: readonly Draft[]): void {
    this.#fromDrafts.value = new Map([...this.#fromDrafts.value, [decision, drafts]])
  }

  #forgetDecision(decision: Decision): void {
    const fromDrafts = [...this.#fromDrafts.value].filter(([other]) => other !== decision)
    this.#fromDrafts.value = new Map(fromDrafts)
    this.syncing.replace(decision)
  }

  async #refreshRounds(): Promise<void> {
    try {
      while (this.#refreshAgain) {
        this.#refreshAgain = false
        await this.#readAll()
      }
      this.#readFailure.value = undefined
    } catch (error) {
      this.#readFailure.value = error
    } finally {
      this.#refreshing = undefined
    }
  }

  async #readAll(): Promise<void> {
    const { branches, isProved } = await this.store.standing()
    if (!isProved) this.syncing.proof.note(false)
    // What there is to see is shown before it is counted what the server lacks.
    this.#head.value = branches.find(({ name }) => name === this.branch)?.head
    const waiting = await this.store.waiting(branches)
    batch(() => {
      this.#branches.value = branches
      this.#waiting.value = waiting
      this.syncing.proof.note(isProved)
    })
    await this.#readUnderDrafts()
  }

  async #lookUnderDrafts(): Promise<void> {
    try {
      await this.#readUnderDrafts()
    } catch (error) {
      this.#readFailure.value = error
    }
  }

  async #readUnderDrafts(): Promise<void> {
    const head = this.#head.value
    const found = await readUnder(this.store, head, [...this.keeper.drafts.value.keys()])
    if (head !== this.#head.value) return this.#readUnderDrafts()
    this.#committed.value = found
  }
}
