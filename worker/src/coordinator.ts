/**
 * The Durable Object in front of a repository: makes the updates of all isolates, so that pushes that come together need
 * one write of the root. R2 takes about one a second.
 *
 * Optional, and never the truth: it keeps nothing but a cache, and whoever does not reach it makes his update alone.
 *
 * @module
 */
import {
  r2Coordinator,
  type CoordinatedOutcome,
  type CoordinatedUpdate,
} from '@datakit/storage/r2/coordinator'
import { DurableObject } from 'cloudflare:workers'
import type { Environment } from './environment.ts'

/** One for each repository, by its name. */
export class Coordinator extends DurableObject<Environment> {
  readonly #coordinator = r2Coordinator(this.env.BUCKET)

  update(update: CoordinatedUpdate): Promise<CoordinatedOutcome> {
    return this.#coordinator.update(update)
  }
}
