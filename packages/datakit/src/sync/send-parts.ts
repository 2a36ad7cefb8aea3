/**
 * Sending a large pack in parts: what was sent before a cut is not sent again, by the same sync or by a later one, of this
 * tab or another.
 *
 * A pack is known by the SHA-1 at its end, and the same commits that go to a server in the same state make the same pack.
 *
 * Spec: docs/sync-protocol.md
 *
 * @module
 */
import { toHex } from '@datakit/git/bytes'
import { encodeSyncRequest, PART_BYTES, type SyncRequest } from '@datakit/git/protocol/sync'
import { readShort } from '@datakit/git/short-body'
import { SyncError } from '../error.ts'
import { persist } from './send-again.ts'
import { ask, type ServerOptions } from './sync-exchange.ts'
import type { SyncOptions } from './sync.ts'

/** A server, and whom to tell how far it is. */
type Target = ServerOptions & Pick<SyncOptions, 'onProgress'>

/**
 * Sends the parts of a pack that the server lacks, and gives the body of the request that names them; the whole request where
 * the server takes no parts.
 *
 * @throws SyncError when a part cannot be sent
 */
export async function sendParts(
  options: Target,
  request: SyncRequest,
  pack: Uint8Array,
): Promise<Uint8Array[]> {
  const parts = { pack: toHex(pack.subarray(-20)), size: pack.length }
  const path = `/${parts.pack}`
  const there = await partsThere(options, path)
  if (there === undefined) return [encodeSyncRequest(request), pack]
  for (let at = 0; at < pack.length; at += PART_BYTES) {
    const number = at / PART_BYTES
    if (there.has(number)) continue
    const body = pack.slice(at, at + PART_BYTES)
    await persist(options, () =>
      askShort(options, { method: 'PUT', path: `${path}/${number}`, body }),
    )
    const bytes = Math.min(at + PART_BYTES, pack.length)
    options.onProgress?.({ phase: 'sending', bytes, total: pack.length })
  }
  return [encodeSyncRequest({ ...request, pack: 0, parts })]
}

const JSON_TYPE = 'application/json'

/** Numbers of the parts that the server has; `undefined` where it takes none. */
async function partsThere(options: Target, path: string): Promise<Set<unknown> | undefined> {
  try {
    // It is checked before it is used.
    const told = JSON.parse(await persist(options, () => askShort(options, { path }))) as
      | { readonly parts?: unknown }
      | undefined
    return Array.isArray(told?.parts) ? new Set(told.parts) : undefined
  } catch (error) {
    // A server from before there were parts; whatever else stands in the way says so to the whole request, too.
    if (error instanceof SyncError && [404, 405, 501].includes(error.status)) return undefined
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** What is answered to one request, as text. @throws SyncError as `ask`, and `offline` when the answer breaks off */
async function askShort(options: Target, init: Parameters<typeof ask>[1]): Promise<string> {
  const response = await ask(options, init, JSON_TYPE)
  return readShort(response).catch((cause: unknown) => {
    options.signal?.throwIfAborted()
    throw new SyncError('offline', `Cannot sync with ${options.url}: the answer broke off`, {
      cause,
    })
  })
}
