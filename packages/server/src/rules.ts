/**
 * Rules: what the server's limits mean to the transport.
 *
 * @module
 */
import type { ReceiveLimits } from '@datakit/git/transport/stage'
import type { Limits } from './limits.ts'

/** The limits of receiving, as the transport takes them. */
export function receiveLimits(limits: Limits): ReceiveLimits {
  return { bytes: limits.packBytes, object: limits.objectBytes, objects: limits.objects }
}
