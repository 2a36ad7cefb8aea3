/**
 * Journal: what an update is about to do, written down so that somebody else can finish or undo it.
 *
 * Every update has a directory of its own, `datakit/journal/<random>.<owner>/`:
 *
 * - `plan` what it wants. Hard-linked to `datakit/update.lock` while the update runs, which makes our
 *   updates of one repository follow one another in all processes.
 * - `lock-0`, `lock-1`, … hard-linked to Git's locks. A lock is ours if it is the same file as one of these, so that a
 *   lock of somebody else's is never removed, whenever we died.
 * - `<pack>.pack`, `.idx` and `.index`, hard-linked to the packs that become visible, see `pack-placing.ts`.
 * - `commit` the point of no return: with it the update is finished by whoever comes next, without it
 *   everything is undone. See `recover-updates.ts` for what becomes of it when locks were removed meanwhile.
 * - `moving`, from just before the first ref moves.
 *
 * A journal whose owner is dead is claimed by renaming its directory to one's own name, which only one can.
 *
 * @module
 */
import { lstatSync, type Stats } from 'node:fs'
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

import { UnavailableError } from '@datakit/git/error'
import { LockedRefsError } from '@datakit/git/locked-refs'

import {
  errorCode,
  ifThere,
  isAbsent,
  linkUnlessThere,
  parentOf,
  pathOf,
  randomName,
  readIfThere,
  removeEmptyDirectories,
  removeIfThere,
  syncDirectory,
  writeSynced,
  type NativePath,
} from './durable.ts'
import { decodeDecision, decodePlan, type Decision, type Plan } from './journal-format.ts'
import { NOBODY, stateOfOwner, thisOwner } from './owner.ts'

/** How many refs share one file that their locks are links to; file systems allow at least 32,000 links. */
const LINKS = 1000

/**
 * A journal of a container that nobody here can look into is taken from it when it has given no sign of life for this
 * time, in milliseconds.
 */
const UNSEEN = 60_000

/** How often an update under way gives a sign of life, in milliseconds. */
const HEARTBEAT = 10_000

/** An update under way, or one that was found. */
export class Journal {
  readonly #gitDirectory: string
  #name: string
  readonly plan: Plan | undefined
  readonly #heart: NodeJS.Timeout

  private constructor(gitDirectory: string, name: string, plan: Plan | undefined) {
    this.#gitDirectory = gitDirectory
    this.#name = name
    this.plan = plan
    this.#heart = setInterval(() => void this.#beat(), HEARTBEAT).unref()
  }

  /** Path of a file of the journal. */
  path(file: string): string {
    return `${this.#gitDirectory}/datakit/journal/${this.#name}/${file}`
  }

  /** Begins an update. Nothing is locked yet and nothing need survive. */
  static async begin(gitDirectory: string, plan: Plan): Promise<Journal> {
    const name = `${randomName()}.${thisOwner()}`
    const journal = new Journal(gitDirectory, name, plan)
    await mkdir(journal.path(''), { recursive: true })
    await writeSynced(journal.path('plan'), JSON.stringify(plan), 'wx')
    return journal
  }

  /** Takes over what an owner left behind that no longer lives; `undefined` where somebody else was faster. */
  static async claim(gitDirectory: string, name: string): Promise<Journal | undefined> {
    const mine = `${name.slice(0, name.indexOf('.'))}.${thisOwner()}`
    const root = `${gitDirectory}/datakit/journal`
    const renamed = await ifThere(rename(`${root}/${name}`, `${root}/${mine}`).then(() => true))
    if (renamed === undefined) return undefined
    try {
      const bytes = await readIfThere(`${root}/${mine}/plan`)
      return new Journal(gitDirectory, mine, bytes && decodePlan(bytes))
    } catch (error) {
      await ifThere(rename(`${root}/${mine}`, `${root}/${name}`))
      throw error
    }
  }

  /** Id of the request that is being done now, `undefined` when none is. */
  static async underWay(gitDirectory: string): Promise<string | undefined> {
    const bytes = await readIfThere(`${gitDirectory}/datakit/update.lock`)
    return bytes === undefined ? undefined : decodePlan(bytes)?.id
  }

  /** Names of journals whose owners are dead. */
  static async abandoned(gitDirectory: string): Promise<string[]> {
    const root = `${gitDirectory}/datakit/journal`
    const names = (await ifThere(readdir(root))) ?? []
    const dead = await Promise.all(
      names.map(async (name) => ((await isDead(root, name)) ? name : '')),
    )
    return dead.filter((name) => name !== '')
  }

