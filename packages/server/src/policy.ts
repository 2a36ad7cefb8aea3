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
    /** Whether `git push --atomic` is offered. */
    readonly takesAtomic: boolean
    /** Whether `git push --signed` is taken, and the nonce by which it is offered; one without a nonce comes unasked. */
    readonly certificates: { readonly nonce: string | undefined } | undefined
    /** Milliseconds without a word after which a client that waits is sent an empty packet; 0 for never. */
    readonly keepAlive: number
  }
}

/** The policy of a repository, asked anew for every request. */
export type PolicyOf = (place: Place) => Policy

/** Everything is allowed that the transport allows. */
export const OPEN_POLICY: Policy = {
  fetch: { ...OPEN_FETCH, refusal: undefined },
  push: {
    refusal: undefined,
    receive: {},
    bytes: undefined,
    takesOptions: true,
    takesAtomic: true,
    certificates: undefined,
    keepAlive: 5000,
  },
}

/** The policy, with refs that are protected whatever it says itself. */
export function withProtected(policy: Policy, protects: ReceivePolicy['protects']): Policy {
  if (protects === undefined) return policy
  const own = policy.push.receive.protects
  const both = (name: string): boolean => protects(name) || own?.(name) === true
  const receive = { ...policy.push.receive, protects: both }
  return { ...policy, push: { ...policy.push, receive } }
}

/** Refuses a request that the policy has a reason against. @throws ProblemError `forbidden` */
export function checkRefusal(name: string, refusal: string | undefined): void {
  if (refusal !== undefined) throw new ProblemError('forbidden', `Repository "${name}": ${refusal}`)
}
