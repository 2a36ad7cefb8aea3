/**
 * Marks that the walks leave on the nodes of a graph, see `select.ts`.
 *
 * @module
 */

/** Part of the pack, unless it turns out to be {@link HAD}. */
export const SENT = 1

/** The receiver has it. */
export const HAD = 2

/** A commit that was met. */
export const SEEN = 4

/** A commit that waits in the queue. */
export const WAITING = 8

/** The tree of a commit that is sent: it will be sent itself. */
export const ROOT = 16

/** A tree that was put off until the one that it differs from. */
export const DEFERRED = 32

/** A tree or blob that the walk over trees has met. */
export const VISITED = 64

/** A tree that the receiver has itself, but not all of what is in it. */
export const HELD = 128
