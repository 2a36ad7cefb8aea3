/**
 * Finishing an update: from its point of no return to its end, by whoever made it or by whoever finds it
 * (`recover-updates.ts`).
 *
 * Every step does nothing when it was done before, and they come in an order in which a crash between any two of them
 * leaves a repository that Git takes for sound:
 *
 * 1. packs, each under a `.keep`;
 * 2. `shallow` and our own state;
 * 3. refs: `packed-refs` as a whole, then loose files that it replaces go; reflogs; then a single ref's lock becomes the ref:
 *    behind that, others may move it, and their lines must not come before ours. Git does it in this order, too;
 * 4. `HEAD`;
 * 5. reflogs that nobody has written yet, the receipt;
 * 6. the `.keep`s, the locks and the journal go.
 *
 * @module
 */
import type { Version } from '@datakit/git/place'

import { parentNames } from '../ref-conflicts.ts'
import { ifThere, pathOf, syncDirectory } from './durable.ts'
import type { GitFiles } from './git-files.ts'
import type { Journal } from './journal.ts'
import type { Decision, Plan } from './journal-format.ts'
import { placePack, releasePack } from './pack-placing.ts'
import { appendReflog } from './reflog.ts'

/** What was decided of which plan. */
export interface Decided {
  readonly plan: Plan
  readonly decision: Decision
}

/**
 * Does what a journal decided. The entry and every lock of the plan must be held by it. Returns the new version.
 *
 * @throws UnavailableError when a lock turns out to be gone before what it locks was changed
 */
export async function finishUpdate(
  files: GitFiles,
  journal: Journal,
  { plan, decision }: Decided,
): Promise<Version> {
  const { directory } = files
  if (plan.packs.length > 0) await journal.write('keep', whyKept(plan))
  for (const id of plan.packs) await placePack(files, journal, id)
  if (plan.packs.length > 0) await syncDirectory(`${directory}/objects/pack`)
  await moveRefs(directory, journal, decision)
  return await concludeUpdate(files, journal, { plan, decision })
}

/** What comes when the refs have moved: reflogs and the receipt, then everything is let go of. */
export async function concludeUpdate(
  files: GitFiles,
  journal: Journal,
  { plan, decision }: Decided,
): Promise<Version> {
  for (const entry of decision.reflogs) await appendReflog(files.directory, entry)
  const { version } = await files.read()
  const { id, digest, at } = plan
  await files.receipts.add({ id, digest, at, outcome: 'done', version })
  await letGo(files, journal, plan)
  return version
}

/** Lets go of packs and locks, and forgets the journal. */
export async function letGo(files: GitFiles, journal: Journal, plan: Plan): Promise<void> {
  for (const pack of plan.packs) await releasePack(files.directory, pack, whyKept(plan))
  await journal.end()
}

function whyKept(plan: Plan): string {
  return `datakit ${plan.id}\n`
}

async function moveRefs(directory: string, journal: Journal, decision: Decision): Promise<void> {
  await journal.mark('moving')
  for (const { file, path } of decision.replace) await journal.replace(file, path)
  if (decision.replace.length > 0) await syncDirectory(directory)
  for (const name of decision.unlink) await journal.remove(name)
  // The log of a ref that is gone goes first: it may be where another has to be.
  for (const ends of [true, false])
    for (const entry of decision.reflogs)
      if (entry.ends === ends) await appendReflog(directory, entry)
  for (const { lock, path } of decision.publish) await journal.publish(lock, path)
  const touched = [...decision.unlink, ...decision.publish.map(({ path }) => path)]
  await syncRefs(directory, touched)
}

/** Returns when the files of refs that were made or removed are so on the disk. */
export async function syncRefs(directory: string, names: readonly string[]): Promise<void> {
  // The directories of a ref may be as new as the ref; Git removes them when they are empty.
  const parents = new Set(names.flatMap((name) => (name.includes('/') ? parentNames(name) : [''])))
  for (const name of parents) await ifThere(syncDirectory(pathOf(directory, name)))
}
