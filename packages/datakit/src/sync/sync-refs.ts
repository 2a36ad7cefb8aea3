/**
 * Where a repository keeps what it knows of a server: in refs, so that it lives and dies with them.
 *
 * | on the server | here |
 * | --- | --- |
 * | `refs/heads/NAME` | `refs/remotes/origin/NAME` |
 * | `refs/REST` | `refs/datakit/origin/REST` |
 * | the id of the repository | `refs/datakit/repository/ID` |
 * | a merge that it has not taken yet | `refs/datakit/candidate/NAME` |
 * | a branch that it has no more: its last head | `refs/datakit/gone/NAME` |
 * | a head that it had, until what is here has dealt with the next | `refs/datakit/dropped/NAME/OID` |
 * | the part that is wanted, and the part that is here, see `choice.ts` | `refs/datakit/choice/…` |
 *
 * In the last three, NAME is one step (`%2F` for `/`): the server may have had both `a` and `a/b`, one after the other.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { RefUpdate, State } from '@datakit/git/place'
import type { SyncResponse } from '@datakit/git/protocol/sync'
import { refNamesCollide } from '@datakit/git/ref-name'

export const HEADS = 'refs/heads/'
const TAGS = 'refs/tags/'
const TRACKED = 'refs/remotes/origin/'
const TRACKED_OTHERS = 'refs/datakit/origin/'
const REPOSITORY = 'refs/datakit/repository/'
export const CANDIDATES = 'refs/datakit/candidate/'
const GONE = 'refs/datakit/gone/'
const DROPPED = 'refs/datakit/dropped/'
export const CHOICE = 'refs/datakit/choice/'

/** Refs by name. */
export type Refs = ReadonlyMap<string, Oid>

/** What a repository knows of its server, and its own branches. */
export interface Known {
  /** Id of the server's repository; `undefined` before the first answer, and while its histories are not ours. */
  readonly repository: string | undefined
  /** Own branches, by short name. */
  readonly own: Refs
  /** The server's branches, by short name. */
  readonly heads: Refs
  /** Branches that the server had and has no more, by short name. */
  readonly gone: Refs
  /** Heads that the server's branches had before, by short name, where the local branch is not in step. */
  readonly dropped: ReadonlyMap<string, readonly Oid[]>
  /** All refs that the server has, by full name; what they reach is here. */
  readonly tracked: Refs
  readonly candidates: Refs
  /** Where it is written which part is wanted, and which is here; empty where that is all. */
  readonly choice: Refs
}

/** What was read of states that are still in use: a sync asks several times, and there may be thousands of refs. */
const read = new WeakMap<State, Known>()

/** Reads what is known. */
export async function readKnown(state: State): Promise<Known> {
  const before = read.get(state)
  if (before !== undefined) return before
  const heads = await refsUnder(state, TRACKED)
  // Where the server's HEAD is, Git keeps beside its branches.
  heads.delete('HEAD')
  const others = await refsUnder(state, TRACKED_OTHERS)
  const dropped = new Map<string, Oid[]>()
  for (const [name, oid] of await refsUnder(state, DROPPED)) {
    const branch = branchOf(name.slice(0, name.indexOf('/')))
    dropped.set(branch, [...(dropped.get(branch) ?? []), oid])
  }
  const known: Known = {
    repository: [...(await refsUnder(state, REPOSITORY)).keys()][0],
    own: await refsUnder(state, HEADS),
    heads,
    gone: await refsUnder(state, GONE, branchOf),
    dropped,
    tracked: new Map([
      ...[...heads].map(([name, oid]) => [HEADS + name, oid] as const),
      ...[...others].map(([name, oid]) => [`refs/${name}`, oid] as const),
    ]),
    candidates: await refsUnder(state, CANDIDATES, branchOf),
    choice: await refsUnder(state, CHOICE),
  }
  read.set(state, known)
  return known
}

/** An answer that moves refs here. */
export interface Taking {
  readonly answer: SyncResponse
  /** The server's refs. */
  readonly refs: Refs
  /** Branches that were deleted there because we asked. */
  readonly removed: ReadonlySet<string>
  /** Whether its histories are ours too: only then are there local branches of them, and the id is noted. */
  readonly isRelated: boolean
  /** What was known of the server's refs when it was asked. */
  readonly since: Refs
}

/**
 * The moves that follow from an answer. Branches and tags that are new to us get a local one. `undefined` when another sync
 * has taken an answer meanwhile: nobody knows which of the two is the newer one.
 */
