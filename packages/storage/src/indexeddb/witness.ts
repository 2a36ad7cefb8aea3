/**
 * Witness: what was kept in IndexedDB, told outside of it.
 *
 * Browsers delete databases: to make room, after a week without a visit, or because their own files broke. What opens
 * afterwards is empty, as a new repository is. So what there was is written down elsewhere (`localStorage`), which is small
 * and not deleted together with it: the id of the repository, where its branches were, and which moves of them the server
 * had not got.
 *
 * A browser that deletes everything of a site leaves no witness either. Then only the server knows.
 *
 * @module
 */
import { UnavailableError } from '@datakit/git/error'
import type { Oid } from '@datakit/git/oid'
import type { Place } from '@datakit/git/place'
// The place loads it when it is wanted. Here that is at every change, also where there is no network to load it by.
import './log.ts'
import { openIndexedDbPlace, type IndexedDbOptions } from './place.ts'

/** What a witness is kept in: `localStorage`, or anything like it. */
export interface WitnessStorage {
  readonly length: number
  key(index: number): string | null | undefined
  getItem(key: string): string | null | undefined
  setItem(key: string, value: string): void
  removeItem(key: string): void
}

/** Where a branch was, and what the server was last known to have there. */
export interface WitnessedBranch {
  readonly name: string
  readonly head: Oid
  readonly remote: Oid | undefined
}

/** A move of a branch that the server was not known to have. */
export interface WitnessedMove {
  readonly branch: string
  readonly to: Oid
  /** As the log has it: `commit: raise the limit`. */
  readonly why: string
}

/** What there was. */
export interface Witnessed {
  readonly repository: string
  /** Milliseconds since 1970. */
  readonly at: number
  readonly branches: readonly WitnessedBranch[]
  /** The newest moves first, {@link MOST_MOVES} of a branch at most. */
  readonly waiting: readonly WitnessedMove[]
}

/** Moves of one branch that are written down. */
export const MOST_MOVES = 20
/** Moves of what the server had that are compared with. */
const REMOTE_MOVES = 200
/** Branches that are written down; a witness is small. */
const MOST_BRANCHES = 50

const HEADS = 'refs/heads/'
const REMOTES = 'refs/remotes/origin/'

/** What is known of databases by their names. */
export class Witness {
  readonly #storage: WitnessStorage
  readonly #prefix: string

  /** `prefix` is in front of the names under which it is kept. */
  constructor(storage: WitnessStorage, prefix = 'datakit-witness:') {
    this.#storage = storage
    this.#prefix = prefix
  }

  /** What there was in a database; `undefined` when nobody knows of anything. */
  read(database: string): Witnessed | undefined {
    const text = this.#storage.getItem(this.#prefix + database)
    if (typeof text !== 'string') return undefined
    try {
      const found: Witnessed = JSON.parse(text)
      return typeof found.repository === 'string' && found.repository !== '' ? found : undefined
    } catch {
      return undefined
    }
  }

  /** Writes down what there is. A storage that takes nothing leaves what was known before. */
  write(database: string, what: Witnessed): void {
    try {
      this.#storage.setItem(this.#prefix + database, JSON.stringify(what))
    } catch (error) {
      if (!(error instanceof DOMException)) throw error
    }
  }

  /** Forgets a database that a person deleted, or does not miss. */
  forget(database: string): void {
    this.#storage.removeItem(this.#prefix + database)
  }

  /** Names of the databases that are known of. */
  names(): string[] {
    const keys = Array.from({ length: this.#storage.length }, (_, i) => this.#storage.key(i) ?? '')
    return keys
      .filter((key) => key.startsWith(this.#prefix))
      .map((key) => key.slice(this.#prefix.length))
  }
}

/**
 * Opens the repository in a database, and keeps the witness up to date from then on.
 *
 * @throws UnavailableError of reason `storage-gone` when the witness knows of a repository that is not there: `read` says
 *   what is lost, and after `forget` it opens as a new one
 */
export async function openWitnessed(
  database: string,
  witness: Witness,
  options: Omit<IndexedDbOptions, 'repository'> = {},
): Promise<Place> {
  const repository = witness.read(database)?.repository
  const place = await openIndexedDbPlace(database, { ...options, repository })
  const clock = options.clock ?? Date.now
  const clerk = new Clerk(async () => {
    const what = await testify(place, clock())
    if (what !== undefined) witness.write(database, what)
  })
  try {
    await clerk.write()
  } catch (error) {
    await place.close()
    throw error
  }
  place.subscribe(() => void clerk.write().catch(ignoreUnavailable))
  return place
}

/** What is to be known of a repository once it is gone; `undefined` while there is none. */
async function testify(place: Place, at: number): Promise<Witnessed | undefined> {
  const state = await place.read()
  if (!state.exists) return undefined
  const branches: WitnessedBranch[] = []
  const waiting: WitnessedMove[] = []
  for await (const { name: ref, oid } of state.refs(HEADS)) {
    const name = ref.slice(HEADS.length)
    const remote = await state.ref(REMOTES + name)
    if (branches.length < MOST_BRANCHES) branches.push({ name, head: oid, remote })
    if (oid !== remote) waiting.push(...(await movesSince(place, name)))
  }
  return { repository: state.repository, at, branches, waiting }
}

/** Moves of a branch since it was last where the server was known to be. */
async function movesSince(place: Place, name: string): Promise<WitnessedMove[]> {
  const had = new Set<Oid | undefined>([undefined])
  for await (const { to } of place.log(REMOTES + name)) if (had.add(to).size > REMOTE_MOVES) break
  const moves: WitnessedMove[] = []
  for await (const { to, why } of place.log(HEADS + name)) {
    if (to === undefined || had.has(to)) break
    if (moves.push({ branch: name, to, why }) === MOST_MOVES) break
  }
  return moves
}

/** Does work one at a time, and once more after all that asked meanwhile. */
class Clerk {
  readonly #work: () => Promise<void>
  #running: Promise<void> | undefined
  #again = false

  constructor(work: () => Promise<void>) {
    this.#work = work
  }

  write(): Promise<void> {
    this.#again = true
    this.#running ??= this.#rounds().finally(() => (this.#running = undefined))
    return this.#running
  }

  async #rounds(): Promise<void> {
    while (this.#again) {
      this.#again = false
      await this.#work()
    }
  }
}

/** Whoever uses the place is told; the witness stays as it is. */
function ignoreUnavailable(error: unknown): void {
  if (!(error instanceof UnavailableError)) throw error
}
