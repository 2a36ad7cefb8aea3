/**
 * Limits for packs that the owner of a repository asked for himself: from his own file, from a remote that he named.
 *
 * @module
 */
import type { ReceiveLimits } from '@datakit/git/transport/stage'

/** What Git itself can index is taken. */
export const OWN_LIMITS: ReceiveLimits = {
  bytes: 2 ** 32 - 1,
  objects: 20_000_000,
  object: 512_000_000,
  inflated: 256e9,
}
