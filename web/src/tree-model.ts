/**
 * The tree of files: which directories are open, what is in them, and the rows that come of it.
 *
 * @module
 */
import { batch, computed, effect, signal, type ReadonlySignal } from '@preact/signals'
import type { Oid } from '@datakit/git/oid'
import type { ListedEntry } from './data.ts'
import type { Session } from './session.ts'
import { explainProblem } from './status.ts'
import { directoriesAbove, mergeDrafts, rowsOf, type Row, type TreeItem } from './tree-rows.ts'

/** The tree of one session. */
export class TreeModel {
  /** The rows from top to bottom. */
  readonly rows: ReadonlySignal<readonly Row[]>
  readonly #session: Session
  readonly #open = signal<ReadonlySet<string>>(new Set())
  readonly #listed = signal<ReadonlyMap<string, readonly ListedEntry[]>>(new Map())
  readonly #problem = signal<string | undefined>(undefined)
  readonly #isReady = signal(false)
  readonly #stop: () => void
  #commit: Oid | undefined
  /** Directories that could not be read. */
  #failed: ReadonlySet<string> = new Set()

  constructor(session: Session) {
    this.#session = session
    // One text, so that a key typed into a draft that is known lays nothing out anew. No path has a NUL.
    const draftPaths = computed(() => [...session.keeper.drafts.value.keys()].join('\0'))
    const listings = computed(() => this.#withDrafts(draftPaths.value.split('\0').filter(Boolean)))
    this.rows = computed(() => rowsOf(listings.value, this.#open.value))
    this.#stop = effect(() => {
      const head = session.head.value
      const open = this.#open.value
      // What could not be read before may be there when the server has answered.
      void session.syncing.answers.value
      void this.#list(head, ['', ...open])
    })
  }

  /** Why a directory could not be read. */
  get problem(): ReadonlySignal<string | undefined> {
    return this.#problem
  }

  /** Whether the root was read. */
  get isReady(): ReadonlySignal<boolean> {
    return this.#isReady
  }

  /** Opens directories. */
  open(paths: readonly string[]): void {
    const open = this.#open.peek()
    if (paths.every((path) => open.has(path))) return
    this.#open.value = new Set([...open, ...paths])
  }

  close(path: string): void {
    this.#open.value = new Set([...this.#open.peek()].filter((other) => other !== path))
  }

  /** Opens everything on the way to a path. */
  reveal(path: string): void {
    this.open(directoriesAbove(path))
  }

  /** Lets go of the session. */
  stop(): void {
    this.#stop()
  }

  #withDrafts(draftPaths: readonly string[]): Map<string, readonly TreeItem[]> {
    const listings = new Map<string, readonly TreeItem[]>()
    for (const directory of ['', ...this.#open.value]) {
      const prefix = directory === '' ? '' : `${directory}/`
      const inside = draftPaths.filter((path) => path.startsWith(prefix))
      listings.set(
        directory,
        mergeDrafts(directory, this.#listed.value.get(directory) ?? [], inside),
      )
    }
    return listings
  }

  /** Reads the directories that are not read yet, or all of them when the commit is another. One that fails stays as it was, and is read again next time. */
  async #list(commit: Oid | undefined, directories: readonly string[]): Promise<void> {
    const isOther = commit !== this.#commit
    this.#commit = commit
    const known = this.#listed.peek()
    const wanted = isOther
      ? directories
      : directories.filter((path) => !known.has(path) || this.#failed.has(path))
    const settled = await Promise.allSettled(wanted.map((path) => this.#read(commit, path)))
    if (commit !== this.#commit) return
    const read = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
    const failure = settled.find((each) => each.status === 'rejected')
    this.#failed = new Set(wanted.filter((_, i) => settled[i]?.status === 'rejected'))
    const before = [...this.#listed.peek()]
    const kept = isOther ? before.filter(([path]) => this.#failed.has(path)) : before
    batch(() => {
      this.#listed.value = new Map([...kept, ...read])
      this.#problem.value = failure && explainProblem(failure.reason)
      this.#isReady.value ||= this.#listed.value.has('')
    })
  }

  async #read(commit: Oid | undefined, path: string): Promise<[string, readonly ListedEntry[]]> {
    if (commit === undefined) return [path, []]
    // A directory that was open may be gone, or be a file, in this commit.
    const isThere =
      path === '' || (await this.#session.store.stat(commit, path))?.kind === 'directory'
    return [path, isThere ? await this.#session.store.list(commit, path) : []]
  }
}
