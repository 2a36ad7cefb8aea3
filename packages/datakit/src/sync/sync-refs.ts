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
import { later } from '../loading.ts'
import type { SyncOptions } from './sync.ts'

export const HEADS = 'refs/heads/'
const TRACKED = 'refs/remotes/origin/'
const TRACKED_OTHERS = 'refs/datakit/origin/'
export const REPOSITORY = 'refs/datakit/repository/'
export const CANDIDATES = 'refs/datakit/candidate/'
export const GONE = 'refs/datakit/gone/'
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
  const dropped = await refsUnder(state, DROPPED)
  const known: Known = {
    repository: [...(await refsUnder(state, REPOSITORY)).keys()][0],
    own: await refsUnder(state, HEADS),
    heads,
    gone: await refsUnder(state, GONE, branchOf),
    dropped: dropped.size > 0 ? (await later()).byBranch(dropped) : new Map(),
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
  /** Branches that a person has other wishes for, by short name, do not follow. */
  readonly options: Pick<SyncOptions, 'remove' | 'restore'>
}

/**
 * The moves that follow from an answer. Branches and tags that are new to us get a local one, see `take-news.ts`. `undefined` when
 * another sync has taken an answer meanwhile: nobody knows which of the two is the newer one.
 */
export async function takeRefs(state: State, taking: Taking): Promise<RefUpdate[] | undefined> {
  const { answer, refs, since } = taking
  const known = await readKnown(state)
  const { tracked } = known
  if (tracked.size !== since.size || [...since].some(([name, oid]) => tracked.get(name) !== oid))
    return undefined
  const moves: RefUpdate[] = []
  let isNews = known.gone.size > 0 || known.repository !== answer.repository
  for (const name of new Set([...refs.keys(), ...tracked.keys()])) {
    const [from, to] = [tracked.get(name), refs.get(name)]
    if (!from || !to) isNews = true
    else if (from !== to)
      moves.push({ name: trackedName(name), from, to }, ...noteBefore(known, taking, name, from))
  }
  return isNews ? (await later()).takeNews(moves, { state, known, taking }) : moves
}

/**
 * What follows for the local branch from a server's branch that was at `before`. Where both were the same, it goes along; else
 * the head that the server had is kept, unless what is here is there by now.
 */
export function noteBefore(
  { repository, own, dropped }: Known,
  { answer, refs, isRelated, options }: Taking,
  name: string,
  before: Oid,
): RefUpdate[] {
  const branch = shortOf(name)
  const [ours, to] = [name.startsWith(HEADS) ? own.get(branch) : undefined, refs.get(name)]
  // Another repository that a person goes on with has dropped nothing.
  const isOther = repository !== undefined && repository !== answer.repository
  if (ours === undefined || ours === to || isOther) return []
  const isWanted = options.remove?.includes(branch) || options.restore?.includes(branch)
  if (ours === before && isRelated && !isWanted) return [{ name, from: ours, to }]
  if (dropped.get(branch)?.includes(before) === true) return []
  return [{ name: droppedName(branch, before), from: undefined, to: before }]
}

/** Where it is kept what the server's ref of that name points at. */
export function trackedName(name: string): string {
  return name.startsWith(HEADS)
    ? TRACKED + shortOf(name)
    : TRACKED_OTHERS + name.slice('refs/'.length)
}

/** Where it is kept that the server's branch was at `oid`. */
export function droppedName(branch: string, oid: Oid): string {
  return `${DROPPED}${stepOf(branch)}/${oid}`
}

/** A branch's name without `refs/heads/`. */
export function shortOf(name: string): string {
  return name.slice(HEADS.length)
}

/** A branch's name as one step of another. */
export function stepOf(branch: string): string {
  return branch.replaceAll('%', '%25').replaceAll('/', '%2F')
}

/** The branch whose name is a step of another. */
export function branchOf(step: string): string {
  return step.replaceAll('%2F', '/').replaceAll('%25', '%')
}

/** The refs whose names begin with `prefix`, by what follows it. */
export async function refsUnder(
  state: State,
  prefix: string,
  nameOf = (name: string): string => name,
): Promise<Map<string, Oid>> {
  const refs = new Map<string, Oid>()
  for await (const { name, oid } of state.refs(prefix))
    refs.set(nameOf(name.slice(prefix.length)), oid)
  return refs
}
