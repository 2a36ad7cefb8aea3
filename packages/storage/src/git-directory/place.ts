/**
 * Place: a repository in a Git directory, as everybody above storage sees it.
 *
 * @module
 */
import { MissingError, RefusedError, UnavailableError } from '@datakit/git/error'
import { Objects } from '@datakit/git/objects'
import type { Oid } from '@datakit/git/oid'
import type {
  LogEntry,
  PackId,
  Place,
  State,
  UpdateOutcome,
  UpdateRequest,
} from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { statSync } from 'node:fs'

import { FIRST_HEAD } from '../update.ts'
import { lockTimeouts, type Config } from './config.ts'
import { createByUpdate, type Site } from './create.ts'
import { recoverUpdates } from './recover-updates.ts'
import { GitFiles, stateOf } from './git-files.ts'
import { Hooks } from './hooks.ts'
import { keepBlob } from './keep-blob.ts'
import { IndexFiles } from './index-files.ts'
import { changeOwnState, makeUpdate, type UpdateOptions } from './make-update.ts'
import { prepareOwnState } from './own-state.ts'
import { checkServable, isGitDirectory, isObstructed } from './recognise.ts'
import { endOfReflog, readReflog } from './reflog.ts'
import { updateServerInfo } from './server-info.ts'
import { namesOfUpdate, share, sharedModes } from './shared-modes.ts'
import { Subscriptions } from './subscribe.ts'
import { sweepFiles } from './sweep.ts'

/** A place that is a Git directory, with what its operator said about it. */
export interface GitDirectoryPlace extends Place {
  /** The Git directory: what `git rev-parse --git-dir` gives. */
  readonly directory: string
  /** The configuration as it is now; empty while the repository does not exist. */
  config(): Config
  readonly hooks: Hooks
  /** What the refs of the repositories that this one borrows from point at; the same array while they are the same. */
  lentTips(): readonly Oid[]
  /** Branches that are checked out in a working tree, which a push does not change without being told to. */
  checkedOut(): string[]
  /** Lets go of staged packs that no update will ask for, before their time is over: once for each time they were staged. */
  discard(packs: readonly PackId[]): Promise<void>
  /** Keeps a blob that no ref leads to, for programs that are told its name, until `git gc` takes it for garbage. */
  keepBlob(body: Uint8Array): Promise<Oid>
  /** Writes what a web server that knows nothing of Git needs to have the repository cloned, as `git update-server-info`. */
  updateServerInfo(): Promise<void>
}

/** What a Git directory can be told. */
export interface GitDirectoryOptions {
  /** Milliseconds since 1970; `Date.now` when left out. */
  readonly clock?: (() => number) | undefined
  /**
   * How long a lock of another program's is waited for, in milliseconds; 5,000 when left out. What the repository says with
   * `core.filesRefLockTimeout` or `core.packedRefsTimeout` goes before it.
   */
  readonly lockTimeout?: number | undefined
}

const LOCK_TIMEOUT = 5000
/** Bytes of bases of thin packs that are kept. */
const BASE_BYTES = 8_000_000

/** The path is not in it: clients of a server read this. */
function obstructed(): RefusedError {
  return new RefusedError(
    'refused',
    'Cannot create the repository: something that is no repository is there',
  )
}

/** One Git directory in this process, which all its places share. */
export class Repository {
  readonly hooks: Hooks
  readonly subscriptions: Subscriptions
  readonly #directory: string
  readonly #site: Site | undefined
  readonly #options: UpdateOptions
  #files: GitFiles
  #indexes: IndexFiles
  /** Which repository was found in order; none yet, or no longer, when it is empty. */
  #known = ''
  #bases: Promise<Objects> | undefined
  #last: Promise<unknown> = Promise.resolve()
  #lastInfo: Promise<unknown> = Promise.resolve()

