/**
 * Wires to a server that knows of no parts, or that count what goes over them.
 *
 * @module
 */
import { text, utf8, concat, u32 } from '@datakit/git/bytes'
import { SYNC_MAGIC } from '@datakit/git/protocol/sync'
import type { SyncOptions } from '../src/sync/sync.ts'

type Header = Record<string, unknown>

/** A wire, with the headers of the requests and the bytes of the answers. */
export interface CountingWire extends SyncOptions {
  readonly asked: Header[]
  /** Of packs and all else, since the last request but those for objects by name began. */
  received: number
  sent: number
}

/** A wire on which headers of requests may be changed. */
export function partWire(
  { fetch: through, ...options }: SyncOptions,
  change: (header: Header) => Header = (header) => header,
): CountingWire {
  const wire: CountingWire = {
    ...options,
    asked: [],
    received: 0,
    sent: 0,
    async fetch(to, init) {
      const body = (init.body ?? new Uint8Array(0)) as Uint8Array
      const length = new DataView(body.buffer, body.byteOffset).getUint32(4)
      // A request of ours is an object.
      const header = JSON.parse(text(body.subarray(8, 8 + length))) as Header
      wire.asked.push(header)
      const json = utf8(JSON.stringify(change({ ...header })))
      const changed = concat([utf8(SYNC_MAGIC), u32(json.length), json, body.subarray(8 + length)])
      wire.sent += changed.length
      const answer = (await through?.(to, { ...init, body: changed })) ?? Response.error()
      const bytes = new Uint8Array(await answer.arrayBuffer())
      wire.received += bytes.length
      return new Response(bytes, answer)
    },
  }
  return wire
}

/** What a server from before there were parts makes of a request. */
export function withoutParts(header: Header): Header {
  const unknown = new Set(['choice', 'held', 'objects'])
  return Object.fromEntries(Object.entries(header).filter(([name]) => !unknown.has(name)))
}
