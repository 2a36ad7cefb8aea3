/**
 * Watching every step of a branch: unlike the newest value, nothing is skipped, however quickly steps follow each other and
 * however slowly they are taken.
 *
 * The log of the branch says which moves it made. A move forward along first parents is a step for each commit on the way, so
 * that a push of five commits is five steps; any other move (a reset, a fast-forward to a merge of somebody else's) is one. A
 * move that stands in no log, made by stock git in a directory without reflogs, is a step all the same, marked as external;
 * several such moves between two looks are one, and their commits are there if they lie in line.
 *
 * @module
 */
import { MissingError } from '@datakit/git/error'
import type { Oid } from '@datakit/git/oid'
import type { LogEntry } from '@datakit/git/place'
import { checkOptions, oid } from '../argument.ts'
import { History } from '../history/history.ts'
import { LogMark } from '../branch/log-mark.ts'
import type { Repository } from '../repository.ts'
import type { Store } from '../store.ts'
import { wait } from '../wait.ts'
import { WATCHING } from './watch-path.ts'
import { Bell, endable, type WatchOptions } from './watch.ts'

/** One step of a branch. */
export interface Step {
  /**
   * `current`: where the branch is as the watch begins; `commit`: one commit on, along first parents; `created`, `deleted`;
   * `moved`: anywhere else.
   */
  readonly kind: 'current' | 'commit' | 'created' | 'deleted' | 'moved'
  /** Where the branch was; `undefined` when it was not there. */
  readonly from: Oid | undefined
  /** Where it is after the step; `undefined` when it is gone. */
  readonly to: Oid | undefined
  /** `Name <address>` of who moved it; empty where nobody knows. */
  readonly who: string
  /** When, in milliseconds since 1970 by the clock of the place; 0 where nobody knows. */
  readonly at: number
  readonly why: string
  /** Whether the move was found rather than logged: somebody else's program made it. */
  readonly external: boolean
}

/** Where a watch of steps begins. */
export interface StepOptions extends WatchOptions {
  /** Where the branch was when it was last watched: all steps since then come first, in place of the current one. */
  readonly since?: Oid | undefined
}

/** Milliseconds for which a move that is in no log is left alone: its line may be on the way. */
const SETTLING = 100
/** The same for a line without the move that it tells of: it may have been given up, and seldom is. */
const LEADING = 1000

/**
 * The current step, or those since {@link StepOptions.since}, then every one that is made. Steps are read when they are asked
 * for, and cost no memory before. Ends when the signal says so.
 *
 * @throws RangeError for what is no name of a branch
 */
export function watchSteps(
  repository: Repository,
  branch: string,
  options: StepOptions = {},
): AsyncIterableIterator<Step, void, undefined> {
  checkOptions(options, { ...WATCHING, since: oid })
  const { store } = repository
  const { ref } = repository.branch(branch)
  const bell = new Bell(store.place, options)
  return endable(walk(store, { ref, bell, since: options.since }), () => bell.stop())
}

interface Walk {
  readonly ref: string
  readonly bell: Bell
  readonly since: Oid | undefined
}

async function* walk(
  store: Store,
  { ref, bell, since }: Walk,
): AsyncGenerator<Step, void, undefined> {
  bell.start()
  try {
    const follower = await Follower.begin(store, ref, since)
    if (since === undefined) yield { kind: 'current', from: undefined, to: follower.at, ...NOBODY }
    while (!bell.isStopped) {
      bell.clear()
      for await (const move of follower.moves()) {
        for await (const step of stepsOf(store, move)) {
          if (bell.isStopped) return
          yield step
        }
      }
      await bell.rung(follower.isUnsettled ? SETTLING : undefined)
    }
  } finally {
    bell.stop()
  }
}

type Move = Pick<LogEntry, 'from' | 'to' | 'who' | 'at' | 'why' | 'external'>

const NOBODY = { who: '', at: 0, why: '', external: false }
const FOUND = { who: '', at: 0, why: 'moved without a line in the log', external: true }

/** Follows a branch from move to move. */
class Follower {
  readonly #store: Store
  readonly #ref: string
  #mark: LogMark | undefined
  /** The repository that the mark is of. */
  #repository: string
  #version: string | undefined
  /** What no line has told yet of the last move that was found. Its lines may come late. */
  #found: Pick<Move, 'from' | 'to'> | undefined
  /** Where the branch is without a line that led there, and since when; given when it stays so. */
  #unsettled: { readonly to: Oid | undefined; readonly since: number } | undefined
  /** Where the last line led from. */
  #before: Oid | undefined
  /** Where the branch was after the last move. */
  at: Oid | undefined

  private constructor(
    store: Store,
    ref: string,
    { at, mark, repository }: { at?: Oid; mark?: LogMark; repository: string },
  ) {
    this.#store = store
    this.#ref = ref
    this.#mark = mark
    this.#repository = repository
    this.at = at
  }

  /** Begins where the branch is, or where it was when it was last at `since`. */
  static async begin(store: Store, ref: string, since: Oid | undefined): Promise<Follower> {
    const { repository } = await store.state()
    const follower = new Follower(store, ref, { repository })
    if (since === undefined) await follower.#goToEnd()
    else {
      follower.at = since
      follower.#mark = await LogMark.behind(store.place.log(ref), since)
    }
    return follower
  }

