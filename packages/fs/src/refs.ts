/**
 * The refs of a repository as files, and the way of a client's objects into it.
 *
 * @module
 */
import { randomId } from '@datakit/git/bytes'
import { MissingError, RefusedError } from '@datakit/git/error'
import type { GitObject } from '@datakit/git/object'
import { isOid, type Oid } from '@datakit/git/oid'
import type { Head, RefUpdate, State } from '@datakit/git/place'
import { receiveUpdate, type ReceiveOutcome } from '@datakit/git/transport/receive'
import { DataKitError } from '@datakit/datakit/error'
import { OWN_LIMITS } from '@datakit/datakit/limits'
import type { Repository } from '@datakit/datakit/repository'
import { publish } from '@datakit/datakit/update'
import type { GitFiles, PackFile } from './git-files.ts'
import { findNeeded, type Needed } from './needed.ts'
import { streamPack, type Contents } from './pack-stream.ts'

/** Somebody else moved a ref since it was read here. Nothing was changed: read it again, merge, and come back. */
export class RefMovedError extends DataKitError {
  override readonly name = 'RefMovedError'
  override readonly code = 'ref-moved'
  /** Where the ref is; `undefined` when it is gone. */
  readonly current: Oid | undefined

  constructor(ref: string, current: Oid | undefined) {
    super(
      `Cannot move "${ref}": somebody else moved it to ${current ?? 'nothing'} since it was read; read it again, merge and commit again`,
    )
    this.current = current
  }
}

function detached(oid: Oid): string {
  return `Cannot point HEAD at ${oid}: no branch or tag leads to it, so it could be lost; make a branch of it`
}

const WHY = 'written through a file system'

/** Reads and moves refs. */
export class Refs {
  readonly #repository: Repository
  readonly #git: GitFiles
  /** What was last read of each ref here: what a client's writes go on from. */
  readonly #seen = new Map<string, Oid | undefined>()
  /** Refs that wait for their objects. */
  readonly #waiting = new Map<string, RefUpdate>()
  /** Packs that are in the repository already; their indexes, which come later, are not wanted. */
  readonly #taken = new Set<string>()
  /** Writes that were refused because the ref had moved: clients try every write twice. */
  readonly #refused = new Map<string, Oid>()
  #cuts: readonly Oid[] = []
  /** The state, until somebody may have changed it. */
  #state: Promise<State> | undefined

