/**
 * Ref rules: which wishes for refs are granted, whatever they point at, and where HEAD of a new repository goes.
 *
 * @module
 */
import { encodeName } from '../bytes.ts'
import { isPushableRefName, isRefName } from '../ref-name.ts'
import type { Head, PackId, RefUpdate, State } from '../place.ts'
import type { RefRewrite } from '../protocol/push.ts'
import type { PushCertificate } from '../protocol/push-certificate.ts'
import type { Delegate } from './delegate.ts'
import type { Judge } from './judge.ts'
import { ALL_REFS, type Readable } from './reach.ts'

/** What a caller may do. */
export interface ReceivePolicy {
  /** The refs that the caller may read; every one when left out. Nothing else is proof, or can be updated. */
  readonly readable?: Readable | undefined
  /** Refs whose objects a push may build on: also those that are hidden from it and may be fetched. Those above, when left out. */
  readonly proven?: Readable | undefined
  /** Why the caller may not make this update, in words for a person; `undefined` when it may. */
  readonly refuse?: ((update: RefUpdate) => string | undefined) | undefined
  /** Whether the branch that HEAD points at may be deleted. Not when left out, as with stock Git. */
  readonly deleteCurrent?: boolean | undefined
  /** Whether branches only move forward. */
  readonly denyNonFastForwards?: boolean | undefined
  /** Which refs only move forward and are not deleted. What is no commit does not move at all. None when left out. */
  readonly protects?: ((name: string) => boolean) | undefined
  /** Whether a push from a shallow clone may make the repository shallow. Not when left out, as with stock Git. */
  readonly takesShallow?: boolean | undefined
  /** Decides about what is wrong with objects that come in; as `judgeAsUsual` when left out. */
  readonly judge?: Judge | undefined
  /**
   * Asked about the updates that every rule allows, when their pack is kept, for nobody else to see: why one may not be,
   * by name of the ref. What it throws refuses everything.
   */
  readonly ask?: Ask | undefined
  /** Makes some of the updates that nobody said no to; see `delegate.ts`. Nobody does when it is left out. */
  readonly delegate?: Delegate | undefined
  /** Asked like `ask`, behind the delegate, about the updates that are still to be made. Everybody can see their pack then. */
  readonly askEach?: Ask | undefined
  /** Told of the updates that were made. It cannot undo them, and must not throw. */
  readonly tell?: Tell | undefined
}

/** See {@link ReceivePolicy.ask}. */
export type Ask = (
  updates: readonly RefUpdate[],
  facts: PushFacts,
) => Promise<ReadonlyMap<string, string>>

/** See {@link ReceivePolicy.tell}. */
export type Tell = (updates: readonly MadeUpdate[], facts: PushFacts) => Promise<void>

/** An update that was made, and what was done instead of it; itself where that is left out or empty. */
export interface MadeUpdate extends RefUpdate {
  readonly rewrites?: readonly RefRewrite[] | undefined
}

/** What is known of a push beside its updates. */
export interface PushFacts {
  /** Who pushes, as `Name <address>`. */
  readonly who: string
  /** Packs that came with it and that nobody else sees yet. */
  readonly staged: readonly PackId[]
  /** Whether all updates are to be done or none. */
  readonly atomic: boolean
  /** What the user gave with `--push-option`. */
  readonly options: readonly string[]
  /** What a signed push is signed by, of which nothing is proved. */
  readonly certificate: PushCertificate | undefined
  /** Takes words for the person who pushes. */
  readonly say: (piece: Uint8Array) => void
}

const BRANCHES = 'refs/heads/'

/** Longest name of a ref that is taken, and of one of its steps: a file of this name and `.lock` must fit into a directory. */
const MAX_NAME = 1000
const MAX_STEP = 250

/** Why each update cannot be, by name of the ref; those that can are not in it. */
export async function refuseUpdates(
  state: State,
  updates: readonly RefUpdate[],
  policy: ReceivePolicy,
): Promise<Map<string, string>> {
  const refused = new Map<string, string>()
  const seen = new Set<string>()
  for (const update of updates) {
    const reason = seen.has(update.name)
      ? 'multiple updates for one ref'
      : problemOfUpdate(state, update, policy)
    seen.add(update.name)
    if (reason !== undefined) refused.set(update.name, reason)
  }
  const left = updates.filter(({ name }) => !refused.has(name))
  // Nobody knows which refs a delegate will leave.
  if (left.some((update) => policy.delegate?.takes(update) === true)) return refused
  for (const [name, reason] of await findCollisions(state, left)) refused.set(name, reason)
  return refused
}