  /** Whether the branch is somewhere without a line that says how it came there: look again soon. */
  get isUnsettled(): boolean {
    return this.#unsettled !== undefined
  }

  /** The moves since the last time, the oldest first. */
  async *moves(): AsyncGenerator<Move, void, undefined> {
    const state = await this.#store.state()
    // Where only a look tells of changes, most looks find none. The version may be an old one again in some places.
    const isIdle = state.version === this.#version && !this.#store.place.traits.hearsOthers
    if (isIdle && !this.isUnsettled) return
    this.#version = state.version
    const isSame = state.repository === this.#repository || this.#repository === ''
    this.#repository = state.repository
    const newer = isSame ? await this.#mark?.newer(this.#store.place.log(this.#ref)) : undefined
    if (newer === undefined) yield* this.#jump()
    else {
      this.#mark = newer.mark
      yield* this.#logged(newer.entries)
      yield* this.#unlogged(newer.entries.at(-1))
    }
  }

  /** The log does not lead from where we were to where the branch is. */
  async *#jump(): AsyncGenerator<Move, void, undefined> {
    const from = this.at
    await this.#goToEnd()
    if (this.at !== from) yield { from, to: this.at, ...FOUND }
  }

  async *#logged(entries: readonly LogEntry[]): AsyncGenerator<Move, void, undefined> {
    // What was found last may be no line yet: where the ref is says more.
    const end = entries.findLastIndex(({ external }) => !external) + 1
    for (const entry of entries.slice(0, end)) {
      if (entry.external ? entry.to === this.at : this.#isLate(entry)) continue
      if (!entry.external && entry.from !== this.at) yield this.#go({ ...FOUND, to: entry.from })
      this.#before = entry.from
      yield this.#go(entry)
    }
  }

  /** Whether the line tells of a move that was found before it came, or of a part of one: that was given already. */
  #isLate({ from, to }: LogEntry): boolean {
    const found = this.#found
    if (found === undefined || from !== found.from || from === this.at) return false
    this.#found = to === found.to ? undefined : { from: to, to: found.to }
    return true
  }

  async *#unlogged(newest: LogEntry | undefined): AsyncGenerator<Move, void, undefined> {
    const to = await (await this.#store.state()).ref(this.#ref)
    const known = this.#unsettled
    const since = known !== undefined && known.to === to ? known.since : Date.now()
    // A line stands in the log a moment before the branch moves, and whoever is about to move it may have to wait.
    const patience = to === this.#before ? LEADING : SETTLING
    const isSettled = Date.now() - since >= patience
    this.#unsettled = to === this.at || isSettled ? undefined : { to, since }
    if (to === this.at || !isSettled) return
    const found = newest?.external === true && newest.to === to ? newest : FOUND
    this.#found = { from: this.at, to }
    this.#before = undefined
    yield this.#go({ ...found, to })
  }

  #go(move: Omit<Move, 'from'>): Move {
    const { to, who, at, why, external } = move
    const from = this.at
    this.at = to
    return { from, to, who, at, why, external }
  }

  /** Sets the mark behind the last line, and takes the branch for where it is. */
  async #goToEnd(): Promise<void> {
    this.#unsettled = undefined
    for (let attempt = 0; ; attempt++) {
      const before = await this.#store.state()
      this.#mark = await LogMark.atEnd(this.#store.place.log(this.#ref))
      const state = await this.#store.state()
      this.at = await state.ref(this.#ref)
      this.#version = state.version
      const isCalm = before.version === state.version && this.at === this.#mark.to
      // Moves that nobody logs never agree with the log.
      if (isCalm || attempt === CALM_ATTEMPTS) return
      await wait(SETTLING / 4)
    }
  }
}

/** How often the log and the branch are looked at until they agree. */
const CALM_ATTEMPTS = 4

/** The steps of one move. */
async function* stepsOf(store: Store, move: Move): AsyncGenerator<Step, void, undefined> {
  const { from, to } = move
  if (from === to) return
  if (from === undefined || to === undefined) {
    yield { ...move, kind: to === undefined ? 'deleted' : 'created' }
    return
  }
  const commits = await commitsBetween(store, from, to)
  if (commits === undefined) {
    yield { ...move, kind: 'moved' }
    return
  }
  let at = from
  for (const oid of commits) {
    yield { ...move, kind: 'commit', from: at, to: oid }
    at = oid
  }
}

/** The commits that lead from one to the other along first parents, oldest first; `undefined` when none do. */
async function commitsBetween(store: Store, from: Oid, to: Oid): Promise<Oid[] | undefined> {
  const history = new History(store)
  try {
    const missing = new Set(await history.missing([to], [from]))
    const commits: Oid[] = []
    let at: Oid | undefined = to
    for (; at !== undefined && missing.has(at); [at] = (await history.node(at)).parents)
      commits.push(at)
    return commits.length > 0 && at === from ? commits.reverse() : undefined
  } catch (error) {
    // What the branch was at may have been collected since.
    if (error instanceof MissingError) return undefined
    throw error
  }
}
