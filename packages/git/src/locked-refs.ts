/**
 * Locked refs: those that another program holds, or has left locked when it died.
 *
 * @module
 */
import { UnavailableError } from './error.ts'

/** An update of which nothing was made, since some of its refs are locked; the others can be updated without them. */
export class LockedRefsError extends UnavailableError {
  /** What is locked: refs, or `HEAD`, `shallow` or `packed-refs`. */
  readonly refs: readonly string[]

  constructor(refs: readonly string[]) {
    const [first = '', ...others] = refs
    const more = others.length === 0 ? '' : ` (and ${others.length} more locks)`
    super(
      `Cannot update the repository: "${first}.lock"${more} is held by another program; if none is running, it was left by one that died and may be removed`,
    )
    this.refs = refs
  }
}
