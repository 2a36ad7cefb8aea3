/**
 * Where a repository keeps what it knows of a server: in refs, so that it lives and dies with them.
 *
 * | on the server | here |
 * | --- | --- |
 * | `refs/heads/NAME` | `refs/remotes/origin/NAME` |
 * | `refs/REST` | `refs/datakit/origin/REST` |
 * | the id of the repository | `refs/datakit/repository/ID` |
 * | a merge that it has not taken yet | `refs/datakit/candidate/NAME` |
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { RefUpdate, State } from '@datakit/git/place'
import type { SyncResponse } from '@datakit/git/protocol/sync'

export const HEADS = 'refs/heads/'
export const CANDIDATES = 'refs/datakit/candidate/'
const TAGS = 'refs/tags/'
const TRACKED = 'refs/remotes/origin/'
const TRACKED_OTHERS = 'refs/datakit/origin/'
const REPOSITORY = 'refs/datakit/repository/'

/** Refs by full name. */
export type Refs = ReadonlyMap<string, Oid>

/** What a repository knows of its server, and its own branches. */
export interface Known {
  /** Id of the server's repository; `undefined` before the first answer. */
  readonly repository: string | undefined
  /** Own branches, by short name. */
  readonly own: Refs
  /** The server's branches, by short name. */
  readonly heads: Refs
  /** Everything that the server had in full, by the names of the refs here. */
  readonly tracked: Refs
  readonly candidates: Refs
}

/** Reads what is known. */
export async function readKnown(state: State): Promise<Known> {
  const tracked = await refsUnder(state, TRACKED)
  const ids = await refsUnder(state, REPOSITORY)
  return {
    repository: [...ids.keys()][0]?.slice(REPOSITORY.length),
    own: shorten(await refsUnder(state, HEADS), HEADS),
    heads: shorten(tracked, TRACKED),
    tracked: new Map([...tracked, ...(await refsUnder(state, TRACKED_OTHERS))]),
    candidates: shorten(await refsUnder(state, CANDIDATES), CANDIDATES),
  }
}

/** An answer that moves refs here. */
export interface Taking {
  readonly answer: SyncResponse
  /** The server's refs. */
  readonly refs: Refs
  /** Branches that were deleted there because we asked. */
  readonly removed: ReadonlySet<string>
}

/**
 * The moves that follow from an answer. Branches that are new to us get a local one; a branch that is gone there keeps
 * its last place here, as the only trace that it was there.
 */
export async function takeRefs(
  state: State,
  { answer, refs, removed }: Taking,
): Promise<RefUpdate[]> {
  const known = await readKnown(state)
  const moves: RefUpdate[] = []
  for (const [name, to] of refs) {
    const from = known.tracked.get(trackedName(name))
    if (from !== to) moves.push({ name: trackedName(name), from, to })
    // Only what was never seen before: a branch that was deleted here stays deleted.
    const isNew = from === undefined && (name.startsWith(HEADS) || name.startsWith(TAGS))
    if (isNew && (await state.ref(name)) === undefined) moves.push({ name, from: undefined, to })
  }
  for (const [name, from] of known.tracked) {
    const isBranch = name.startsWith(TRACKED)
    const remote = isBranch
      ? HEADS + name.slice(TRACKED.length)
      : `refs/${name.slice(TRACKED_OTHERS.length)}`
    if (refs.has(remote)) continue
    if (!isBranch || removed.has(name.slice(TRACKED.length)))
      moves.push({ name, from, to: undefined })
  }
  return [...moves, ...(await takeId(state, answer.repository, [...refs.values()][0]))]
}

/** Notes the id of the server's repository. A ref must point at something: whatever the server has. */
async function takeId(state: State, id: string, oid: Oid | undefined): Promise<RefUpdate[]> {
  const ids = await refsUnder(state, REPOSITORY)
  if (id === '' || oid === undefined || ids.has(REPOSITORY + id)) return []
  const others = [...ids].map(([name, from]) => ({ name, from, to: undefined }))
  return [...others, { name: REPOSITORY + id, from: undefined, to: oid }]
}

function trackedName(name: string): string {
  if (name.startsWith(HEADS)) return TRACKED + name.slice(HEADS.length)
  return TRACKED_OTHERS + name.slice('refs/'.length)
}

async function refsUnder(state: State, prefix: string): Promise<Map<string, Oid>> {
  const refs = new Map<string, Oid>()
  for await (const { name, oid } of state.refs(prefix)) refs.set(name, oid)
  return refs
}

function shorten(refs: Refs, prefix: string): Refs {
  return new Map([...refs].map(([name, oid]) => [name.slice(prefix.length), oid]))
}
