/**
 * Limits: what one request may ask of a server. The defaults fit a Worker, whose isolate has 128 MB for all requests.
 *
 * @module
 */

/** Upper bounds, in bytes unless the name or the comment says otherwise. */
export interface Limits {
  /** Body of a push or a sync: the pack and what comes with it. */
  readonly packBytes: number
  /** One object, inflated. */
  readonly objectBytes: number
  /** Objects in one pack. */
  readonly objects: number
  /** Body of a request that carries no pack: wants and haves. */
  readonly requestBytes: number
  /** Memory of all packs together that are read at the same time; more wait. */
  readonly receivingBytes: number
  /** How long a pack waits for its turn before the client is told to come again, in milliseconds. */
  readonly receivingPatience: number
  /** Listeners of watch streams at the same time, of all repositories and of one. */
  readonly listeners: number
  readonly listenersOfOne: number
  /** Reads of a bucket that one stream may cost before its client is to come again: a Worker's request has 1,000. */
  readonly listenerReads: number
  /** Milliseconds between two looks at a place that hears nothing of what others change. */
  readonly listenerPoll: number
  /** Milliseconds without a word after which a stream is kept alive by a comment. */
  readonly listenerSilence: number
}

const MiB = 1024 * 1024

/** What holds where nobody said otherwise. */
export const DEFAULT_LIMITS: Limits = {
  packBytes: 512 * MiB,
  objectBytes: 24 * MiB,
  objects: 300_000,
  requestBytes: 16 * MiB,
  receivingBytes: 64 * MiB,
  receivingPatience: 20_000,
  listeners: 200,
  listenersOfOne: 100,
  listenerReads: 600,
  listenerPoll: 1000,
  listenerSilence: 15_000,
}
