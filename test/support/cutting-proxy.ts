/**
 * Cutting proxy: passes on so many bytes of one direction, then breaks the connection, as a bad network does.
 *
 * @module
 */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** Where a connection breaks. */
export interface Cut {
  readonly direction: 'request' | 'answer'
  /** Bytes of that direction that still come through, those of the head of HTTP among them. */
  readonly bytes: number
}

/** A proxy that runs. */
export interface CuttingProxy {
  /** As the server's, with another port. */
  readonly url: string
  close(): void
}

/** Stands in front of a server. */
export async function startCuttingProxy(server: string, cut: Cut): Promise<CuttingProxy> {
  const { hostname, port } = new URL(server)
  const sockets = new Set<Socket>()
  const proxy = createServer((client) => {
    const upstream = connect(Number(port), hostname)
    const both = [client, upstream]
    for (const socket of both) {
      sockets.add(socket)
      socket.on('error', () => both.forEach((each) => each.destroy()))
      socket.on('close', () => both.forEach((each) => each.destroy()))
    }
    const isRequest = cut.direction === 'request'
    pass(client, upstream, isRequest ? cut.bytes : Infinity)
    pass(upstream, client, isRequest ? Infinity : cut.bytes)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  // A server that listens on TCP has such an address.
  const address = proxy.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${address.port}`,
    close() {
      for (const socket of sockets) socket.destroy()
      proxy.close()
    },
  }
}

/** Passes on what comes, and breaks off behind the last byte that may come through. */
function pass(from: Socket, to: Socket, bytes: number): void {
  let left = bytes
  from.on('data', (piece: Buffer) => {
    const passed = piece.subarray(0, left)
    left -= passed.length
    if (left > 0) to.write(passed)
    else to.write(passed, () => [from, to].forEach((each) => each.destroy()))
  })
}
