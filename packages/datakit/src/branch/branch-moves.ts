/**
 * Moving branches: creation, fast-forward, merge, rename, and moves by force. Each is one update, or none.
 *
 * @module
 */
import { MissingError } from '@datakit/git/error'
import type { Oid } from '@datakit/git/oid'
import type { UpdateRequest } from '@datakit/git/place'
import type { Branch, FastForwardOutcome } from './branch.ts'
import { ArgumentError } from '../argument.ts'
import { BranchError } from '../error.ts'
import { History } from '../history/history.ts'
import type { CommitOptions, CommitOutcome } from '../transaction/land.ts'
import { readCommit } from '../files/object-source.ts'
import type { Store } from '../store.ts'
import { publish } from '../transaction/update.ts'

/** See {@link Branch.merge}. */
export async function mergeBranch(
  branch: Branch,
  theirs: Oid,
  options: Partial<CommitOptions>,
): Promise<CommitOutcome> {
  const forward = await fastForward(branch, theirs)
  if (forward.state === 'unchanged') return forward
  if (forward.state === 'done') return { state: 'committed', oid: theirs, how: 'fast-forward' }
  const history = new History(branch.store)
  if (await history.isAncestor(theirs, forward.head))
    return { state: 'unchanged', oid: forward.head }
  if (options.fastForwardOnly === true) return forward
  const transaction = await branch.transaction()
  const { conflicts, base } = await transaction.merge(theirs)
  if (conflicts.length > 0)
    return { state: 'conflict', conflicts, ours: forward.head, theirs, base }
  return transaction.commit({ message: `Merge ${theirs} into ${branch.name}`, ...options })
}

/** See {@link Branch.fastForward}. */
export async function fastForward(branch: Branch, oid: Oid): Promise<FastForwardOutcome> {
  const { store } = branch
  for (;;) {
    const head = await branch.oid()
    if (head === oid) return { state: 'unchanged', oid }
    if (head !== undefined && !(await new History(store).isAncestor(head, oid)))
      return { state: 'not-fast-forward', head }
    if (await move(branch, [head, oid], 'fast-forward')) return { state: 'done', oid }
  }
}

/** See {@link Branch.fork}. */
export async function forkBranch(branch: Branch, fork: Branch): Promise<void> {
  const head = await branch.oid()
  if (head === undefined) throw gone(branch)
  const why = `branch: Created from ${branch.ref}`
  if (!(await move(fork, [undefined, head], why))) throw exists(fork)
}

/** See {@link Branch.compareAndSet}. */
export async function compareAndSet(
  branch: Branch,
  from: Oid | undefined,
  to: Oid | undefined,
): Promise<boolean> {
  if (from === undefined && to === undefined)
    throw new ArgumentError('to', to, 'the commit to make the branch at')
  const why =
    from === undefined ? 'branch: Created' : to === undefined ? 'branch: deleted' : undefined
  return move(branch, [from, to], why ?? `reset: moving to ${to}`)
}

/** See {@link Branch.reset}. */
export async function resetBranch(branch: Branch, to: Oid): Promise<Oid | undefined> {
  // Nowhere is no commit: it would take the branch away.
  await readCommit(branch.store, to)
  for (;;) {
    const from = await branch.oid()
    if (from === to || (await compareAndSet(branch, from, to))) return from
  }
}

/** The words that {@link renameBranch} leaves in the logs: Git's. */
export const RENAMED = /^Branch: renamed (refs\/\S+) to (refs\/\S+)$/

/** See {@link Branch.rename}. A branch that HEAD points to can be renamed before it has a commit. */
export async function renameBranch(
  branch: Branch,
  renamed: Branch,
  replace = false,
): Promise<void> {
  const { store, ref } = branch
  if (ref === renamed.ref) return
  const log = { who: store.who(), why: `Branch: renamed ${ref} to ${renamed.ref}` }
  for (;;) {
    const state = await store.state()
    const [oid, there] = await Promise.all([state.ref(ref), state.ref(renamed.ref)])
    const isHead = 'ref' in state.head && state.head.ref === ref
    if (oid === undefined && !isHead) throw gone(branch)
    if (there !== undefined && !replace) throw exists(renamed)
    const moves = [
      { name: ref, from: oid, to: undefined },
      { name: renamed.ref, from: there, to: oid, renamedFrom: ref },
    ]
    const request: Omit<UpdateRequest, 'id'> = {
      refs: oid === undefined ? [] : moves,
      head: isHead ? { from: state.head, to: { ref: renamed.ref } } : undefined,
      log,
    }
    if ((await publish(store.place, request)).state === 'done') return
  }
}

/** Points HEAD at a branch, whether it exists or not. */
export async function moveHead(store: Store, { ref, name }: Branch): Promise<void> {
  for (;;) {
    const { head: from } = await store.state()
    if ('ref' in from && from.ref === ref) return
    const log = { who: store.who(), why: `head: moving to ${name}` }
    const request = { refs: [], head: { from, to: { ref } }, log }
    if ((await publish(store.place, request)).state === 'done') return
  }
}

/**
 * Moves the branch, to a commit that is here when it is done: garbage may be collected meanwhile. False when the branch is
 * elsewhere.
 *
 * @throws MissingError when there is no such commit
 */
async function move(
  { store, ref }: Branch,
  [from, to]: readonly [Oid | undefined, Oid | undefined],
  why: string,
): Promise<boolean> {
  const request = { refs: [{ name: ref, from, to }], log: { who: store.who(), why } }
  for (;;) {
    const { packs } = await store.state()
    if (to !== undefined) await checkHere(store, to)
    const reliesOn = to === undefined ? [] : packs.map(({ id }) => id)
    const outcome = await publish(store.place, { ...request, reliesOn })
    if (outcome.state === 'done') return true
    // Where packs alone are others by now, it may be in one of those.
    if (outcome.refs.size > 0) return false
  }
}

async function checkHere(store: Store, oid: Oid): Promise<void> {
  await readCommit(store, oid)
  // What was read may have been kept from before.
  if (!(await store.objects.has(oid))) throw new MissingError('a commit', oid)
}

function gone({ name }: Branch): BranchError {
  return new BranchError('gone', name, 'it has no commit; commit to it, or create it first')
}

function exists({ name }: Branch): BranchError {
  return new BranchError(
    'exists',
    name,
    'it is there already; take another name, or delete it first',
  )
}
