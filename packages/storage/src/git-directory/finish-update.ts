/**
 * Finishing an update: from its point of no return to its end, by whoever made it or by whoever finds it.
 *
 * Every step does nothing when it was done before, and they come in an order in which a crash between any two of them
 * leaves a repository that Git takes for sound:
 *
 * 1. packs, each under a `.keep`;
 * 2. `shallow` and our own state;
 * 3. refs: `packed-refs` as a whole, then loose files that it replaces go, then a single ref's lock becomes the ref;
 * 4. `HEAD`;
 * 5. reflogs, the receipt;
 * 6. the `.keep`s, the locks and the journal go.
 *
 * @module
 */
import type { PackId, Version } from '@datakit/git/place'

import { parentOf, pathOf, removeIfThere, syncDirectory } from './durable.ts'
import type { GitFiles } from './git-files.ts'
import { Journal, type Decision, type Plan } from './journal.ts'
import { placePack, releasePack } from './pack-placing.ts'
import { appendReflog } from './reflog.ts'

/** Does what a journal decided. The entry and every lock of the plan must be held by it. Returns the new version. */
export async function finishUpdate(
  files: GitFiles,
  journal: Journal,
  { plan, decision }: { readonly plan: Plan; readonly decision: Decision },
): Promise<Version> {
  const { directory } = files
  const why = `datakit ${plan.id}\n`
  if (plan.packs.length > 0) await journal.write('keep', why)
  for (const id of plan.packs) await placePack(files, journal, id)
  if (plan.packs.length > 0) await syncDirectory(`${directory}/objects/pack`)
  await moveRefs(directory, journal, decision)
  for (const entry of decision.reflogs) await appendReflog(directory, entry)
  const { version } = await files.read()
  const { id, digest, at } = plan
  await files.receipts.add({ id, digest, at, outcome: 'done', version })
  for (const pack of plan.packs) await releasePack(directory, pack, why)
  await journal.end()
  return version
}

async function moveRefs(directory: string, journal: Journal, decision: Decision): Promise<void> {
  for (const { file, path } of decision.replace) await journal.replace(file, path)
  if (decision.replace.length > 0) await syncDirectory(directory)
  for (const name of decision.unlink) await removeIfThere(pathOf(directory, name))
  for (const { lock, path } of decision.publish) await journal.publish(lock, path)
  const touched = [...decision.unlink, ...decision.publish.map(({ path }) => path)]
  const parents = new Map(touched.map((name) => [name.slice(0, name.lastIndexOf('/')), name]))
  for (const name of parents.values()) await syncDirectory(parentOf(pathOf(directory, name)))
}

/** Finishes or undoes every update whose owner died. Returns the ids of those that were finished. */
export async function recoverUpdates(files: GitFiles): Promise<PackId[]> {
  const finished: string[] = []
  for (const name of await Journal.abandoned(files.directory)) {
    const journal = await Journal.claim(files.directory, name)
    if (journal === undefined) continue
    try {
      if (await recover(files, journal)) finished.push(journal.plan?.id ?? '')
    } catch (error) {
      // What could not be finished is for the next one to try; this one learns why.
      await journal.abandon()
      throw error
    }
  }
  return finished
}

async function recover(files: GitFiles, journal: Journal): Promise<boolean> {
  const { plan } = journal
  const decision = await journal.decision()
  // Without the entry it took no locks, or has let go of everything.
  const isUnderWay = plan !== undefined && decision !== undefined && (await journal.holdsEntry())
  if (isUnderWay) await finishUpdate(files, journal, { plan, decision })
  else await journal.end()
  return isUnderWay
}
