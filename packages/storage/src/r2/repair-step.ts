/**
 * Repair step: a part of a repair of a bucket that fits into one request, and where the next one begins.
 *
 * @module
 */
import type { GitObject } from '@datakit/git/object'
import type { Oid } from '@datakit/git/oid'
import type { Runtime } from '@datakit/git/runtime'
import { progressOf, type CheckEvent, type NextStep } from '../fsck/finding.ts'
import type { Bucket } from './bucket.ts'
import { STEP, untilLimited, type StepOptions } from './check-step.ts'
import { R2Check, readRoot } from './check.ts'
import { R2Repair, type RepairR2Options } from './repair.ts'
import { keepRecord, readRecord } from './step-record.ts'

/** How a step of a repair goes. */
export interface RepairStepOptions extends StepOptions, RepairR2Options {
  /** Objects to take what is lost from, for the first step. */
  readonly copies?: ReadonlyMap<Oid, GitObject> | undefined
}

/**
 * Does the next part of a repair of one repository: the list of packs and what is lost first, then a check, a part at a time, then
 * what it found, a pack at a time. What it gives last is where the next step begins, if there is one. The caller checks again in the
 * end to see what is left.
 *
 * @throws RefusedError `cursor` when what the cursor names is not there any more
 * @throws GitError when the root itself cannot be read
 */
export async function* repairR2Step(
  bucket: Bucket,
  name: string,
  runtime: Runtime,
  options: RepairStepOptions = {},
): AsyncGenerator<CheckEvent | NextStep, void> {
  const { cursor, limits = STEP, clock = Date.now } = options
  const how = { runtime, options }
  const repair = new R2Repair(bucket, name, how)
  if (cursor === undefined) yield* repair.begin(options.copies)
  const { store, root } = await readRoot(bucket, name)
  if (root.repository === '') return
  const shelf = { store, repository: root.repository }
  const record = cursor === undefined ? undefined : await readRecord(shelf, cursor, 'repair')
  const check = new R2Check(bucket, name, how, record?.check)
  let mended: number | undefined = record?.mended ?? -1
  if (!check.isDone) yield* progressOf(untilLimited(check, limits))
  else mended = yield* repair.mend(await check.health(), mended)
  if (mended === undefined) return
  if (mended < 0 && check.isDone) mended = 0
  const next = { task: 'repair', check: check.save(), mended, before: cursor } as const
  const id = await keepRecord(shelf, next, { now: clock(), last: record?.before })
  yield { kind: 'next', cursor: id }
}
