/**
 * Taking back what a server sent and what turned out not to be what its names say: an answer is believed as far as its heads
 * and their trees, the rest is proved afterwards, and where that fails refs go back to where they were before.
 *
 * What a person has committed stays where it is, also on top of what is wrong: then the server's branch stays there too, and what
 * is wrong is fetched when it is read, see `files/mended.ts`.
 *
 * Spec: docs/sync-protocol.md, "What is taken back"
 *
 * @module
 */
import { GitError, MalformedError, MissingError } from '@datakit/git/error'
import type { GitObject, ObjectType } from '@datakit/git/object'
import type { Objects } from '@datakit/git/objects'
import { EMPTY_TREE, type Oid } from '@datakit/git/oid'
import { readLinks, unpackLinks } from '@datakit/git/pack/links'
import type { RefUpdate, State } from '@datakit/git/place'
import { decodeTree, isGitlinkMode, isTreeMode } from '@datakit/git/tree'
import { SyncError } from '../error.ts'
import { History } from '../history/history.ts'
import type { Repository } from '../repository.ts'
import type { Store } from '../store.ts'
import { publish } from '../transaction/update.ts'
import { HEADS } from './sync-refs.ts'

/** A ref that went back. */
export interface TakenBack {
  readonly ref: string
  readonly from: Oid
  /** `undefined`: it is gone. */
  readonly to: Oid | undefined
  /** Why. */
  readonly problem: GitError
}

const MIRRORS = /^refs\/(remotes\/origin|datakit\/origin)\//
const NOTES = /^refs\/datakit\/(repository|candidate|dropped|gone)\//
/** How often refs that move meanwhile are looked at again. */
const MAX_ATTEMPTS = 10

/**
 * Takes refs back that lead to something that is damaged or missing in packs that a server sent and nobody has proved. The
 * mirror of the server's refs goes back to where it was, and local branches and tags that a sync has moved go with it; the next
 * sync asks for it all again. Empty when nothing had to be moved.
 *
 * @throws UnavailableError when the place cannot be read or written
 */
export async function takeBack({ store }: Repository): Promise<TakenBack[]> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const state = await store.state()
    if (state.packs.every(({ verified }) => verified)) return []
    const taken = await new TakingBack(store, state).find()
    if (taken.length === 0) return []
    const refs = taken.map(({ ref: name, from, to }): RefUpdate => ({ name, from, to }))
    const log = { who: store.who(), why: 'sync: take back' }
    const { state: outcome } = await publish(store.place, { refs, log })
    if (outcome === 'done') return taken
  }
  return []
}

/**
 * Says of work that failed since a server sent what is not so, that it was taken back.
 *
 * @throws SyncError `taken-back` in place of `error`, where something was
 */
export async function takeBackAfter(repository: Repository, error: unknown): Promise<void> {
  if (!(error instanceof MalformedError || error instanceof MissingError)) return
  const [first] = await takeBack(repository)
  if (first !== undefined)
    throw new SyncError('taken-back', explainTakenBack(first), { cause: first.problem })
}

/** What a person is told of it. */
export function explainTakenBack({ ref, from, to, problem }: TakenBack): string {
  const where = to === undefined ? 'is gone until the next sync' : `is at ${to} again`
  return `Cannot keep what the server sent: ${ref} was at ${from}, and ${where}. ${problem.message}. Sync again; if this comes back, the server's copy is damaged: have it checked`
}

/** An object that has to be there, and its type where only one will do. */
type Needed = readonly [oid: Oid, type: ObjectType | undefined]

class TakingBack {
  readonly #objects: Objects
  readonly #history: History
  readonly #state: State
  /** What was found to be whole, with all that it leads to. */
  readonly #whole = new Set<Oid>([EMPTY_TREE])
  readonly #broken = new Map<Oid, GitError>()

  constructor(store: Store, state: State) {
    this.#objects = store.objects
    this.#history = new History(store)
    this.#state = state
  }

