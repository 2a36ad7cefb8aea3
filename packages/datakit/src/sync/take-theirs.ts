/**
 * Taking theirs: the way out where only a person can decide between two histories.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import { DataKitError } from '../error.ts'
import type { Repository } from '../repository.ts'
import { publish } from '../transaction/update.ts'

/** A branch of which the server has another history: what a sync calls `unrelated` or `rewritten`. */
export interface SplitBranch {
  readonly branch: string
  readonly ours: Oid
  readonly theirs: Oid
}

/** It cannot be kept like this; nothing was changed. */
export class TakeTheirsError extends DataKitError {
  override readonly name = 'TakeTheirsError'
  /** `exists`: the name is taken. `moved`: the branch moved meanwhile. */
  override readonly code: 'exists' | 'moved'

  constructor(code: 'exists' | 'moved', message: string) {
    super(message)
    this.code = code
  }
}

/**
 * Takes the server's history in place of one's own, in one update. One's own is kept as a branch of another name; where no
 * name is given, it is given up.
 *
 * @throws RangeError when Git does not take the name for a branch
 * @throws TakeTheirsError
 */
export async function takeTheirs(
  repository: Repository,
  { branch, ours, theirs }: SplitBranch,
  { keepMineAs: name }: { readonly keepMineAs: string | undefined },
): Promise<void> {
  const { store } = repository
  const { ref } = repository.branch(branch)
  const kept = name === undefined ? undefined : repository.branch(name).ref
  if (kept === ref)
    throw new TakeTheirsError('exists', `"${branch}" is the server’s: choose another`)
  const refs = [{ name: ref, from: ours, to: theirs }]
  const why = `sync: take the server's ${branch}`
  const outcome = await publish(store.place, {
    refs: kept === undefined ? refs : [{ name: kept, from: undefined, to: ours }, ...refs],
    log: { who: store.who(), why },
  })
  if (outcome.state === 'done') return
  if (kept !== undefined && outcome.refs.has(kept))
    throw new TakeTheirsError('exists', `A branch "${name}" is there already`)
  throw new TakeTheirsError('moved', `"${branch}" moved meanwhile: try again`)
}
