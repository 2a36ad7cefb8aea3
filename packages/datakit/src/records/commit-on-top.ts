/**
 * Commits on top: a change that is made again, and not merged, when the branch has moved.
 *
 * @module
 */
import { UnavailableError } from '@datakit/git/error'
import type { Oid } from '@datakit/git/oid'
import type { Branch } from '../branch/branch.ts'
import type { Transaction } from '../transaction/transaction.ts'

/** How often a branch may move under us before we give up. */
const MAX_ROUNDS = 64

/**
 * Makes a change to where the branch is and commits it on top of that, again from where it is then if it moves meanwhile: no
 * merge, so what is written holds. Gives the commit, `undefined` when nothing differed.
 *
 * @throws UnavailableError when it moves all the time
 */
export async function commitOnTop(
  branch: Branch,
  message: string,
  change: (files: Transaction) => Promise<void>,
): Promise<Oid | undefined> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const files = await branch.transaction()
    try {
      await change(files)
      if (!(await files.isDirty())) return undefined
      const outcome = await files.commit({ message, fastForwardOnly: true })
      if (outcome.state === 'committed') return outcome.oid
    } finally {
      files.abort()
    }
  }
  throw new UnavailableError(
    `Cannot write to "${branch.name}": it moved ${MAX_ROUNDS} times meanwhile; try again when fewer write to it`,
  )
}
