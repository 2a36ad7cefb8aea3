/**
 * Keeps what is typed: in memory at once, in the database a moment later, and in other pages of this browser after that.
 *
 * @module
 */
import { signal, type ReadonlySignal } from '@preact/signals'
import { dropDrafts, keepDraft, readDraft, readDrafts } from './app-database.ts'
import { draftOf, type Draft } from './drafts.ts'
import { isKept } from './kept-storage.ts'

/** From the first key that is not kept to the write, in milliseconds. */
const DELAY = 150
/** From a write that failed to the next, in milliseconds. */
const RETRY = 5_000

/** What a text is typed over: the file as it is committed, and the commit that it was read from. */
export type TypedOver = Pick<Parameters<typeof draftOf>[2], 'committed' | 'head'>

/** A text that was typed and is not in the database yet. */
interface Pending {
  /** Asked late, since it may cost something to say. */
  readonly read: () => Uint8Array<ArrayBuffer>
  readonly over: TypedOver
}

interface Hint {
  readonly repository: string
  readonly branch: string
  readonly path: string
}

/** The drafts of one branch. */
export class DraftKeeper {
  readonly #repository: string
  readonly #branch: string
  readonly #drafts = signal<ReadonlyMap<string, Draft>>(new Map())
  readonly #failure = signal<unknown>(undefined)
  readonly #pending = new Map<string, Pending>()
  /** Paths whose drafts are newer here than in the database. */
  readonly #unsaved = new Set<string>()
  /** Not where the browser keeps nothing: other pages have drafts of their own then, and some browsers make none. */
  readonly #channel = isKept.value ? new BroadcastChannel('datakit-web-drafts') : undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(repository: string, branch: string) {
    this.#repository = repository
    this.#branch = branch
    this.#channel?.addEventListener('message', (event: MessageEvent<Hint>) => {
      const { repository: theirs, branch: theirBranch, path } = event.data
      if (theirs === repository && theirBranch === branch) void this.#reread(path)
    })
  }

  /** The drafts by path, ordered by path; what is in them is in the database unless {@link failure} says otherwise. */
  get drafts(): ReadonlySignal<ReadonlyMap<string, Draft>> {
    return this.#drafts
  }

  /** What kept the last text from being kept; `undefined` when all is kept. */
  get failure(): ReadonlySignal<unknown> {
    return this.#failure
  }

  /** Reads the drafts that are there already. */
  async load(): Promise<void> {
    try {
      const kept = await readDrafts(this.#repository, this.#branch)
      this.#show(kept.map((draft) => [draft.path, draft]))
    } catch (error) {
      this.#failure.value = error
    }
  }

  /** Whether something was typed into the file that the database has not got. */
  isPending(path: string): boolean {
    return this.#pending.has(path)
  }

  /** Takes a text. `read` is called within {@link DELAY}, and must give the text as it is then. */
  type(path: string, read: Pending['read'], over: TypedOver): void {
    this.#pending.set(path, { read, over })
    this.#timer ??= setTimeout(() => void this.flush(), DELAY)
  }

  /** Writes everything that was typed. Never rejects: {@link failure} says what failed, and the text stays here. */
  flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const pending = [...this.#pending]
    this.#pending.clear()
    const drafts = pending.map(([path, typed]) => this.#draftOf(path, typed))
    this.#show(drafts)
    this.#writing = this.#writing.then(() => this.#write(drafts.map(([path]) => path)))
    return this.#writing
  }

  /** Puts a draft in the place of another, for a decision or a rename. */
  put(draft: Draft): Promise<void> {
    this.#pending.delete(draft.path)
    this.#show([[draft.path, draft]])
    this.#writing = this.#writing.then(() => this.#write([draft.path]))
    return this.#writing
  }

  /** Forgets drafts that were committed, unless they went on since. Rejects when the database fails. */
  async drop(drafts: readonly Draft[]): Promise<void> {
    await this.#writing
    await dropDrafts(drafts)
    for (const { path } of drafts) await this.#reread(path)
    for (const { path } of drafts) this.#tell(path)
  }

  /** Forgets a draft and what was typed since. */
  discard(path: string): Promise<void> {
    this.#pending.delete(path)
    this.#show([[path, undefined]])
    this.#writing = this.#writing.then(() => this.#write([path]))
    return this.#writing
  }

  /** Writes what is left and lets go. */
  async close(): Promise<void> {
    await this.flush()
    this.#channel?.close()
  }

  #draftOf(path: string, typed: Pending): [string, Draft | undefined] {
    const place = { repository: this.#repository, branch: this.#branch, path }
    const earlier = this.#drafts.value.get(path)
    const result = draftOf(place, typed.read(), { ...typed.over, earlier, at: Date.now() })
    return [path, result.action === 'keep' ? result.draft : undefined]
  }

  #show(changes: readonly (readonly [string, Draft | undefined])[]): void {
    if (changes.length === 0) return
    const drafts = new Map(this.#drafts.value)
    for (const [path, draft] of changes) {
      if (draft === undefined) drafts.delete(path)
      else drafts.set(path, draft)
    }
    this.#drafts.value = new Map([...drafts].toSorted(([a], [b]) => (a < b ? -1 : 1)))
  }

  async #write(paths: readonly string[]): Promise<void> {
    for (const path of paths) this.#unsaved.add(path)
    if (this.#unsaved.size === 0) return
    try {
      for (const path of this.#unsaved) await this.#writeOne(path)
      this.#failure.value = undefined
    } catch (error) {
      this.#failure.value = error
      this.#timer ??= setTimeout(() => void this.flush(), RETRY)
    }
  }

  async #writeOne(path: string): Promise<void> {
    const draft = this.#drafts.value.get(path)
    if (draft !== undefined) await keepDraft(draft)
    else await this.#forget(path)
    this.#unsaved.delete(path)
    this.#tell(path)
  }

  async #forget(path: string): Promise<void> {
    const kept = await readDraft({ repository: this.#repository, branch: this.#branch, path })
    if (kept !== undefined) await dropDrafts([kept])
  }

  async #reread(path: string): Promise<void> {
    if (this.#isNewer(path)) return
    try {
      const kept = await readDraft({ repository: this.#repository, branch: this.#branch, path })
      if (!this.#isNewer(path)) this.#show([[path, kept]])
    } catch (error) {
      this.#failure.value = error
    }
  }

  #isNewer(path: string): boolean {
    return this.#pending.has(path) || this.#unsaved.has(path)
  }

  #tell(path: string): void {
    const hint: Hint = { repository: this.#repository, branch: this.#branch, path }
    this.#channel?.postMessage(hint)
  }
}
