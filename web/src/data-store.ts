/**
 * The repositories of this browser: {@link RepositoryStore} over the model, in IndexedDB.
 *
 * @module
 */
import { MissingError, NotHereError } from '@datakit/git/error'
import { nameObject } from '@datakit/git/object'
import type { Oid } from '@datakit/git/oid'
import type { Place } from '@datakit/git/place'
import { portableRuntime } from '@datakit/git/runtime/portable'
import { History } from '@datakit/datakit/history'
import type { Conflict, KeyDecision } from '@datakit/datakit/conflict'
import type { MergeOutcome } from '@datakit/merge/driver'
import { takeTheirs } from '@datakit/datakit/take-theirs'
import type { CommitOutcome } from '@datakit/datakit/land'
import type { LoggedCommit } from '@datakit/datakit/log'
import { Repository } from '@datakit/datakit/repository'
import type { Snapshot } from '@datakit/datakit/snapshot'
import type { Transaction } from '@datakit/datakit/transaction'
import { findPath, kindOf, type Entry } from '@datakit/datakit/tree-reader'
import { countAhead } from './ahead.ts'
import { NOBODY, type Author } from './author.ts'
import type {
  BranchInfo,
  Choices,
  CommitInfo,
  CommitResult,
  CommitWords,
  ConflictDecision,
  Decision,
  Edit,
  FileChange,
  ListedEntry,
  ListenOptions,
  RepositoryStore,
  SyncOptions,
  SyncReport,
  SplitChoice,
  SplitDecision,
  Standing,
} from './data.ts'
import { findDecisions, serverOptions, syncWithServer } from './data-sync.ts'
import { mergeDrafted } from './drafted-merge.ts'
import { isKept } from './kept-storage.ts'
import { openLocal } from './local-repositories.ts'
import type { EntryKind } from './tree-rows.ts'
import { SyncWorker } from './sync-worker.ts'
import { troubleOf } from './trouble.ts'
import { freeInWorker, keepUpInWorker } from './upkeep.ts'

/** Commits whose snapshots are kept at hand. */
const SNAPSHOTS = 16
const HEADS = 'refs/heads/'
const REMOTES = 'refs/remotes/origin/'

/**
 * Opens a repository of this browser, whether anything is in it or not.
 *
 * @throws UnavailableError when the browser does not give it, of reason `storage-gone` when it was here before and is not
 */
export async function openRepository(name: string): Promise<RepositoryStore> {
  const place = await openLocal(name)
  let author: Author = NOBODY
  const repository = await Repository.open(place, {
    runtime: portableRuntime,
    identity: () => author,
  })
  return new LocalRepository(name, place, repository, (next) => (author = next))
}

class LocalRepository implements RepositoryStore {
  readonly name: string
  readonly #place: Place
  readonly #repository: Repository
  readonly #setAuthor: (author: Author) => void
  readonly #syncWorker: SyncWorker
  readonly #snapshots = new Map<Oid, Promise<Snapshot>>()

  constructor(
    name: string,
    place: Place,
    repository: Repository,
    setAuthor: (author: Author) => void,
  ) {
    this.name = name
    this.#place = place
    this.#repository = repository
    this.#setAuthor = setAuthor
    this.#syncWorker = new SyncWorker(name)
  }

  async branches(): Promise<readonly BranchInfo[]> {
    return (await this.standing()).branches
  }

  async standing(): Promise<Standing> {
    const state = await this.#place.read()
    // Two listings, and not a look-up for each: there may be thousands.
    const remotes = new Map<string, Oid>()
    for await (const { name, oid } of state.refs(REMOTES)) remotes.set(name, oid)
    const branches: BranchInfo[] = []
    for await (const { name, oid } of state.refs(HEADS)) {
      const short = name.slice(HEADS.length)
      branches.push({ name: short, head: oid, remote: remotes.get(REMOTES + short) })
    }
    return { branches, isProved: state.packs.every(({ verified }) => verified) }
  }

  async homeBranch(): Promise<string> {
    const head = await this.#repository.head()
    return 'ref' in head && head.ref.startsWith(HEADS) ? head.ref.slice(HEADS.length) : 'main'
  }

  head(branch: string): Promise<Oid | undefined> {
    return this.#repository.branch(branch).oid()
  }

  async list(commit: Oid, path: string): Promise<readonly ListedEntry[]> {
    const entries = await this.#whole(async () => (await this.#snapshot(commit)).list(path))
    const prefix = path === '' ? '' : `${path}/`
    return entries.map((entry) => describeEntry(prefix + entry.name, entry))
  }

  async stat(commit: Oid, path: string): Promise<ListedEntry | undefined> {
    // What a file is says its directory: it may be left with the server, and only its size would be asked for there.
    const found = await this.#whole(async () =>
      findPath(this.#repository.store, (await this.#snapshot(commit)).tree, path),
    )
    const name = path.slice(path.lastIndexOf('/') + 1)
    return found && describeEntry(path, { ...found, name })
  }

  readBlob(oid: Oid): Promise<Uint8Array> {
    return this.#whole(() => this.#repository.readBlob(oid))
  }

