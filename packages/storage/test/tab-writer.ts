/**
 * A writer that competes with others for one branch, in a page or in a worker. Each commit has a number and an object.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { Place } from '@datakit/git/place'
import { blob, move, request, settle, stage } from './samples.ts'

/** The branch that everybody writes to. */
export const CONTESTED = 'refs/heads/contested'

/** What a worker is told: to open a database, to commit once on top of `from`, or until every number is in. */
export type WriterOrder =
  | { readonly open: string }
  | { readonly from: Oid | undefined; readonly number: number }
  | { readonly numbers: readonly number[] }

/** The object of a commit. */
export function objectOf(number: number) {
  return blob(`value ${number}`)
}

/** Commits on top of `from`, once. Tells the state of the outcome. */
export async function commitFrom(
  place: Place,
  from: Oid | undefined,
  number: number,
): Promise<string> {
  const object = objectOf(number)
  const addPacks = [await stage(place, [object])]
  return (await settle(place, request([move(CONTESTED, from, object.oid)], { addPacks }))).state
}

/** Makes a commit for each number, again and again on top of what is there until it is not lost. */
export async function commitUntilDone(place: Place, numbers: readonly number[]): Promise<string> {
  for (const number of numbers) {
    let state = ''
    while (state !== 'done')
      state = await commitFrom(place, await (await place.read()).ref(CONTESTED), number)
  }
  return 'done'
}
