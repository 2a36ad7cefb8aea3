/**
 * Pull: a fetch, and then a local branch goes where the remote's is: by a merge, only forward, or whatever it had.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import { INFINITE_DEPTH } from '@datakit/git/protocol/deepen'
import type { NamedRemote } from '@datakit/git/remote-list'
import { CutHistoryError, refuseCut } from './cut-history.ts'
import { fetchRemote, type FetchOptions, type FetchOutcome } from './fetch.ts'
import type { CommitOptions, ConflictOutcome } from '../transaction/land.ts'
import { checkPull } from './remote-rules.ts'
import type { Repository } from '../repository.ts'
import { publish } from '../transaction/update.ts'

/** What a pull does, besides what a fetch does. */
export interface PullOptions extends FetchOptions {
  /** The local branch, by its short name; it is made if it is not there. */
  readonly branch: string
  /** The remote's branch; of the same name when left out. */
  readonly from?: string | undefined
  /**
   * `merge`: forward, or by a merge commit whose first parent is the local branch; `fast-forward`: forward or not at all;
   * `set`: there, whatever the branch has.
   */
  readonly how: 'merge' | 'fast-forward' | 'set'
  /**
   * Whether more of a history that is cut off here is fetched when the branches cannot be compared without; it is when left
   * out.
   */
  readonly deepens?: boolean | undefined
  /** Whether histories may be merged that have nothing in common. They may not when left out. */
  readonly acceptUnrelated?: boolean | undefined
  /** What a merge commit says; where it comes from when left out. */
  readonly commit?: Partial<CommitOptions> | undefined
}

/** What became of the local branch. */
export type PullResult =
  /** It has all that the remote's has. */
  | { readonly state: 'unchanged'; readonly oid: Oid }
  | { readonly state: 'created' | 'fast-forward' | 'merged'; readonly oid: Oid }
  /** It was set, and had commits that the remote's has not: `before` leads to them. */
  | { readonly state: 'set'; readonly oid: Oid; readonly before: Oid }
  | { readonly state: 'not-fast-forward' | 'unrelated'; readonly ours: Oid; readonly theirs: Oid }
  /** Both changed the same. The branch is where it was; `repository.resolve` ends it. */
  | ConflictOutcome
  /** The remote has no such branch, or it was not fetched: the outcome of the fetch says why. */
  | { readonly state: 'not-found' }

/** What became of a pull. */
export interface PullOutcome {
  readonly fetch: FetchOutcome
  readonly branch: PullResult
}

const HEADS = 'refs/heads/'

/**
 * Pulls once.
 *
 * @throws as `fetchRemote`; RangeError when the branch cannot have that name; CutHistoryError when the branches cannot be
 *   compared with what is here, and more is not to be fetched
 */
export async function pullRemote(
  repository: Repository,
  remote: NamedRemote,
  options: PullOptions,
): Promise<PullOutcome> {
  checkPull(remote, options)
  const source = `${HEADS}${options.from ?? options.branch}`
  // Before anything is done: whether there can be such a branch.
  repository.branch(options.branch)
  const fetch = await fetchRemote(repository, remote, options)
  const fetched = fetch.refs.find((ref) => ref.remote === source)
  const isHere = fetched?.state !== 'refused' && fetched?.state !== 'lost'
  const theirs = isHere ? fetched?.to : undefined
  if (theirs === undefined) return { fetch, branch: { state: 'not-found' } }
  const branch =
    options.how === 'set'
      ? await setBranch(repository, options, theirs)
      : await deepening(repository, remote, { ...options, theirs })
  return { fetch, branch }
}

interface MoveOptions extends PullOptions {
  readonly theirs: Oid
}

/** How many commits more are fetched, each time that they were too few; everything in the end. */
const DEEPER = [50, 1000, INFINITE_DEPTH]

/** Moves the branch, with more of the history where that is cut off too near. */
async function deepening(
  repository: Repository,
  remote: NamedRemote,
  options: MoveOptions,
): Promise<PullResult> {
  const steps = options.deepens === false ? [] : DEEPER
  for (const depth of steps) {
    try {
      return await moveBranch(repository, remote, options)
    } catch (error) {
      if (!(error instanceof CutHistoryError)) throw error
    }
    const deepen = { kind: 'depth', depth, relative: depth !== INFINITE_DEPTH } as const
    await fetchRemote(repository, remote, { ...options, deepen, prune: false })
  }
  return moveBranch(repository, remote, options)
}

async function moveBranch(
  repository: Repository,
  remote: NamedRemote,
  options: MoveOptions,
): Promise<PullResult> {
  const { theirs, how, acceptUnrelated = false } = options
  const branch = repository.branch(options.branch)
  const ours = await branch.oid()
  if (ours !== undefined && (await repository.isAncestor(theirs, ours)))
    return { state: 'unchanged', oid: ours }
  const forward = await branch.fastForward(theirs)
  if (forward.state === 'done')
    return { state: ours === undefined ? 'created' : 'fast-forward', oid: theirs }
  if (forward.state === 'unchanged') return forward
  const split = { ours: forward.head, theirs }
  await refuseCut(repository.store, split.ours, theirs)
  if (how === 'fast-forward') return { state: 'not-fast-forward', ...split }
  const bases = acceptUnrelated ? undefined : await repository.mergeBases(split.ours, theirs)
  if (bases?.length === 0) return { state: 'unrelated', ...split }
  const from = options.from ?? options.branch
  const message = `Merge branch '${from}' of ${remote.name}`
  const outcome = await branch.merge(theirs, { message, ...options.commit })
  if (outcome.state === 'not-fast-forward')
    return { state: 'not-fast-forward', ours: outcome.head, theirs }
  if (outcome.state !== 'committed') return outcome
  return {
    state: outcome.how === 'merge' || outcome.oid !== theirs ? 'merged' : 'fast-forward',
    oid: outcome.oid,
  }
}

async function setBranch(
  repository: Repository,
  options: PullOptions,
  theirs: Oid,
): Promise<PullResult> {
  const { store } = repository
  const { ref } = repository.branch(options.branch)
  for (;;) {
    const before = await (await store.state()).ref(ref)
    if (before === theirs) return { state: 'unchanged', oid: theirs }
    const isForward = before !== undefined && (await repository.isAncestor(before, theirs))
    const refs = [{ name: ref, from: before, to: theirs }]
    const log = { who: store.who(), why: 'pull: set' }
    if ((await publish(store.place, { refs, log }, options)).state === 'lost') continue
    if (before === undefined) return { state: 'created', oid: theirs }
    return isForward
      ? { state: 'fast-forward', oid: theirs }
      : { state: 'set', oid: theirs, before }
  }
}
