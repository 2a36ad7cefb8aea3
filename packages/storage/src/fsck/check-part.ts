/**
 * Check part: some of a check of a place, for whoever has a moment now and then: a page's worker, a timer.
 *
 * What is found is data, and so is where the next part begins: it can be posted to another thread or kept until the page is open
 * again. In a page load this when it is wanted (`await import('@datakit/storage/fsck/check-part')`): nothing else needs it.
 *
 * @module
 */
import type { Place } from '@datakit/git/place'
import type { Runtime } from '@datakit/git/runtime'
import { PlaceCheck, type SavedPlaceCheck, type StepLimits } from './check-place.ts'
import type { Counts, Finding } from './finding.ts'

/** How much is checked, and from where on. */
export interface CheckPartOptions {
  /** Where the part before ended, as it gave it; a check begins when left out. */
  readonly after?: SavedPlaceCheck | undefined
  /** How much is done; {@link PART} when left out. */
  readonly limits?: StepLimits | undefined
  readonly signal?: AbortSignal | undefined
}

/** What a part of a check found. */
export interface CheckPart {
  /** What is wrong, of this part alone. */
  readonly findings: readonly Finding[]
  /** How much there is; known when the check is done. */
  readonly counts: Counts | undefined
  /** Where the next part begins; `undefined` when the check is done. */
  readonly next: SavedPlaceCheck | undefined
}

/** About a second of work in a browser. */
export const PART: StepLimits = { bytes: 4_000_000, objects: 5000 }

/**
 * Does the next part of a check of any place. Nothing is changed, and others may write meanwhile.
 *
 * @throws UnavailableError when the place cannot be read: the same part may be asked for again
 */
export async function checkPart(
  place: Place,
  runtime: Runtime,
  { after, limits = PART, signal }: CheckPartOptions = {},
): Promise<CheckPart> {
  const check = new PlaceCheck(place, runtime, { signal }, after)
  const findings: Finding[] = []
  let counts: Counts | undefined
  for (let before = ''; !check.isDone && check.stage !== before;) {
    before = check.stage
    for await (const event of check.step(limits)) {
      if (event.kind === 'finding') findings.push(event.finding)
      if (event.kind === 'counts') counts = event.counts
    }
  }
  return { findings, counts, next: check.isDone ? undefined : check.save() }
}
