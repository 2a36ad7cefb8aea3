/**
 * Policy: what a repository's operator allows, as every door asks it before it opens.
 *
 * Who is asking was settled before, see `access.ts`; here is what this repository does for those who may come in.
 *
 * @module
 */
import type { Place } from '@datakit/git/place'
import { OPEN_FETCH, type FetchPolicy } from '@datakit/git/transport/fetch-policy'
import type { ReceivePolicy } from '@datakit/git/transport/ref-rules'
import { ProblemError } from './problem.ts'

/** What one repository allows. */
export interface Policy {
  readonly fetch: FetchPolicy & {
    /** Why nothing can be fetched at all, in words for a person; `undefined` when it can. */
    readonly refusal: string | undefined
  }
  readonly push: {
    /** Why nothing can be pushed at all; `undefined` when it can. */
    readonly refusal: string | undefined
    /** Rules for refs, and who is asked and told. What is not `readable` here is not proof of anything either. */
    readonly receive: ReceivePolicy
    /** Most bytes of a pack, where the operator wants less than the server would take. */
    readonly bytes: number | undefined
    /** Whether `git push --push-option` is offered. */
    readonly takesOptions: boolean
  }
}

/** The policy of a repository, asked anew for every request. */
export type PolicyOf = (place: Place) => Policy

/** Everything is allowed that the transport allows. */
export const OPEN_POLICY: Policy = {
  fetch: { ...OPEN_FETCH, refusal: undefined },
  push: { refusal: undefined, receive: {}, bytes: undefined, takesOptions: false },
}

/** Refuses a request that the policy has a reason against. @throws ProblemError `forbidden` */
export function checkRefusal(name: string, refusal: string | undefined): void {
  if (refusal !== undefined) throw new ProblemError('forbidden', `Repository "${name}": ${refusal}`)
}
