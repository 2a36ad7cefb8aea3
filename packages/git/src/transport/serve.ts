/**
 * Serve: the one way out for packs, to a fetch, a push of ours and a sync.
 *
 * Entries are passed on as they are stored (`copy-entries.ts`); a repository that is one pack and wanted whole is not
 * even looked at. When something fails in the middle the stream fails: what came before is never to be taken for a pack.
 *
 * @module
 */
import { MissingError } from '../error.ts'
import type { Objects } from '../objects.ts'
import type { PackInfo } from '../place.ts'
import { copyEntries, type PackOptions } from './copy-entries.ts'
import { selectObjects, type Selection, type SelectRequest } from './select.ts'

export type { PackOptions } from './copy-entries.ts'

/** What the receiver can read, and what it has of the same pack. */
export interface StreamOptions extends PackOptions {
  /** Bytes at the front that are left out; 0 when left out itself. */
  readonly from?: number | undefined
}

/**
 * The pack that holds what the wants reach and the haves do not.
 * A piece is valid until the next one is asked for.
 *
 * @throws MissingError, NotHereError when something is not here
 */
export async function* servePack(
  objects: Objects,
  request: SelectRequest & PackOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield* streamPack(objects, await selectObjects(objects, request), request)
}

/** The pack of a selection, in pieces as those of {@link servePack}; for callers that have to know first whether there is anything in it. */
export function streamPack(
  objects: Objects,
  selection: Selection,
  options: StreamOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { whole } = selection
  if (whole !== undefined && options.usesDistance !== false && options.table === undefined) {
    return storedPack(objects, { selection, whole }, options)
  }
  const { from = 0 } = options
  const entries = copyEntries(selection, options)
  return from === 0 ? entries : behind(entries, from)
}

/** The bytes of a pack as they are. Of one that is gone before the first of them, its objects from where they are by now. */
async function* storedPack(
  objects: Objects,
  { selection, whole }: { readonly selection: Selection; readonly whole: PackInfo },
  options: StreamOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { id, size } = whole
  const { from = 0, signal } = options
  let sent = from
  if (from >= size) return
  try {
    for await (const piece of objects.place.streamPack(id, from, size)) {
      signal?.throwIfAborted()
      sent += piece.length
      yield piece
    }
  } catch (error) {
    if (!(error instanceof MissingError) || sent > 0) throw error
    return yield* copyEntries(selection, options)
  }
  if (sent !== size) throw new MissingError('the end of a pack', id)
}

/** What follows behind so many bytes. */
async function* behind(
  pieces: AsyncIterable<Uint8Array>,
  from: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let at = 0
  for await (const piece of pieces) {
    const rest = piece.subarray(Math.max(0, from - at))
    at += piece.length
    if (rest.length > 0) yield rest
  }
}
