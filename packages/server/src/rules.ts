/**
 * Rules: what the server's limits and a repository's policy mean to the transport.
 *
 * @module
 */
import type { ReceiveLimits } from '@datakit/git/transport/stage'
import type { Limits } from './limits.ts'
import type { Policy } from './policy.ts'

/** The limits of receiving, as the transport takes them: the server's, or the repository's where they are lower. */
export function receiveLimits(limits: Limits, { push }: Policy): ReceiveLimits {
  const bytes = Math.min(limits.packBytes, push.bytes ?? Infinity)
  return { bytes, object: limits.objectBytes, objects: limits.objects }
}