export async function takeRefs(state: State, taking: Taking): Promise<RefUpdate[] | undefined> {
  const { refs, removed, since } = taking
  const known = await readKnown(state)
  const { tracked } = known
  if (tracked.size !== since.size || [...since].some(([name, oid]) => tracked.get(name) !== oid))
    return undefined
  const moves: RefUpdate[] = []
  const tags = await refsUnder(state, TAGS, (rest) => TAGS + rest)
  const local = [...[...known.own.keys()].map((branch) => HEADS + branch), ...tags.keys()]
  for (const [name, to] of refs) {
    if (name === `${HEADS}HEAD`) continue
    const from = known.tracked.get(name)
    if (from !== to) moves.push({ name: trackedName(name), from, to })
    const before = from ?? (name.startsWith(HEADS) ? known.gone.get(shortOf(name)) : undefined)
    if (before !== to) moves.push(...noteBefore(known, taking, { name, before }))
    // Only what was never seen before: a branch that was deleted here stays deleted.
    const isNew = before === undefined || known.repository === undefined
    if (isNew && taking.isRelated && canBeMade(name, local))
      moves.push({ name, from: undefined, to })
  }
  for (const [name, from] of known.tracked)
    if (!refs.has(name)) moves.push({ name: trackedName(name), from, to: undefined })
  return [...moves, ...moveGone(known, refs, removed), ...(await takeId(state, taking))]
}

/** Keeps the head that the server's branch had, unless what is here is there by now. */
function noteBefore(
  known: Known,
  { answer, refs }: Taking,
  { name, before }: { readonly name: string; readonly before: Oid | undefined },
): RefUpdate[] {
  const branch = shortOf(name)
  const own = name.startsWith(HEADS) ? known.own.get(branch) : undefined
  // Another repository that a person goes on with has dropped nothing.
  const isSame = known.repository === undefined || known.repository === answer.repository
  if (before === undefined || own === undefined || own === refs.get(name) || !isSame) return []
  if (known.dropped.get(branch)?.includes(before) === true) return []
  return [{ name: droppedName(branch, before), from: undefined, to: before }]
}

/** Whether there can be a local ref of this name beside those that are here. */
function canBeMade(name: string, local: readonly string[]): boolean {
  if (!name.startsWith(HEADS) && !name.startsWith(TAGS)) return false
  return !local.some((other) => other === name || refNamesCollide(other, name))
}

/** Branches that are gone on the server leave a trace here of where they were, unless that was asked for. */
function moveGone(known: Known, refs: Refs, removed: ReadonlySet<string>): RefUpdate[] {
  const moves: RefUpdate[] = []
  for (const branch of new Set([...known.heads.keys(), ...known.gone.keys()])) {
    const from = known.gone.get(branch)
    const isThere = refs.has(HEADS + branch) || removed.has(branch)
    const to = isThere ? undefined : (known.heads.get(branch) ?? from)
    if (from !== to) moves.push({ name: GONE + stepOf(branch), from, to })
  }
  return moves
}

/** Notes the id of the server's repository. A ref must point at something: whatever the server has. */
async function takeId(state: State, { answer, refs, isRelated }: Taking): Promise<RefUpdate[]> {
  const id = answer.repository
  const ids = await refsUnder(state, REPOSITORY)
  const [oid] = refs.values()
  if (id === '' || oid === undefined || ids.has(id)) return []
  const moves = [...ids].map(([name, from]): RefUpdate => ({
    name: REPOSITORY + name,
    from,
    to: undefined,
  }))
  return isRelated ? [...moves, { name: REPOSITORY + id, from: undefined, to: oid }] : moves
}

function trackedName(name: string): string {
  return name.startsWith(HEADS)
    ? TRACKED + shortOf(name)
    : TRACKED_OTHERS + name.slice('refs/'.length)
}

/** Where it is kept that the server's branch was at `oid`. */
export function droppedName(branch: string, oid: Oid): string {
  return `${DROPPED}${stepOf(branch)}/${oid}`
}

function shortOf(name: string): string {
  return name.slice(HEADS.length)
}

/** A branch's name as one step of another. */
export function stepOf(branch: string): string {
  return branch.replaceAll('%', '%25').replaceAll('/', '%2F')
}

function branchOf(step: string): string {
  return step.replaceAll('%2F', '/').replaceAll('%25', '%')
}

/** The refs whose names begin with `prefix`, by what follows it. */
async function refsUnder(
  state: State,
  prefix: string,
  nameOf = (name: string): string => name,
): Promise<Map<string, Oid>> {
  const refs = new Map<string, Oid>()
  for await (const { name, oid } of state.refs(prefix))
    refs.set(nameOf(name.slice(prefix.length)), oid)
  return refs
}
