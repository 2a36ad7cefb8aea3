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

/** Bytes that are read at once from a pack that is passed on whole; two such pieces are in memory at a time. */
const WINDOW = 8 * 1024 * 1024

/**
 * The pack that holds what the wants reach and the haves do not.
 *
 * @throws MissingError, NotHereError when something is not here
 */
export async function* servePack(
  objects: Objects,
  request: SelectRequest & PackOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield* streamPack(objects, await selectObjects(objects, request), request)
}

/** The pack of a selection; for callers that have to know first whether there is anything in it. */
export function streamPack(
  objects: Objects,
  selection: Selection,
  options: PackOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { whole } = selection
  if (whole !== undefined && options.usesDistance !== false && options.table === undefined) {
    return storedPack(objects, whole, options.signal)
  }
  return copyEntries(selection, options)
}

/** The bytes of a pack, in windows; the next one is fetched while one is sent. */
async function* storedPack(
  objects: Objects,
  { id, size }: PackInfo,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const fetch = (start: number): Promise<Uint8Array> | undefined => {
    if (start >= size) return undefined
    const bytes = objects.place.readPack(id, start, Math.min(size, start + WINDOW))
    // A failure is met by the `await` below; if nobody reads on, by nobody.
    bytes.catch(() => undefined)
    return bytes
  }
  let next = fetch(0)
  for (let start = 0; next !== undefined;) {
    signal?.throwIfAborted()
    const bytes = await next
    if (bytes.length !== Math.min(WINDOW, size - start)) throw new MissingError('a pack', id)
    start += bytes.length
    next = fetch(start)
    yield bytes
  }
}
