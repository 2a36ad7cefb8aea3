/**
 * Limits for packs that come from outside.
 *
 * @module
 */
import { RefusedError } from '../error.ts'

/** What a pack may be at most; larger ones are refused before they are taken. */
export interface PackLimits {
  /** Bytes of the pack; 4 GiB - 1 when left out. */
  readonly bytes?: number | undefined
  /** Number of objects; 20 million when left out. */
  readonly objects?: number | undefined
  /** Bytes of the body of one object; 512 MB when left out. */
  readonly object?: number | undefined
  /** Bytes of all bodies together, and of those that are made again as bases; 256 GB when left out. */
  readonly inflated?: number | undefined
  /** Deltas between an object and the whole one that it is made of; 4,095 when left out, Git's own limit. */
  readonly depth?: number | undefined
}

const DEFAULTS = {
  bytes: 2 ** 32 - 1,
  objects: 20_000_000,
  object: 512_000_000,
  inflated: 256e9,
  depth: 4095,
}

/** Limits with nothing left out. */
export type AllPackLimits = { readonly [Limit in keyof PackLimits]-?: number }

/** Limits, and how many bytes of bodies may still come. */
export type PackBudget = AllPackLimits & { left: number }

/** The limits for one pack, of which nothing is spent yet. */
export function allLimits(limits: PackLimits = {}): PackBudget {
  return {
    bytes: limits.bytes ?? DEFAULTS.bytes,
    objects: limits.objects ?? DEFAULTS.objects,
    object: limits.object ?? DEFAULTS.object,
    left: limits.inflated ?? DEFAULTS.inflated,
    inflated: limits.inflated ?? DEFAULTS.inflated,
    depth: limits.depth ?? DEFAULTS.depth,
  }
}

/** @throws RefusedError when an object of this size is not taken */
export function checkSize(size: number, limits: AllPackLimits): void {
  if (size <= limits.object) return
  throw new RefusedError(
    'too-large',
    `The pack holds an object of ${size} bytes, at most ${limits.object} are taken`,
  )
}

/** Counts the bytes of a body. @throws RefusedError when all of them together are too many */
export function spend(size: number, limits: PackBudget): void {
  limits.left -= size
  if (limits.left >= 0) return
  throw new RefusedError(
    'too-large',
    `The objects of the pack are more than ${limits.inflated} bytes together`,
  )
}
