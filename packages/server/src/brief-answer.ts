/**
 * Brief requests: a client that names the version which it knows, and not what it has of it; and answers that tell what differs
 * from that. With thousands of refs the lists of both are most of what goes over the wire.
 *
 * Spec: docs/sync-protocol.md, "A brief request"
 *
 * @module
 */
import type { Ref } from '@datakit/git/place'
import type { SyncRequest } from '@datakit/git/protocol/sync'
import { ProblemError } from './problem.ts'

/** The refs that a client sees, and what names them. */
export interface SeenRefs {
  readonly version: string
  list(): Promise<readonly Ref[]>
}

/**
 * The refs that a brief request counts from, from before its updates; `undefined` for any other request.
 *
 * @throws ProblemError `known-gone` when they are not those of the version that the client knows, `malformed` where it asks for a part
 */
export async function refsBefore(
  message: SyncRequest,
  seen: SeenRefs,
): Promise<readonly Ref[] | undefined> {
  const { brief, known, choice, held, resume, objects } = message
  if (brief !== true) return undefined
  if ([choice, held, resume, objects].some((part) => part !== undefined))
    throw new ProblemError('malformed', 'A brief request is for all that is new, not for a part')
  if (known === seen.version) return seen.list()
  throw new ProblemError(
    'known-gone',
    'The refs are others than the client knows. Nothing was changed; say what you have, in a request that is not brief',
  )
}

/** What led from the refs before to those after: where each is that differs, none of them where it is gone. */
export function briefMoves(
  before: readonly Ref[],
  after: readonly Ref[],
): readonly { readonly name: string; readonly oid: string | undefined }[] {
  const were = new Map(before.map(({ name, oid }) => [name, oid]))
  const moves = after.filter(({ name, oid }) => were.get(name) !== oid)
  const are = new Set(after.map(({ name }) => name))
  const gone = before.filter(({ name }) => !are.has(name))
  return [
    ...moves.map(({ name, oid }) => ({ name, oid })),
    ...gone.map(({ name }) => ({ name, oid: undefined })),
  ]
}
