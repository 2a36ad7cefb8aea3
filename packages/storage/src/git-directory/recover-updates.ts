/**
 * Recovering updates: what becomes of those whose owner died.
 *
 * Without a decision an update is undone. With one it is finished, if everything is still as its owner held it: the
 * entry, every lock that has not become its file yet, every pack. If not (somebody removed locks, as Git itself tells
 * people to, or a power cut came before the names of the locks were on the disk), others may have changed anything since,
 * and what was decided is worth nothing. Then
 *
 * - if the refs had moved, the update is done: the reflogs, `HEAD` and the receipt are seen to, and whatever others moved
 *   since stays where it is;
 * - if they had not, it is undone, without a receipt: whoever asks again gets it done or lost. Packs that were visible
 *   already stay, as nothing is ever pruned, and those of them that nobody verified are marked.
 *
 * @module
 */
import { MalformedError } from '@datakit/git/error'
import type { PackId } from '@datakit/git/place'

import { sameHead } from '../update.ts'
import { syncDirectory } from './durable.ts'
import { concludeUpdate, finishUpdate, letGo, syncRefs, type Decided } from './finish-update.ts'
import type { GitFiles } from './git-files.ts'
import { Journal } from './journal.ts'
import type { Plan } from './journal-format.ts'
import { encodeOwnState } from './own-state.ts'

/** How long a lock of a stranger's is waited for, in milliseconds. */
const LOCK_TIMEOUT = 2000

/**
 * Finishes or undoes every update whose owner died. Returns the ids of those that were finished. `entered` says that the
 * caller's own update is the one that is under way.
 */
export async function recoverUpdates(
  files: GitFiles,
  { entered = false }: { readonly entered?: boolean } = {},
): Promise<PackId[]> {
  const finished: string[] = []
  for (const name of await Journal.abandoned(files.directory)) {
    const journal = await Journal.claim(files.directory, name)
    if (journal === undefined) continue
    try {
      if (await recover(files, journal, entered)) finished.push(journal.plan?.id ?? '')
    } catch (error) {
      // What could not be finished is for the next one to try; this one learns why.
      await journal.abandon()
      throw error
    }
  }
  return finished
}

async function recover(files: GitFiles, journal: Journal, entered: boolean): Promise<boolean> {
  const { plan } = journal
  const decision = await journal.decision()
  if (decision === undefined) {
    await journal.end()
    return false
  }
  if (plan === undefined)
    throw new MalformedError('an update that was decided', 'its plan in datakit/journal is cut')
  // Its end was begun already.
  if (files.receipts.find(plan.id)?.outcome === 'done') {
    await letGo(files, journal, plan)
    return true
  }
  if (isIntact(files, journal, { plan, decision })) {
    await finishUpdate(files, journal, { plan, decision })
    return true
  }
  if (!entered && !journal.holdsEntry() && !(await journal.enter())) {
    // Another update is under way; the next one sees to this.
    await journal.abandon()
    return false
  }
  const isDone = hasMoved(files, journal, { plan, decision })
  if (isDone) await concludeMoved(files, journal, { plan, decision })
  else await undo(files, journal, plan)
  return isDone
}

/** Whether everything that the update held is held still, or was used up. */
function isIntact(files: GitFiles, journal: Journal, { plan, decision }: Decided): boolean {
  const targets = new Map(decision.publish.map(({ lock, path }) => [lock, path]))
  const isHeld = (number: number) => {
    const target = targets.get(number)
    return journal.holds(number) || (target !== undefined && journal.isPublished(number, target))
  }
  return (
    journal.holdsEntry() &&
    plan.locks.every((_, number) => isHeld(number)) &&
    plan.packs.every((id) => journal.has(`${id}.pack`) || files.packs.find(id) !== undefined)
  )
}

/** Whether the refs of an update have moved, or `HEAD` if it moves nothing else. */
function hasMoved(files: GitFiles, journal: Journal, { plan }: Decided): boolean {
  if (!journal.has('moving')) return false
  const moves = plan.refs.filter(({ from, to }) => from !== to)
  if (moves.length > 1) return !journal.has('packed-refs')
  const [move] = moves
  const { byName, head } = files.refs.read()
  if (move !== undefined) return byName.get(move.name)?.oid !== move.from
  return plan.head !== undefined && !sameHead(head, plan.head.from)
}

async function concludeMoved(
  files: GitFiles,
  journal: Journal,
  { plan, decision }: Decided,
): Promise<void> {
  const number = plan.locks.indexOf('HEAD')
  if (plan.head && !journal.isPublished(number, 'HEAD')) {
    await journal.retake(number, LOCK_TIMEOUT)
    if (sameHead(files.refs.read().head, plan.head.from)) await journal.publish(number, 'HEAD')
    await syncRefs(files.directory, ['HEAD'])
  }
  await concludeUpdate(files, journal, { plan, decision })
}

async function undo(files: GitFiles, journal: Journal, plan: Plan): Promise<void> {
  const own = files.ownState()
  const visible = plan.unverified.filter((id) => files.packs.find(id) !== undefined)
  const unverified = [...new Set([...own.unverified, ...visible])]
  if (unverified.length > own.unverified.length) {
    await journal.write('state', encodeOwnState({ ...own, unverified }))
    await journal.replace('state', 'datakit/state')
    await syncDirectory(`${files.directory}/datakit`)
  }
  await journal.retract()
  await letGo(files, journal, plan)
}
