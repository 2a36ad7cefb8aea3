/**
 * Coordinator: one for a repository, through which isolates make their updates, so that those that come together become
 * one root (`group.ts`). It is never the truth: the bucket is, and who does not reach it makes the update alone.
 *
 * In a Worker it lives in a Durable Object. Only values travel there and back, so errors are outcomes on the way.
 *
 * @module
 */
import { RefusedError, UnavailableError } from '@datakit/git/error'
import type { UpdateOutcome, UpdateRequest } from '@datakit/git/place'
import type { Bucket } from './bucket.ts'
import type { Decide } from './group.ts'
import { Repositories, type RepositoriesOptions } from './repositories.ts'
import { updateRoot } from './update-root.ts'

/** An update on its way to a coordinator. */
export interface CoordinatedUpdate {
  /** Name of the repository. */
  readonly name: string
  /** Random id of the repository, should this be its first update. */
  readonly candidate: string
  readonly request: UpdateRequest
}

/** How it ended, as a value. */
export type CoordinatedOutcome =
  | UpdateOutcome
  | { readonly state: 'refused'; readonly code: string; readonly message: string }
  | { readonly state: 'unavailable'; readonly message: string }

/** Makes updates for others. */
export interface Coordinator {
  update(update: CoordinatedUpdate): Promise<CoordinatedOutcome>
}

/**
 * The end that makes the updates. Keep one for the life of a Durable Object, and no two at a time for a repository: they
 * would not harm each other, and gain nothing.
 */
export function r2Coordinator(bucket: Bucket, options: RepositoriesOptions = {}): Coordinator {
  return coordinatorOf(new Repositories(bucket, options))
}

/** The same, over repositories that others use, too. */
export function coordinatorOf(repositories: Repositories): Coordinator {
  return {
    async update({ name, candidate, request }) {
      try {
        const { repository, units, group } = repositories.open(name)
        const updating = { repository, units, swap: (decide: Decide) => group.swap(decide) }
        const outcome = await updateRoot(updating, request, candidate)
        return outcome.state === 'unknown' ? { ...outcome, cause: String(outcome.cause) } : outcome
      } catch (error) {
        if (error instanceof RefusedError)
          return { state: 'refused', code: error.code, message: error.message }
        if (error instanceof UnavailableError)
          return { state: 'unavailable', message: error.message }
        throw error
      }
    },
  }
}

/**
 * The end that asks; `undefined` when the coordinator does not answer: nobody knows then whether it has made the update.
 *
 * @throws RefusedError, UnavailableError as {@link Place.update}
 */
export async function askCoordinator(
  coordinator: Coordinator,
  update: CoordinatedUpdate,
): Promise<UpdateOutcome | undefined> {
  const outcome = await coordinator.update(update).catch(() => undefined)
  if (outcome?.state === 'refused') throw new RefusedError(outcome.code, outcome.message)
  if (outcome?.state === 'unavailable') throw new UnavailableError(outcome.message)
  return outcome
}
