/**
 * Check step: a part of a check of a bucket that fits into one request, and where the next one begins.
 *
 * @module
 */
import type { Runtime } from '@datakit/git/runtime'
import type { StepLimits } from '../fsck/check-place.ts'
import type { CheckEvent, NextStep } from '../fsck/finding.ts'
import type { Bucket } from './bucket.ts'
import { R2Check, readRoot, type CheckR2Options } from './check.ts'
import { keepRecord, readRecord } from './step-record.ts'

/** How a step goes. */
export interface StepOptions extends CheckR2Options {
  /** What the step before gave; the first one begins without. */
  readonly cursor?: string | undefined
  /** How much it does; {@link STEP} when left out. */
  readonly limits?: StepLimits | undefined
}

/** What a Worker does in one request: some seconds of work. */
export const STEP: StepLimits = { bytes: 32_000_000, objects: 20_000 }

/**
 * Does the next part of a check of one repository. What it gives last is where the next step begins, or the counts when it was
 * the last one. It may be asked for again by the same cursor until the step after it was.
 *
 * @throws RefusedError `cursor` when what the cursor names is not there any more
 * @throws GitError when not even the root can be read
 */
export async function* checkR2Step(
  bucket: Bucket,
  name: string,
  runtime: Runtime,
  options: StepOptions = {},
): AsyncGenerator<CheckEvent | NextStep, void> {
  const { cursor, limits = STEP, clock = Date.now } = options
  const { store, root } = await readRoot(bucket, name)
  const shelf = { store, repository: root.repository }
  const record = cursor === undefined ? undefined : await readRecord(shelf, cursor, 'check')
  const check = new R2Check(bucket, name, { runtime, options }, record?.check)
  yield* untilLimited(check, limits)
  if (check.isDone) return
  const next = { task: 'check', check: check.save(), mended: -1, before: cursor } as const
  const id = await keepRecord(shelf, next, { now: clock(), last: record?.before })
  yield { kind: 'next', cursor: id }
}

/** Goes on from one part of a check to the next, until one of them has reached its limit or nothing is left. */
export async function* untilLimited(
  check: R2Check,
  limits: StepLimits,
): AsyncGenerator<CheckEvent, void> {
  for (let before = ''; !check.isDone && check.stage !== before;) {
    before = check.stage
    yield* check.step(limits)
  }
}