  async find(): Promise<TakenBack[]> {
    const taken: TakenBack[] = []
    const kept = new Set<Oid>()
    for await (const { name: ref, oid: from } of this.#state.refs()) {
      const problem = await this.#problemOf(from)
      const to = problem && !NOTES.test(ref) ? await this.#before(ref, from) : undefined
      if (problem !== undefined && to !== from) taken.push({ ref, from, to, problem })
      else if (ref.startsWith(HEADS)) kept.add(from)
    }
    const needed: TakenBack[] = []
    for (const each of taken) if (!(await this.#isBuiltOn(each.from, kept))) needed.push(each)
    return needed
  }

  /** Whether a branch that stays leads to a commit. */
  async #isBuiltOn(oid: Oid, heads: Iterable<Oid>): Promise<boolean> {
    for (const head of heads) {
      const isOn = this.#history.isAncestor(oid, head)
      // What is missing on the way is behind the commit that was asked for, or the branch is not on it.
      if (await isOn.catch(() => false)) return true
    }
    return false
  }

  /** Where a ref was before a sync moved it to what is broken; where it is, if a person has moved it. */
  async #before(ref: string, from: Oid): Promise<Oid | undefined> {
    const isMirror = MIRRORS.test(ref)
    let at: Oid | undefined = from
    for await (const line of this.#objects.place.log(ref)) {
      const isBySync = line.to === at && line.why.startsWith('sync: ')
      if (!isBySync) return isMirror ? undefined : from
      at = line.from
      if (at === undefined || (await this.#problemOf(at)) === undefined) return at
    }
    return isMirror ? undefined : from
  }

  /** What is wrong with an object or with something that it leads to. What is in a pack that was proved is not looked into. */
  async #problemOf(head: Oid): Promise<GitError | undefined> {
    const seen = new Set<Oid>()
    const stack: Needed[] = [[head, undefined]]
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const [oid, type] = next
      if (this.#whole.has(oid) || seen.has(oid)) continue
      seen.add(oid)
      const found = this.#broken.get(oid) ?? (await this.#look(oid, type))
      if (found instanceof GitError) {
        this.#broken.set(oid, found)
        this.#broken.set(head, found)
        return found
      }
      stack.push(...found)
    }
    for (const oid of seen) this.#whole.add(oid)
    return undefined
  }

  /** What an object leads to, or what is wrong with it. */
  async #look(oid: Oid, type: ObjectType | undefined): Promise<readonly Needed[] | GitError> {
    try {
      const copies = await this.#objects.locate(oid)
      if (copies.length === 0 && (await this.#objects.state.promised(oid)) !== undefined) return []
      if (copies.some(({ pack }) => pack.verified)) return []
      const object = await this.#objects.read(oid)
      if (type !== undefined && object.type !== type)
        throw new MalformedError(`object ${oid}`, `it is a ${object.type}, not a ${type}`)
      const isCut = this.#state.shallow.has(oid)
      return leadsTo(oid, object).filter(([, type]) => !isCut || type !== 'commit')
    } catch (error) {
      if (error instanceof MalformedError || error instanceof MissingError) return error
      throw error
    }
  }
}

/** Everything that an object names and that has to be here. */
function leadsTo(oid: Oid, { type, body }: GitObject): Needed[] {
  if (type === 'blob') return []
  if (type === 'tree')
    return decodeTree(body).flatMap(({ mode, oid: child }): Needed[] =>
      isGitlinkMode(mode) ? [] : [[child, isTreeMode(mode) ? 'tree' : 'blob']],
    )
  const packed = readLinks(type, body)
  const links = packed && unpackLinks(packed)
  if (links === undefined || links.kind === 'tree')
    throw new MalformedError(`${type} ${oid}`, 'it does not name what it must')
  if (links.kind === 'tag') return [[links.target, undefined]]
  return [[links.tree, 'tree'], ...links.parents.map((parent): Needed => [parent, 'commit'])]
}
