/**
 * Fetching ahead what will be read at known paths. Loaded later.
 *
 * @module
 */
import { NotHereError } from '@datakit/git/error'
import type { Oid } from '@datakit/git/oid'
import type { OnDemand } from './demand.ts'

/**
 * Fetches in one request what of these was left with a remote: oids, and the path at which each is wanted.
 *
 * @param onDemand what brings it; nothing does where it is `undefined`, and whoever reads is told then
 * @throws NotHereError with the path when the remote is out of reach; the signal's reason
 */
export async function fetchAhead(
  onDemand: OnDemand | undefined,
  wanted: ReadonlyMap<Oid | undefined, string>,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await onDemand?.ahead(wanted.keys(), signal)
  } catch (error) {
    throw withPath(error, wanted)
  }
}

/** The error, with the path where it is that an object is not here. */
export function withPath(error: unknown, paths: ReadonlyMap<Oid | undefined, string>): unknown {
  if (!(error instanceof NotHereError)) return error
  const { oid, remote, cause } = error
  // An error has it as text; it was read out of an object.
  const path = paths.get(oid as Oid)
  return path === undefined ? error : new NotHereError(oid, remote, { cause, path })
}