function problemOfUpdate(
  state: State,
  update: RefUpdate,
  policy: ReceivePolicy,
): string | undefined {
  const { name, to } = update
  const isHis = policy.delegate?.takes(update) === true
  if (!(isHis ? isRefName(name) : isPushableRefName(name))) return 'funny refname'
  if (to !== undefined && isTooLong(name)) return 'the name is too long'
  if (!(policy.readable ?? ALL_REFS).includes(name)) return 'deny updating a hidden ref'
  if (isHis) return undefined
  const isCurrent = 'ref' in state.head && state.head.ref === name
  if (to === undefined && isCurrent && policy.deleteCurrent !== true) {
    return 'deletion of the current branch prohibited'
  }
  if (to === undefined && policy.protects?.(name) === true) {
    return 'deletion prohibited: this ref is protected'
  }
  return policy.refuse?.(update)
}

function isTooLong(name: string): boolean {
  if (name.length > MAX_NAME || encodeName(name).length > MAX_NAME) return true
  return name.split('/').some((step) => encodeName(step).length > MAX_STEP)
}

/** Whether an update of this ref is to be made only where it leads on from what is there. */
export function mustMoveForward(name: string, policy: ReceivePolicy): boolean {
  if (policy.denyNonFastForwards === true && name.startsWith(BRANCHES)) return true
  return policy.protects?.(name) === true
}

/** New refs that would have to be beside a ref of which they are a directory, or the other way round. */
async function findCollisions(
  state: State,
  updates: readonly RefUpdate[],
): Promise<Map<string, string>> {
  const deleted = new Set(updates.filter(({ to }) => to === undefined).map(({ name }) => name))
  const collisions = new Map<string, string>()
  const created = new NameSet()
  for (const { name, from, to } of updates) {
    if (to === undefined || from !== undefined) continue
    const other = created.neighbourOf(name) ?? (await findNeighbour(state, name, deleted))
    if (other === undefined) created.add(name)
    else collisions.set(name, `"${other}" exists; cannot create "${name}" beside it`)
  }
  return collisions
}

/** Names, and the directories that they make: a push may have a hundred thousand. */
class NameSet {
  readonly #names = new Set<string>()
  /** A name below each directory. */
  readonly #directories = new Map<string, string>()

  add(name: string): void {
    this.#names.add(name)
    for (const directory of directoriesOf(name)) this.#directories.set(directory, name)
  }

  /** A name that is a directory of this one, or the other way round. */
  neighbourOf(name: string): string | undefined {
    return (
      directoriesOf(name).find((directory) => this.#names.has(directory)) ??
      this.#directories.get(name)
    )
  }
}

/** `refs/heads/a` and `refs/heads`, for `refs/heads/a/b`. */
function directoriesOf(name: string): string[] {
  const directories: string[] = []
  for (let cut = name.lastIndexOf('/'); cut > 0; cut = name.lastIndexOf('/', cut - 1))
    directories.push(name.slice(0, cut))
  return directories
}

async function findNeighbour(
  state: State,
  name: string,
  deleted: ReadonlySet<string>,
): Promise<string | undefined> {
  for (const parent of directoriesOf(name)) {
    if (!deleted.has(parent) && (await state.ref(parent)) !== undefined) return parent
  }
  for await (const child of state.refs(`${name}/`)) if (!deleted.has(child.name)) return child.name
  return undefined
}

/** A move of HEAD. */
export interface HeadUpdate {
  readonly from: Head
  readonly to: Head
}

/** Where HEAD goes when these updates bring the first branches of a repository; `undefined` where it stays. */
export async function chooseHead(
  state: State,
  updates: readonly RefUpdate[],
): Promise<HeadUpdate | undefined> {
  const chosen = headFor(state.head, updates)
  if (chosen === undefined) return undefined
  // One branch is enough to know that the repository is not new.
  for await (const { name } of state.refs(BRANCHES)) return name === '' ? chosen : undefined
  return chosen
}

/**
 * Where HEAD goes in a repository without branches: it stays if its branch is created, and follows `main`, `master` or the
 * first one otherwise.
 */
export function headFor(head: Head, updates: readonly RefUpdate[]): HeadUpdate | undefined {
  const created = updates.filter(({ name, to }) => to !== undefined && name.startsWith(BRANCHES))
  const [first] = created
  if (!('ref' in head) || first === undefined) return undefined
  const names = new Set(created.map(({ name }) => name))
  if (names.has(head.ref)) return undefined
  const usual = [`${BRANCHES}main`, `${BRANCHES}master`].find((name) => names.has(name))
  return { from: head, to: { ref: usual ?? first.name } }
}
