/**
 * Fetch policy: what a server lets clients fetch, and what it tells them that it can do.
 *
 * @module
 */
import { ALL_FILTERS, type FilterRules } from '../protocol/filter.ts'
import type { PackfileUri } from './packfile-uris.ts'
import { ALL_REFS, type Readable } from './reach.ts'

/** How fetches from one repository are answered. */
export interface FetchPolicy {
  /** Refs that are listed. */
  readonly readable: Readable
  /**
   * What may be wanted by oid: what the listed refs point at and lead to; what hidden ones do as well; any object.
   * Nothing but `any` gives away what was forced out of every ref.
   */
  readonly wants: 'readable' | 'hidden' | 'any'
  /** What clients of version 0 and 1 are told: that they may want tips, and what refs lead to. */
  readonly offersTips: boolean
  readonly offersReachable: boolean
  /** Filters of partial clones; `undefined`: none are offered. */
  readonly filters: FilterRules | undefined
  /** Whether refs may be wanted by name. */
  readonly refInWant: boolean
  /** Whether clients hear of a HEAD without a commit, and that they may ask. */
  readonly unborn: 'offered' | 'answered' | 'ignored'
  /** Whether the size of an object can be asked for. */
  readonly objectInfo: boolean
  /** Whether a whole answer may come in a side-band. */
  readonly sidebandAll: boolean
  /** Files that clients may get elsewhere; whoever cannot is sent them. */
  readonly packfileUris: readonly PackfileUri[]
  /**
   * What clients are told of bundles to begin with, `key=value` each, by the names of Git's configuration; `undefined` where
   * they are not told that they may ask.
   */
  readonly bundles: readonly string[] | undefined
  /** Milliseconds without a word after which a client that waits for its pack is sent an empty packet; 0 for never. */
  readonly keepAlive: number
}

/** Everything is offered that costs nobody anything. */
export const OPEN_FETCH: FetchPolicy = {
  readable: ALL_REFS,
  wants: 'readable',
  offersTips: true,
  offersReachable: true,
  filters: ALL_FILTERS,
  refInWant: true,
  unborn: 'offered',
  objectInfo: true,
  sidebandAll: false,
  packfileUris: [],
  bundles: undefined,
  keepAlive: 5000,
}
