/**
 * Environment: what a deployment binds.
 *
 * @module
 */
import type { Coordinator } from './coordinator.ts'

/** What `wrangler.toml` and the operator bind. */
export interface Environment {
  readonly BUCKET: R2Bucket
  readonly ASSETS: Fetcher
  /** Gathers the updates of a repository that come together; each is made by itself without. */
  readonly COORDINATOR?: DurableObjectNamespace<Coordinator>
  /** The token that all data wants. A secret. */
  readonly DATAKIT_TOKEN?: string
  /** Days that objects are kept after the last ref left them; 14 when left out. */
  readonly DATAKIT_RETENTION_DAYS?: string
  /** `loopback` opens a Worker without a token to this machine. Set by `npm run worker` and by nothing else. */
  readonly DATAKIT_OPEN?: string
  /** Other origins whose pages may read the data: `https://editor.example`, separated by commas; `*` for every one. */
  readonly DATAKIT_CORS?: string
  /** Refs that only move forward and are not deleted: `main, release/*, refs/tags`. */
  readonly DATAKIT_PROTECT?: string
}
