/**
 * Counting proxy: passes everything on, says how many bytes came through in each direction, and lets nothing through any more once
 * enough did, as a network does that stalls.
 *
 * @module
 */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** Which way bytes go: to the server, or back. */
export type Direction = 'request' | 'answer'

/** A proxy that runs. */
export class CountingProxy {
  /** As the server's, with another port. */
  readonly url: string
  /** Bytes that came through, those of the heads of HTTP among them. */
  readonly passed: Record<Direction, number> = { request: 0, answer: 0 }
  readonly #close: () => void
  readonly #sockets: Set<Socket>
  #limit: { readonly direction: Direction; readonly bytes: number; reached(): void } | undefined

  private constructor(url: string, sockets: Set<Socket>, close: () => void) {
    this.url = url
    this.#sockets = sockets
    this.#close = close
  }

  /** Stands in front of a server. */
  static async start(server: string): Promise<CountingProxy> {
    const { hostname, port } = new URL(server)
    const sockets = new Set<Socket>()
    const listener = createServer((client) => {
      const upstream = connect(Number(port), hostname)
      const both = [client, upstream]
      for (const socket of both) {
        sockets.add(socket)
        const end = (): void => {
          both.forEach((each) => each.destroy())
          both.forEach((each) => sockets.delete(each))
        }
        socket.on('error', end)
        socket.on('close', end)
      }
      proxy.#pass(client, upstream, 'request')
      proxy.#pass(upstream, client, 'answer')
    })
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
    // A server that listens on TCP has such an address.
    const address = listener.address() as AddressInfo
    const proxy = new CountingProxy(`http://127.0.0.1:${address.port}`, sockets, () =>
      listener.close(),
    )
    return proxy
  }

  /** Stalls once so many bytes more have come through in a direction; resolves then. */
  stallAfter(direction: Direction, bytes: number): Promise<void> {
    return new Promise((resolve) => {
      this.#limit = { direction, bytes: this.passed[direction] + bytes, reached: resolve }
    })
  }

  /** Lets everything through again, on new connections: those that stalled are dead. */
  goOn(): void {
    this.#limit = undefined
    for (const socket of this.#sockets) socket.destroy()
  }

  close(): void {
    this.goOn()
    this.#close()
  }

  #pass(from: Socket, to: Socket, direction: Direction): void {
    from.on('data', (piece: Buffer) => {
      const limit = this.#limit
      const room = limit?.direction === direction ? limit.bytes - this.passed[direction] : Infinity
      const passed = piece.subarray(0, Math.max(0, room))
      this.passed[direction] += passed.length
      if (passed.length > 0 && !to.write(passed)) {
        from.pause()
        to.once('drain', () => from.resume())
      }
      if (passed.length === piece.length) return
      from.pause()
      limit?.reached()
    })
  }
}