  /** Tries to become the one update of this repository that is under way. */
  async enter(): Promise<boolean> {
    const entered = await linkUnlessThere(this.path('plan'), this.#updateLock)
    // From here on locks of Git's may follow; the plan must be readable wherever one of them is found.
    if (entered) {
      await syncDirectory(this.path(''))
      await syncDirectory(`${this.#gitDirectory}/datakit/journal`)
    }
    return entered
  }

  /** Whether this is the update that is under way. */
  holdsEntry(): boolean {
    return isSameFile(this.path('plan'), this.#updateLock)
  }

  /** Whether the lock with a number of the plan is this update's. */
  holds(number: number): boolean {
    const path = this.#lockPath(number)
    return (
      isSameFile(this.path(`value-${number}`), path) ||
      isSameFile(this.path(tokenOf(number, undefined)), path)
    )
  }

  /**
   * Checks that nobody has removed a lock, those with the numbers in `except` aside.
   *
   * @throws UnavailableError naming one that is gone
   */
  checkLocks(except: readonly number[] = []): void {
    if (!this.holdsEntry()) throw lostLockError('datakit/update.lock')
    for (let i = 0; i < (this.plan?.locks.length ?? 0); i++)
      if (!except.includes(i) && !this.holds(i)) throw lostLockError(this.#lockName(i))
  }

  /**
   * Takes the lock with a number of the plan, waiting for a stranger to let go of it. What the lock holds is `content`.
   * `blocked` where a file is in the way of the lock's directory, `held` when a stranger holds it for longer than `timeout`
   * milliseconds.
   */
  async take(
    number: number,
    content: string | undefined,
    timeout: number,
  ): Promise<'taken' | 'blocked' | 'held'> {
    const token = this.path(tokenOf(number, content))
    await writeToken(token, content)
    return await lockWith(token, this.#lockPath(number), timeout)
  }

  /** Keeps a file in the journal, on the disk. */
  async write(file: string, body: Uint8Array | string): Promise<void> {
    await writeSynced(this.path(file), body)
  }

  /** The point of no return. */
  async commit(decision: Decision): Promise<void> {
    await this.write('commit.new', JSON.stringify(decision))
    await rename(this.path('commit.new'), this.path('commit'))
    await syncDirectory(this.path(''))
  }

  /** What was decided, `undefined` when the update never came to that. */
  async decision(): Promise<Decision | undefined> {
    const bytes = await readIfThere(this.path('commit'))
    return bytes === undefined ? undefined : decodeDecision(bytes)
  }

  /** Whether a file of the journal is there. */
  has(file: string): boolean {
    return lookAt(this.path(file)) !== undefined
  }

  /** Writes down that something begins; need not survive a power cut. */
  async mark(file: string): Promise<void> {
    await linkUnlessThere(this.path('plan'), this.path(file))
  }

  /**
   * Moves a file of the journal to its place; does nothing if that was done before.
   *
   * @throws UnavailableError when the lock of the place is not held
   */
  async replace(file: string, path: string): Promise<void> {
    if (!this.has(file)) return
    this.#checkLockOf(path)
    await ifThere(rename(this.path(file), pathOf(this.#gitDirectory, path)))
  }

  /** Removes a file. @throws UnavailableError when its lock is not held */
  async remove(path: string): Promise<void> {
    this.#checkLockOf(path)
    await removeIfThere(pathOf(this.#gitDirectory, path))
  }

  /** Whether a lock has become the file that it locks, which nobody has replaced since. */
  isPublished(number: number, path: string): boolean {
    return isSameFile(this.path(`value-${number}`), pathOf(this.#gitDirectory, path))
  }

  /**
   * Turns a lock into the file that it locks; does nothing if that was done before.
   *
   * @throws UnavailableError when the lock is not held
   */
  async publish(number: number, path: string): Promise<void> {
    const target = pathOf(this.#gitDirectory, path)
    if (this.isPublished(number, path)) return
    this.#checkLockOf(path)
    await removeEmptyDirectories(target)
    await rename(this.#lockPath(number), target)
  }

  /** Takes a lock again that somebody removed. @throws LockedRefsError when a stranger holds it for too long */
  async retake(number: number, timeout: number): Promise<void> {
    if (this.holds(number)) return
    const value = this.path(`value-${number}`)
    const token = this.has(`value-${number}`) ? value : this.path(tokenOf(number, undefined))
    if ((await lockWith(token, this.#lockPath(number), timeout)) === 'held')
      throw new LockedRefsError([this.plan?.locks[number] ?? ''])
  }

  /** Goes back behind the point of no return, before anything has moved. */
  async retract(): Promise<void> {
    await removeIfThere(this.path('commit'))
    await syncDirectory(this.path(''))
  }

  /** Lets go of all locks of Git's that are ours, of the entry, and forgets the journal. */
  async end(): Promise<void> {
    for (let i = 0; i < (this.plan?.locks.length ?? 0); i++) {
      if (this.holds(i)) await removeIfThere(this.#lockPath(i))
    }
    if (this.holdsEntry()) await removeIfThere(this.#updateLock)
    clearInterval(this.#heart)
    await rm(this.path(''), { recursive: true, force: true })
  }

  /** Leaves a journal that cannot be finished at the moment to whoever comes next. */
  async abandon(): Promise<void> {
    clearInterval(this.#heart)
    const name = `${this.#name.slice(0, this.#name.indexOf('.'))}.${NOBODY}`
    await ifThere(rename(this.path(''), `${this.#gitDirectory}/datakit/journal/${name}`))
    this.#name = name
  }

  /** Hooks and locks may take longer than others wait for a sign of life. */
  async #beat(): Promise<void> {
    await utimes(this.path(''), new Date(), new Date()).catch(() => undefined)
  }

  get #updateLock(): string {
    return `${this.#gitDirectory}/datakit/update.lock`
  }

  #lockPath(number: number): NativePath {
    return pathOf(this.#gitDirectory, this.#lockName(number))
  }

  /** For messages too: where on this machine the repository is, only its operator need know. */
  #lockName(number: number): string {
    return `${this.plan?.locks[number] ?? ''}.lock`
  }

  #checkLockOf(path: string): void {
    const number = this.plan?.locks.indexOf(path) ?? -1
    // Our own state has no lock but the entry.
    const isHeld = number < 0 ? this.holdsEntry() : this.holds(number)
    if (!isHeld) throw lostLockError(`${path}.lock`)
  }
}

function tokenOf(number: number, content: string | undefined): string {
  return content === undefined ? `lock-${Math.floor(number / LINKS)}` : `value-${number}`
}

async function writeToken(path: string, content: string | undefined): Promise<void> {
  if (content !== undefined) return await writeSynced(path, content)
  if ((await ifThere(stat(path))) === undefined) await writeSynced(path, 'datakit\n')
}

async function lockWith(
  token: string,
  path: NativePath,
  timeout: number,
): Promise<'taken' | 'blocked' | 'held'> {
  const until = Date.now() + timeout
  for (let wait = 1; ; wait = Math.min(2 * wait, 50)) {
    const outcome = await tryLock(token, path)
    if (outcome !== 'held' || Date.now() >= until) return outcome
    await delay(wait * (0.5 + Math.random()))
  }
}

async function tryLock(token: string, path: NativePath): Promise<'taken' | 'held' | 'blocked'> {
  for (let attempt = 0; attempt < 10; attempt++) {
    try {
      return (await linkUnlessThere(token, path)) ? 'taken' : 'held'
    } catch (error) {
      if (errorCode(error) === 'ENOTDIR') return 'blocked'
      if (errorCode(error) !== 'ENOENT') throw error
    }
    // Git removes empty directories below refs/ at any time: make them again until the lock is in.
    if (!(await makeParent(path))) return 'blocked'
  }
  return 'held'
}

async function makeParent(path: NativePath): Promise<boolean> {
  try {
    await mkdir(parentOf(path), { recursive: true })
    return true
  } catch (error) {
    if (errorCode(error) === 'EEXIST' || errorCode(error) === 'ENOTDIR') return false
    throw error
  }
}

function isSameFile(a: NativePath, b: NativePath): boolean {
  const [one, other] = [lookAt(a), lookAt(b)]
  return one !== undefined && other !== undefined && one.ino === other.ino && one.dev === other.dev
}

/** Synchronous, so that as little as possible lies between a look at a lock and what it is for. */
function lookAt(path: NativePath): Stats | undefined {
  try {
    return lstatSync(path)
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

async function isDead(root: string, name: string): Promise<boolean> {
  const state = stateOfOwner(name.slice(name.indexOf('.') + 1))
  if (state !== 'unseen') return state === 'dead'
  const directory = await ifThere(stat(`${root}/${name}`))
  return directory !== undefined && Date.now() - directory.mtimeMs > UNSEEN
}

function lostLockError(path: string): UnavailableError {
  return new UnavailableError(
    `Cannot update the repository: its lock "${path}" was removed by another program`,
  )
}