  /** `site` is where the repository is made by its first update; without it, it must exist. */
  constructor(directory: string, options: GitDirectoryOptions, site?: Site) {
    this.#directory = directory
    this.#site = site
    this.#files = this.#newFiles()
    this.#indexes = new IndexFiles(this.#files)
    this.hooks = new Hooks(
      directory,
      () => this.config(),
      (id) => this.files.stage.find(id),
    )
    this.subscriptions = new Subscriptions(directory, () => this.files.refs.read().digest)
    const { lockTimeout = LOCK_TIMEOUT } = options
    this.#options = {
      clock: options.clock ?? Date.now,
      lockTimeout,
      timeoutOf: () => lockTimeout,
      watcher: this.hooks.watcher(),
    }
  }

  /** Its files, with what is known of them: those of the repository that {@link exists} last saw. */
  get files(): GitFiles {
    return this.#files
  }

  /** The Git directory. */
  get directory(): string {
    return this.#directory
  }

  /** Our indexes of its packs. */
  get indexes(): IndexFiles {
    return this.#indexes
  }

  /**
   * Whether the repository exists; what a crash left behind is put in order when it is first seen. Nothing is kept of one
   * that was removed, or that another one took the place of.
   */
  async exists(): Promise<boolean> {
    if (!isGitDirectory(this.#directory)) {
      this.#forget()
      if (isObstructed(this.#directory)) throw obstructed()
      return false
    }
    if (this.#known !== '' && this.#files.ownState().repository === this.#known) return true
    this.#forget()
    this.config()
    await prepareOwnState(this.#directory)
    const { repository } = this.#files.ownState()
    await recoverUpdates(this.#files)
    this.#known = repository
    return true
  }

  #forget(): void {
    if (this.#known === '') return
    this.#known = ''
    this.#bases = undefined
    // Readings of the old one go on.
    void this.#files.open.close()
    this.#files = this.#newFiles()
    this.#indexes = new IndexFiles(this.#files)
  }

  #newFiles(): GitFiles {
    return new GitFiles(this.#directory, this.#site && `${this.#site.scratch}/stage`)
  }

  /** The objects that thin packs have their bases in, read through `place`; what is known of the packs is kept. */
  async bases(place: Place): Promise<Objects> {
    this.#bases ??= Objects.open(place, nodeRuntime, { bytes: BASE_BYTES })
    try {
      return await this.#bases
    } catch (error) {
      this.#bases = undefined
      throw error
    }
  }

  /** The configuration as it is now. @throws UnsupportedError when it asks for what is not offered */
  config(): Config {
    return checkServable(this.#directory)
  }

  async read(): Promise<State> {
    return (await this.exists()) ? stateOf(this.files, await this.files.read()) : emptyState()
  }

  /** Makes an update when those before it are done: in one process they need not fight for the locks. */
  async update(request: UpdateRequest): Promise<UpdateOutcome> {
    const next = this.#last.then(() => this.#update(request))
    this.#last = next.catch(() => undefined)
    const outcome = await next
    if (outcome.state === 'done') this.subscriptions.notify()
    return outcome
  }

  async #update(request: UpdateRequest): Promise<UpdateOutcome> {
    if (!(await this.exists())) {
      if (this.#site === undefined)
        throw new RefusedError('refused', 'Cannot update the repository: it is not there')
      const outcome = await createByUpdate(this.#site, request, this.#options)
      if (outcome !== 'exists') return outcome
      if (!(await this.exists())) {
        throw obstructed()
      }
    }
    const config = this.config()
    const modes = sharedModes(config)
    const outcome = await makeUpdate(this.files, request, {
      ...this.#options,
      timeoutOf: lockTimeouts(config, this.#options.lockTimeout),
    })
    if (outcome.state === 'done') await this.#share(namesOfUpdate(request), modes)
    return outcome
  }

  async #share(names: Iterable<string>, modes = sharedModes(this.config())): Promise<void> {
    if (modes !== undefined) await share(this.#directory, names, modes)
  }

  async keepBlob(body: Uint8Array): Promise<Oid> {
    const oid = await keepBlob(`${this.#directory}/objects`, body)
    await this.#share([`objects/${oid.slice(0, 2)}/${oid.slice(2)}`])
    return oid
  }

  /** One after the other, so that what the last one writes is not older than what another has written. */
  async updateServerInfo(place: Place): Promise<void> {
    const next = this.#lastInfo.then(async () => {
      const objects = await this.bases(place)
      await objects.refresh()
      await updateServerInfo(this.files, objects)
      await this.#share(['info/refs', 'objects/info/packs'])
    })
    this.#lastInfo = next.catch(() => undefined)
    await next
  }

  async markVerified(ids: readonly string[]): Promise<void> {
    if (!(await this.exists())) return
    const marked = new Set(ids)
    if (!this.files.ownState().unverified.some((id) => marked.has(id))) return
    await changeOwnState(this.files, (own) => ({
      ...own,
      unverified: own.unverified.filter((id) => !marked.has(id)),
    }))
  }

  async sweep(grace: number): Promise<number> {
    return (await this.exists()) ? await sweepFiles(this.files, grace, this.#options.clock()) : 0
  }

  /** The log, newest first, a move that nobody logged in front. */
  async log(ref: string): Promise<LogEntry[]> {
    const { directory, refs } = this.files
    const entries = (await readReflog(directory, ref)).toReversed()
    const current = ref === 'HEAD' ? undefined : refs.read().byName.get(ref)?.oid
    if (current === undefined) return entries
    const from = await endOfReflog(directory, ref)
    if (from === current) return entries
    const at = statSync(`${directory}/${ref}`, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()
    const why = 'moved without a line in the reflog'
    return [
      { ref, from, to: current, who: '', at: Math.floor(at), why, external: true },
      ...entries,
    ]
  }

  async close(): Promise<void> {
    this.subscriptions.close()
    await this.#last
    await this.files.open.close()
  }
}

/** A place of a repository. `close` ends this place alone unless it is the last one. */
export function placeOf(repository: Repository, onClose: () => Promise<void>): GitDirectoryPlace {
  let closed = false
  const stops = new Set<() => void>()
  const open = (): Repository => {
    if (closed) throw new UnavailableError('Cannot use a repository: its place was closed')
    return repository
  }
  const place: GitDirectoryPlace = {
    traits: { kind: 'git-directory', keepsThinPacks: false, hearsOthers: true },
    directory: repository.directory,
    hooks: repository.hooks,
    config: () => open().config(),
    lentTips: () => open().files.lent.tips(open().config()),
    checkedOut: () => open().hooks.checkedOut(),
    async discard(packs) {
      for (const id of packs) await open().files.stage.remove(id)
    },
    keepBlob: async (body) => await open().keepBlob(body),
    updateServerInfo: async () => await open().updateServerInfo(place),
    async read({ signal } = {}) {
      signal?.throwIfAborted()
      return await open().read()
    },
    update: async (request) => await open().update(request),
    writePack: async () => await writePack(open(), place),
    async readPack(id, start, end) {
      return await open().files.readPack(id, start, end)
    },
    streamPack: (id, start, end) => open().files.streamPack(id, start, end),
    async readIndex(id, start, end) {
      return await open().indexes.read(id, start, end)
    },
    markVerified: async (ids) => await open().markVerified(ids),
    async *log(ref) {
      yield* await open().log(ref)
    },
    async sweep({ grace }) {
      return { deleted: await open().sweep(grace) }
    },
    subscribe(listener) {
      const stop = open().subscriptions.add(listener)
      stops.add(stop)
      return () => {
        stops.delete(stop)
        stop()
      }
    },
    async close() {
      if (closed) return
      closed = true
      for (const stop of stops) stop()
      await onClose()
    },
  }
  return place
}

async function writePack(repository: Repository, place: Place) {
  const exists = await repository.exists()
  const resolveBase = async (oid: Oid) => {
    const objects = await repository.bases(place)
    try {
      return await objects.read(oid)
    } catch (error) {
      if (error instanceof MissingError && error.missing === oid) return undefined
      throw error
    }
  }
  return await repository.files.stage.writer(resolveBase, exists)
}

function emptyState(): State {
  return {
    version: '',
    repository: '',
    exists: false,
    head: FIRST_HEAD,
    packs: [],
    catalogs: [],
    shallow: new Set(),
    ref: async () => undefined,
    async *refs() {},
    promised: async () => undefined,
    receipt: async () => undefined,
  }
}
