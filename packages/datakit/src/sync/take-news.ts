/**
 * What an answer tells of a server for the first time: refs that were not there, refs that are gone, its repository's id.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { Head, RefUpdate, State } from '@datakit/git/place'
import type { SyncResponse } from '@datakit/git/protocol/sync'
import { refNamesCollide } from '@datakit/git/ref-clash'
import type { BranchOutcome } from './sync-outcome.ts'
import {
  GONE,
  HEADS,
  noteBefore,
  refsUnder,
  REPOSITORY,
  shortOf,
  stepOf,
  trackedName,
  type Known,
  type Refs,
  type Taking,
} from './sync-refs.ts'

const TAGS = 'refs/tags/'

/** What the moves follow from. */
interface News {
  readonly state: State
  /** What is known of the state. */
  readonly known: Known
  readonly taking: Taking
}

/** All moves that follow from an answer: beside `moves`, of the refs that were known before, those of what is new. */
export async function takeNews(
  moves: RefUpdate[],
  { state, known, taking }: News,
): Promise<RefUpdate[]> {
  const { refs, removed } = taking
  const tags = await refsUnder(state, TAGS, (rest) => TAGS + rest)
  const heads = Array.from(known.own.keys(), (branch) => HEADS + branch)
  const local = new Set([...heads, ...tags.keys()])
  const above = new Set([...local].flatMap(parentsOf))
  for (const [name, to] of refs) {
    if (name === `${HEADS}HEAD`) continue
    let before = known.tracked.get(name)
    if (before === undefined) {
      moves.push({ name: trackedName(name), from: undefined, to })
      before = name.startsWith(HEADS) ? known.gone.get(shortOf(name)) : undefined
      if (before && before !== to) moves.push(...noteBefore(known, taking, name, before))
    }
    // Only what was never seen before: a branch that was deleted here stays deleted.
    const isNew = before === undefined || known.repository === undefined
    if (isNew && taking.isRelated && canBeMade(name, local, above))
      moves.push({ name, from: undefined, to })
  }
  for (const [name, from] of known.tracked)
    if (!refs.has(name)) moves.push({ name: trackedName(name), from, to: undefined })
  return [...moves, ...moveGone(known, refs, removed), ...(await takeId(state, taking))]
}

/** Whether there can be a local ref of this name beside those that are here, and of which `above` has the directories. */
function canBeMade(name: string, local: ReadonlySet<string>, above: ReadonlySet<string>): boolean {
  if (!name.startsWith(HEADS) && !name.startsWith(TAGS)) return false
  return ![name, ...parentsOf(name)].some((other) => local.has(other)) && !above.has(name)
}

/** The names that a ref has as directories. */
function parentsOf(name: string): string[] {
  const steps = name.split('/')
  return steps.map((_, i) => steps.slice(0, i).join('/'))
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

/** What is told of a branch that the server has and that is not here. */
export function elsewhere(branch: string, oid: Oid, own: Refs): BranchOutcome {
  const clash = [...own.keys()].find((other) => refNamesCollide(other, branch))
  return { branch, state: 'elsewhere', oid, clash }
}

/** HEAD of the server, for a repository that has no branch of its own yet. */
export function firstHead(
  { head: from }: State,
  { head: to }: SyncResponse,
): { from: Head; to: Head } | undefined {
  const isOther = 'ref' in to && to.ref.startsWith(HEADS) && !('ref' in from && from.ref === to.ref)
  return isOther ? { from, to } : undefined
}
