/**
 * Delegate: somebody beside the place who makes some updates of a push himself, and says what he made of them.
 *
 * Refs that are his need not be where the client saw them, and no rule of the policy is asked about them: he moves what he
 * wants to. Their objects are checked like all others, and kept before he is asked. An update that he gives back is
 * judged and made like any other.
 *
 * @module
 */
import type { RefUpdate } from '../place.ts'
import type { HookOutcome } from '../protocol/proc-receive.ts'
import type { PushFacts, ReceivePolicy } from './ref-rules.ts'

/** Who makes some of the updates of a push. */
export interface Delegate {
  /** Whether this update is his to make. */
  takes(update: RefUpdate): boolean
  /** Makes updates, whose objects everybody can see. `pushed`: names of all refs of the push. */
  make(
    updates: readonly RefUpdate[],
    pushed: ReadonlySet<string>,
    facts: PushFacts,
  ): Promise<DelegateAnswer>
}

/** What became of the updates that a delegate was asked to make. */
export interface DelegateAnswer {
  readonly outcomes: ReadonlyMap<string, HookOutcome>
  /** Why those without an outcome were not made, and in an atomic push all others that were not made yet. */
  readonly problem: string | undefined
}

/** The policy for a way in that has no delegate: what would be his is refused. */
export function withoutDelegate(policy: ReceivePolicy, reason: string): ReceivePolicy {
  const { delegate, refuse } = policy
  if (delegate === undefined) return policy
  return {
    ...policy,
    delegate: undefined,
    refuse: (update) => (delegate.takes(update) ? reason : refuse?.(update)),
  }
}
