/**
 * A wire between a client and a server that can be cut: a TCP proxy.
 *
 * @module
 */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** An open wire. */
export interface Wire {
  /** `http://127.0.0.1:PORT`, which leads to the server. */
  readonly url: string
  /** Bytes that clients have sent, over all connections. */
  readonly sent: () => number
  /** Connections that are open. */
  readonly open: () => number
  /** Breaks every connection, and refuses new ones until {@link mend}. */
  cut(): void
  mend(): void
  close(): Promise<void>
}

/** Puts a wire in front of a server. */
export async function openWire(server: string): Promise<Wire> {
  const { port, hostname } = new URL(server)
  const sockets = new Set<Socket>()
  let sent = 0
  let isCut = false
  const proxy = createServer((client) => {
    if (isCut) return void client.resetAndDestroy()
    const target = connect(Number(port), hostname)
    sockets.add(client)
    client.on('data', (bytes) => (sent += bytes.length))
    client.on('error', () => undefined)
    target.on('error', () => client.destroy())
    client.on('close', () => {
      sockets.delete(client)
      target.destroy()
    })
    target.on('close', () => client.destroy())
    client.pipe(target).pipe(client)
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const breakAll = (): void => {
    for (const socket of sockets) socket.resetAndDestroy()
  }
  return {
    // A server that listens on TCP has such an address.
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    sent: () => sent,
    open: () => sockets.size,
    cut() {
      isCut = true
      breakAll()
    },
    mend() {
      isCut = false
    },
    async close() {
      isCut = true
      breakAll()
      proxy.close()
      await once(proxy, 'close')
    },
  }
}