  async commit(
    branch: string,
    from: Oid | undefined,
    edits: readonly Edit[],
    words: CommitWords,
  ): Promise<CommitResult> {
    if (from === undefined) {
      const decision = await this.#findAdded(branch, edits)
      if (decision !== undefined) return { state: 'conflict', decision }
    }
    this.#setAuthor(words.author)
    const write = async (): Promise<CommitResult> => {
      const start = from === undefined ? undefined : await this.#snapshot(from)
      const transaction = await this.#repository.branch(branch).transaction(start)
      try {
        for (const edit of edits) await apply(transaction, edit)
        const outcome = await transaction.commit({ message: words.message, skipEmpty: true })
        return resultOf(branch, outcome, edits)
      } finally {
        transaction.abort()
      }
    }
    return this.#whole(write)
  }

  async createBranch(name: string, at: Oid): Promise<void> {
    const isNew = await this.#repository.branch(name).create(at)
    if (!isNew) throw new RangeError(`A branch "${name}" is there already`)
  }

  async deleteBranch(name: string, at: Oid): Promise<void> {
    const isDeleted = await this.#repository.branch(name).delete(at)
    if (!isDeleted) throw new Error(`“${name}” moved meanwhile: try again`)
  }

  async history(
    from: Oid,
    options: { readonly limit: number; readonly path: string },
  ): Promise<readonly CommitInfo[]> {
    return this.#whole(async () => {
      const commits: CommitInfo[] = []
      for await (const logged of this.#repository.log(from, options))
        commits.push(describeCommit(logged))
      return commits
    })
  }

  async describe(oid: Oid): Promise<CommitInfo> {
    const snapshot = await this.#whole(() => this.#snapshot(oid))
    return describeCommit({ oid, commit: snapshot.commit() })
  }

  async changes(oid: Oid): Promise<readonly FileChange[]> {
    return this.#whole(async () => {
      const [parent] = (await this.#snapshot(oid)).commit().parents
      const changes: FileChange[] = []
      for await (const change of this.#repository.diff(parent, oid)) changes.push(change)
      return changes
    })
  }

  async sync(options: SyncOptions): Promise<SyncReport> {
    const report = await this.#syncWorker.sync(this.#place, options)
    return report ?? syncWithServer(this.#repository, this.name, options)
  }

  async listenToServer(options: ListenOptions, listener: () => void): Promise<void> {
    const { serverNews } = await import('@datakit/datakit/server-news')
    const news = serverNews(this.#repository, {
      ...serverOptions(this.name, options),
      onState: ({ state }) => {
        if (state === 'connected') options.onConnected()
      },
    })
    for await (const _ of news) listener()
  }

  decisions(): Promise<readonly Decision[]> {
    return this.#whole(() => findDecisions(this.#repository))
  }

  async explain(
    decision: ConflictDecision,
    conflict: Conflict,
    keys: readonly KeyDecision[] = [],
  ): Promise<MergeOutcome | undefined> {
    const { unstored } = decision
    if (unstored.size === 0) return this.#whole(() => this.#repository.explain(decision, conflict))
    const read = async (oid: Oid): Promise<Uint8Array> =>
      unstored.get(oid) ?? (await this.readBlob(oid))
    return mergeDrafted(conflict, read, keys)
  }

  async resolve(
    decision: ConflictDecision,
    choices: Choices,
    words: CommitWords,
  ): Promise<CommitResult> {
    this.#setAuthor(words.author)
    return this.#whole(() => this.#resolve(decision, choices, words))
  }

  async #resolve(
    decision: ConflictDecision,
    choices: Choices,
    words: CommitWords,
  ): Promise<CommitResult> {
    const { branch, theirs } = decision
    const transaction = await this.#repository.branch(branch).transaction()
    try {
      const merged = await transaction.merge(theirs)
      const ours = (await this.head(branch)) ?? decision.ours
      const open = merged.conflicts.some(({ path }) => !choices.has(path))
      // The branch went on since: what is in conflict now is shown again.
      if (open) return { state: 'conflict', decision: { ...decision, ...merged, ours } }
      for (const { path } of merged.conflicts)
        await transaction.resolve(path, choices.get(path) ?? 'ours')
      const outcome = await transaction.commit({ message: words.message, firstParent: theirs })
      return resultOf(branch, outcome, [])
    } finally {
      transaction.abort()
    }
  }

  settle(decision: SplitDecision, choice: SplitChoice): Promise<void> {
    return takeTheirs(this.#repository, decision, choice)
  }

  async waiting(listed?: readonly BranchInfo[]): Promise<number> {
    const branches = listed ?? (await this.branches())
    const behind = branches.filter(({ head, remote }) => head !== remote)
    if (behind.length === 0) return 0
    const known = branches.flatMap(({ remote }) => remote ?? [])
    const heads = behind.map(({ head }) => head)
    const history = new History(this.#repository.store)
    return this.#whole(() => countAhead((oid) => history.node(oid), heads, known))
  }

  async keepUp(): Promise<readonly string[]> {
    const { damaged, problem } = await keepUpInWorker(this.name, this.#place)
    if (problem !== undefined) throw new Error(`Cannot keep "${this.name}" up: ${problem}`)
    return damaged
  }

  async bundle(): Promise<Blob> {
    const { exportBundle } = await import('@datakit/datakit/bundle')
    return this.#whole(async () => {
      const pieces: Uint8Array<ArrayBuffer>[] = []
      // A piece is valid until the next one is asked for.
      for await (const piece of exportBundle(this.#repository)) pieces.push(piece.slice())
      return new Blob(pieces)
    })
  }

  async free(): Promise<void> {
    if (!isKept.value) return
    return freeInWorker(this.name)
  }

  subscribe(listener: () => void): () => void {
    return this.#place.subscribe(listener)
  }

  close(): Promise<void> {
    this.#syncWorker.close()
    return this.#repository.close()
  }

  /** Does work that changes nothing until it is done; what is damaged or was left there is fetched from the server, if it can be. */
  async #whole<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof NotHereError) return this.#withLeft(work, error)
      const isMissing = error instanceof MissingError
      if (troubleOf(error) !== 'damaged' && !isMissing) throw error
      const { mendAndRetry } = await import('./mend.ts')
      return mendAndRetry(this.#repository, this.name, { work, error })
    }
  }

  /** Does work again that met what was left with the server, unless what it lacks has been asked for already. */
  async #withLeft<Result>(work: () => Promise<Result>, error: NotHereError): Promise<Result> {
    if (this.#repository.store.onDemand !== undefined) throw error
    const loaded = await import('./left.ts').catch(() => undefined)
    if (loaded === undefined) throw error
    loaded.fetchLeft(this.#repository, this.name)
    return this.#whole(work)
  }

  #snapshot(oid: Oid): Promise<Snapshot> {
    const known = this.#snapshots.get(oid)
    if (known !== undefined) return known
    const snapshot = this.#repository.snapshot(oid)
    snapshot.catch(() => this.#snapshots.delete(oid))
    this.#snapshots.set(oid, snapshot)
    const [oldest] = this.#snapshots.keys()
    if (this.#snapshots.size > SNAPSHOTS && oldest !== undefined) this.#snapshots.delete(oldest)
    return snapshot
  }

  /** Files that began on a branch without commits, and that others have added to it since. */
  async #findAdded(branch: string, edits: readonly Edit[]): Promise<ConflictDecision | undefined> {
    const theirs = await this.head(branch)
    if (theirs === undefined) return undefined
    const unstored = new Map<Oid, Uint8Array>()
    const conflicts: ConflictDecision['conflicts'][number][] = []
    for (const edit of edits) {
      if (edit.act !== 'write') continue
      const oid = nameObject(portableRuntime, { type: 'blob', body: edit.bytes })
      const there = await this.stat(theirs, edit.path)
      if (there === undefined || there.oid === oid) continue
      unstored.set(oid, edit.bytes)
      const ours = { mode: edit.mode, oid }
      conflicts.push({ path: edit.path, kind: 'add/add', base: undefined, ours, theirs: there })
    }
    if (conflicts.length === 0) return undefined
    const common = { kind: 'conflict', branch, base: undefined } as const
    return { ...common, conflicts, ours: theirs, theirs, unstored }
  }
}

async function apply(transaction: Transaction, edit: Edit): Promise<void> {
  if (edit.act === 'write') await transaction.write(edit.path, edit.bytes, { mode: edit.mode })
  else if (edit.act === 'remove') await transaction.remove(edit.path)
  else await transaction.move(edit.from, edit.to)
}

function resultOf(branch: string, outcome: CommitOutcome, edits: readonly Edit[]): CommitResult {
  if (outcome.state === 'committed') return { state: 'committed', oid: outcome.oid }
  if (outcome.state === 'unchanged') return { state: 'unchanged' }
  if (outcome.state === 'not-fast-forward')
    throw new Error(`Cannot commit: "${branch}" has moved, and a merge was not allowed`)
  const { conflicts, ours, theirs, base } = outcome
  const unstored = new Map<Oid, Uint8Array>()
  for (const edit of edits) {
    if (edit.act !== 'write') continue
    const side = conflicts.find(({ path }) => path === edit.path)?.ours
    if (side !== undefined) unstored.set(side.oid, edit.bytes)
  }
  return {
    state: 'conflict',
    decision: { kind: 'conflict', branch, conflicts, ours, theirs, base, unstored },
  }
}

function describeEntry(
  path: string,
  { name, mode, oid }: Pick<Entry, 'name' | 'mode' | 'oid'>,
): ListedEntry {
  const found = kindOf(mode)
  const kind: EntryKind = found === 'executable' ? 'file' : found
  return { name, path, kind, mode, oid }
}

function describeCommit({ oid, commit }: LoggedCommit): CommitInfo {
  const { parents, author, committer, message } = commit
  return { oid, parents, author: signature(author), committer: signature(committer), message }
}

function signature({ name, address, seconds }: CommitInfo['author']): CommitInfo['author'] {
  return { name, address, seconds }
}
