/**
 * Same repository: a request that is meant for one repository is not made in another that came up under its name.
 *
 * @module
 */
import { RefusedError } from '../error.ts'
import type { State } from '../place.ts'

/**
 * Makes sure that the state is of the repository that somebody means; whichever is there is meant when left out.
 *
 * @throws RefusedError `repository-changed`
 */
export function checkRepository(meant: string | undefined, { repository }: State): void {
  if (meant === undefined || meant === repository) return
  throw new RefusedError(
    'repository-changed',
    'Another repository came up under this name meanwhile. Nothing was changed; decide whether to keep yours under another name',
  )
}