  constructor(repository: Repository, git: GitFiles) {
    this.#repository = repository
    this.#git = git
    repository.store.place.subscribe(() => (this.#state = undefined))
  }

  /** The state of this moment. A client looks up a ref in many places one after the other: one read serves them all. */
  state(): Promise<State> {
    const { store } = this.#repository
    if (!store.place.traits.hearsOthers) return store.state()
    if (this.#state === undefined) {
      this.#state = store.state()
      this.#state.catch(() => (this.#state = undefined))
    }
    return this.#state
  }

  /** Where a ref points, also one that waits for its objects. */
  async read(name: string): Promise<Oid | undefined> {
    const waiting = this.#waiting.get(name)
    if (waiting !== undefined) return waiting.to
    const oid = await (await this.state()).ref(name)
    this.#seen.set(name, oid)
    this.#refused.delete(name)
    return oid
  }

  /** HEAD as its file has it. */
  async head(): Promise<string> {
    const { head } = await this.state()
    return 'ref' in head ? `ref: ${head.ref}` : head.oid
  }

  /** The next steps of the names of refs that begin with `prefix`. */
  async list(prefix: string): Promise<string[]> {
    const steps = new Set<string>()
    const add = (name: string) => steps.add(name.slice(prefix.length + 1).split('/', 1)[0] ?? '')
    const state = await this.state()
    for await (const { name } of state.refs(`${prefix}/`)) add(name)
    for (const name of this.#waiting.keys()) if (name.startsWith(`${prefix}/`)) add(name)
    return [...steps]
  }

  /**
   * Moves a ref, with the objects that it needs and that the client has written.
   *
   * @throws RefMovedError when others moved it since it was read here; RefusedError, MalformedError when its objects are not
   *   what they must be. The ref is as it was then.
   */
  async move(name: string, to: Oid): Promise<void> {
    const from = await this.#from(name)
    if (from === to) return
    const update: RefUpdate = { name, from, to }
    const needed = await this.#neededFor(to)
    if (needed.isCut) this.#waiting.set(name, update)
    else await this.#take([update], { packs: [], oids: needed.oids })
    if (needed.isCut) await this.#takeWaiting(await this.#git.packs())
  }

  /** Points HEAD at a branch (`ref: NAME`) or at a commit. */
  async moveHead(content: string): Promise<void> {
    const { head: from } = await this.#repository.store.state()
    const to: Head = isOid(content) ? { oid: content } : { ref: content.replace(/^ref: */, '') }
    if (isOid(content)) {
      const { oids, isCut } = await this.#neededFor(content)
      if (isCut || oids.length > 0) throw new RefusedError('detached', detached(content))
    }
    const { store } = this.#repository
    const log = { who: store.who(), why: WHY }
    const outcome = await publish(store.place, { refs: [], head: { from, to }, log })
    this.#state = undefined
    if (outcome.state === 'lost') throw new RefMovedError('HEAD', undefined)
  }

  /** Deletes a ref; false when there is none. @throws RefMovedError */
  async remove(name: string): Promise<boolean> {
    if (this.#waiting.delete(name)) return true
    const from = await this.#from(name)
    if (from === undefined) return false
    await this.#take([{ name, from, to: undefined }], { packs: [], oids: [] })
    return true
  }

  /** Takes note of where history is cut off, for the pack that comes next. */
  cut(content: string): void {
    this.#cuts = content.split('\n').filter((line) => isOid(line))
  }

  /**
   * Looks whether refs wait for what a client writes to `path`, and takes it then, once `write` has put it there. False when
   * the write is not about a pack that is waited for.
   */
  async takesPack(path: string, write: () => Promise<unknown>): Promise<boolean> {
    const [, name = '', kind] = /^objects\/pack\/([^/]+)\.(pack|idx)$/.exec(path) ?? []
    if (kind === 'idx') return this.#taken.has(name)
    if (kind === undefined || this.#waiting.size === 0) return false
    await write()
    await this.#takeWaiting(await this.#git.packs())
    return true
  }

  /** What a write goes on from: where the ref was when the client read it. */
  async #from(name: string): Promise<Oid | undefined> {
    if (this.#seen.has(name)) return this.#seen.get(name)
    return (await this.#repository.store.state()).ref(name)
  }

  async #neededFor(tip: Oid): Promise<Needed> {
    await this.#repository.store.state()
    return findNeeded(this.#repository.store.objects, tip, (oid) => this.#find(oid))
  }

  /** Tries to move the refs that wait, with all that the client has written. Those that still lack something wait on. */
  async #takeWaiting(packs: readonly PackFile[]): Promise<void> {
    const updates = [...this.#waiting.values()]
    if (packs.length === 0 || updates.length === 0) return
    const oids: Oid[] = []
    for await (const oid of this.#git.looseOids()) oids.push(oid)
    await this.#take(updates, { packs, oids })
  }

  async #find(oid: Oid): Promise<GitObject | undefined> {
    const { objects } = this.#repository.store
    return (await objects.has(oid)) ? objects.read(oid) : this.#git.readLoose(oid)
  }

  async #take(updates: readonly RefUpdate[], contents: Contents): Promise<void> {
    const { store } = this.#repository
    const isEmpty = contents.packs.length === 0 && contents.oids.length === 0
    const from = { files: this.#git, read: (oid: Oid) => this.#readNeeded(oid) }
    const outcome = await receiveUpdate(store.objects, {
      id: randomId(),
      isFirst: true,
      updates,
      pack: isEmpty ? undefined : streamPack(store.runtime, contents, from),
      log: { who: store.who(), why: WHY },
      policy: { deleteCurrent: true },
      limits: OWN_LIMITS,
      shallow: this.#cuts.length === 0 ? undefined : { add: await this.#newCuts(), remove: [] },
    })
    this.#state = undefined
    this.#settle(updates, outcome)
    await this.#tidy(contents)
  }

  async #readNeeded(oid: Oid): Promise<GitObject> {
    const object = await this.#find(oid)
    if (object === undefined) throw new MissingError('an object', oid)
    return object
  }

  async #newCuts(): Promise<readonly Oid[]> {
    const { shallow } = await this.#repository.store.state()
    return this.#cuts.filter((oid) => !shallow.has(oid))
  }

  /** Takes note of what became of the refs. @throws what one of them failed with */
  #settle(updates: readonly RefUpdate[], { refs, problem }: ReceiveOutcome): void {
    for (const { name } of updates) this.#waiting.delete(name)
    if (problem !== undefined) throw problem
    const wanted = new Map(updates.map((update) => [update.name, update.to]))
    for (const outcome of refs) {
      const { name, state } = outcome
      const to = wanted.get(name)
      if (state === 'done') this.#seen.set(name, to)
      else if (state === 'lost') throw this.#moved(name, to, outcome.current)
      else throw new RefusedError('refused', `Cannot move "${name}": ${outcome.reason}`)
    }
    this.#cuts = []
  }

  #moved(name: string, to: Oid | undefined, current: Oid | undefined): RefMovedError {
    // The second try of the same write must fail, too; a third is somebody who means it.
    if (to !== undefined && this.#refused.get(name) !== to) this.#refused.set(name, to)
    else {
      this.#refused.delete(name)
      this.#seen.delete(name)
    }
    return new RefMovedError(name, current)
  }

  /** Removes the client's files of what is in the repository now. */
  async #tidy({ packs, oids }: Contents): Promise<void> {
    for (const pack of packs) {
      this.#taken.add(pack.name)
      await this.#git.removePack(pack)
    }
    for (const oid of oids) await this.#git.removeLoose(oid)
  }
}
