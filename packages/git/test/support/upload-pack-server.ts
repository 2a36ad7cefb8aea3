/**
 * The smallest server of fetches: `uploadPack` behind Node's HTTP, for stock clients to try.
 *
 * @module
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createGunzip } from 'node:zlib'

import { Objects } from '../../src/objects.ts'
import type { Place } from '../../src/place.ts'
import { nodeRuntime } from '../../src/runtime/node.ts'
import type { FetchPolicy } from '../../src/transport/fetch-policy.ts'
import { advertiseUploadPack, protocolVersion } from '../../src/transport/refs.ts'
import { uploadPack } from '../../src/transport/upload-pack.ts'

/** A running server. */
export interface UploadPackServer {
  readonly url: string
  /** How many bytes were sent. */
  readonly sent: number
  close(): Promise<void>
}

/** Serves a place, under any path, on a free port of the loopback; everything of it, when no policy is given. */
export async function uploadPackServer(
  place: Place,
  policy?: FetchPolicy,
): Promise<UploadPackServer> {
  const objects = await Objects.open(place, nodeRuntime)
  let sent = 0
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    await objects.refresh()
    const version = protocolVersion(request.headers['git-protocol']?.toString())
    const kind = request.method === 'GET' ? 'advertisement' : 'result'
    response.setHeader('content-type', `application/x-git-upload-pack-${kind}`)
    if (request.method === 'GET') {
      response.end(await advertiseUploadPack(objects, { version, policy }))
      return
    }
    const isZipped = request.headers['content-encoding'] === 'gzip'
    const source: AsyncIterable<Uint8Array> = isZipped ? request.pipe(createGunzip()) : request
    for await (const piece of uploadPack(objects, source, { version, policy })) {
      sent += piece.length
      response.write(piece)
    }
    response.end()
  }
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // A server that listens on TCP has such an address.
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/r.git`,
    get sent() {
      return sent
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
