/**
 * An update of a place in R2: decided about, and swapped in as the next root.
 *
 * @module
 */
import type { PackId, UpdateOutcome, UpdateRequest } from '@datakit/git/place'
import { checkRequest } from '../check-request.ts'
import { digestUpdate } from '../update.ts'
import { decide } from './change.ts'
import type { Decide } from './group.ts'
import type { Repository } from './repository.ts'
import type { Units } from './units.ts'

/** What an update is made with. */
export interface Updating {
  readonly repository: Repository
  readonly units: Units
  /** Changes the root: alone, or together with others. */
  readonly swap: (decide: Decide) => Promise<UpdateOutcome>
}

/**
 * Makes the update, or says why not. `candidate` is the random id of the repository, should this be its first update.
 *
 * @throws RefusedError, UnavailableError as {@link Place.update}
 */
export async function updateRoot(
  { repository, units, swap }: Updating,
  request: UpdateRequest,
  candidate: string,
): Promise<UpdateOutcome> {
  checkRequest(request)
  const wish = {
    request,
    digest: digestUpdate(request),
    at: repository.settings.clock(),
    candidate,
    findStaged: (id: PackId) => units.findStaged(id),
  }
  // Of its own first try nobody knows the outcome but this update, which looks for it when it tries again.
  let isFirst = request.isFirst === true
  const outcome = await swap((root) => {
    const decision = decide(repository.store, root, { ...wish, isFirst })
    isFirst = false
    return decision
  })
  if (outcome.state === 'done' || outcome.state === 'unknown') units.named(addedBy(request))
  return outcome
}

/** The packs that a request adds. */
export function addedBy({ addPacks = [] }: UpdateRequest): readonly PackId[] {
  return addPacks.map(({ id }) => id)
}
