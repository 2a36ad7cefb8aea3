/**
 * The pack at the end of an answer to a fetch, and what all versions of the protocol share on the way there.
 *
 * @module
 */
import { utf8 } from '../bytes.ts'
import { GitError, lackOf, MalformedError, NotHereError } from '../error.ts'
import type { Objects } from '../objects.ts'
import type { Oid } from '../oid.ts'
import type { Capabilities } from '../protocol/capability.ts'
import type { ObjectFilter } from '../protocol/filter.ts'
import { FLUSH } from '../protocol/pkt-line.ts'
import { bandFrames, BANDS, encodeBand, encodeProgress } from '../protocol/sideband.ts'
import type { Boundary } from './boundary.ts'
import type { FetchPolicy } from './fetch-policy.ts'
import { KEEP_ALIVE, withSignsOfLife } from './keep-alive.ts'
import { wireRefs } from './refs.ts'
import { selectObjects, type Selection } from './select.ts'
import { streamPack } from './serve.ts'

/** What answers a request. */
export interface Serving {
  readonly objects: Objects
  readonly policy: FetchPolicy
  readonly signal: AbortSignal | undefined
}

/** A piece of an answer, and whether the client takes what follows for a pack. */
export interface Piece {
  readonly bytes: Uint8Array
  readonly isPack: boolean
}

/** An answer as it is made. */
export type Answer = AsyncGenerator<Piece, void, undefined>

/** A piece in front of the pack. */
export function message(bytes: Uint8Array): Piece {
  return { bytes, isPack: false }
}

/** What a client can read of a pack. */
export interface PackAbilities {
  readonly thin: boolean
  readonly usesDistance: boolean
  readonly includeTag: boolean
  readonly quiet: boolean
  /** Bytes of a frame; 0 for a client that knows no side-band. */
  readonly frame: number
}

/** Which pack a client gets. */
export interface PackRequest {
  readonly wants: readonly Oid[]
  /** What of its own counts. */
  readonly common: readonly Oid[]
  readonly boundary: Boundary
  readonly filter: ObjectFilter | undefined
  readonly abilities: PackAbilities
}

/**
 * The pack, in the frames that the client reads; of `selected`, where that was done before. A client that waits for long is
 * sent empty frames.
 */
export function answerPack(serving: Serving, request: PackRequest, selected?: Selection): Answer {
  const pieces = packPieces(serving, request, selected)
  if (request.abilities.frame === 0) return pieces
  return withSignsOfLife(pieces, serving.policy.keepAlive, { bytes: KEEP_ALIVE, isPack: true })
}

async function* packPieces(
  serving: Serving,
  request: PackRequest,
  selected: Selection | undefined,
): Answer {
  const { objects, signal } = serving
  const { thin, usesDistance, frame, quiet } = request.abilities
  let selection = selected
  let hasBegun = false
  try {
    selection ??= await selectFor(serving, request)
    const pack = streamPack(objects, selection, { thin, usesDistance, signal })
    if (frame === 0) {
      for await (const bytes of pack) yield { bytes, isPack: true }
      return
    }
    if (!quiet)
      yield { bytes: encodeProgress(`Sending ${selection.count} objects\n`, frame), isPack: true }
    for await (const bytes of bandFrames(pack, frame)) {
      hasBegun = true
      yield { bytes, isPack: true }
    }
  } catch (error) {
    if (frame === 0) throw error
    const reason = reasonOf(error)
    yield { bytes: encodeBand(BANDS.error, utf8(`${reason}\n`), frame), isPack: true }
    // A connection that breaks may take the reason along. Nobody takes what came before it for a pack.
    if (error instanceof NotHereError || (error instanceof GitError && !hasBegun)) return
    throw error
  } finally {
    // An answer's numbers of a hundred thousand objects would lie around for several more.
    selection?.graph.release()
  }
  yield { bytes: FLUSH, isPack: true }
}

/** The objects that the pack holds. @throws MissingError, NotHereError when one is not here */
export async function selectFor(serving: Serving, request: PackRequest): Promise<Selection> {
  const { objects, signal } = serving
  const { abilities, boundary, common, filter } = request
  const selection = await selectObjects(objects, {
    wants: [...request.wants, ...boundary.wants],
    // Not what is no longer shallow: Git takes that for had, but a client may have been told of a commit and never got it.
    haves: common,
    cuts: boundary.cuts,
    tags: abilities.includeTag ? await annotatedTags(serving) : [],
    filter,
    signal,
  })
  await selection.locate()
  return selection
}

function reasonOf(error: unknown): string {
  if (error instanceof NotHereError) return lackOf(error)
  return error instanceof GitError ? error.message : 'the server failed'
}

/** Oids of the annotated tags that the caller may read. */
async function annotatedTags({ objects, policy: { readable } }: Serving): Promise<Oid[]> {
  const refs = await wireRefs(objects, { readable, peel: true })
  return refs.flatMap(({ name, oid, peeled }) =>
    oid !== undefined && peeled !== undefined && name.startsWith('refs/tags/') ? [oid] : [],
  )
}

/** @throws MalformedError when the client wants another object format than there is */
export function checkFormat(capabilities: Capabilities): void {
  const format = capabilities.get('object-format')?.[0] ?? 'sha1'
  if (format === 'sha1') return
  const problem = `mismatched object format: server sha1; client ${format.slice(0, 20)}`
  throw new MalformedError('a request', problem)
}
