/**
 * Marking proxy: passes everything on as it comes, and notes when requests of a sync, their answers and events of a watch came by.
 *
 * @module
 */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** What is noted: the first bytes of each. */
export type Mark = 'request' | 'answer' | 'event'

/** A proxy that runs. */
export class MarkingProxy {
  /** As the server's, with another port. */
  readonly url: string
  readonly #sockets: Set<Socket>
  readonly #close: () => void
  readonly #marks: (readonly [mark: string, at: number])[] = []

  private constructor(url: string, sockets: Set<Socket>, close: () => void) {
    this.url = url
    this.#sockets = sockets
    this.#close = close
  }

  /** Stands in front of a server. */
  static async start(server: string): Promise<MarkingProxy> {
    const { hostname, port } = new URL(server)
    const sockets = new Set<Socket>()
    const listener = createServer((client) => {
      const upstream = connect({ port: Number(port), host: hostname, noDelay: true })
      client.setNoDelay(true)
      for (const socket of [client, upstream]) {
        sockets.add(socket)
        socket.on('error', () => socket.destroy())
      }
      client.on('close', () => upstream.destroy())
      upstream.on('close', () => client.destroy())
      proxy.#join(client, upstream)
    })
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
    // A server that listens on TCP has such an address.
    const address = listener.address() as AddressInfo
    const proxy = new MarkingProxy(`http://127.0.0.1:${address.port}`, sockets, () =>
      listener.close(),
    )
    return proxy
  }

  /** Begins anew to note. */
  forget(): void {
    this.#marks.length = 0
  }

  /** When the first of these came by, in milliseconds since 1970; `undefined` when none did. */
  first(mark: Mark): number | undefined {
    return this.#marks.find(([name]) => name === mark)?.[1]
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#close()
  }

  #join(client: Socket, upstream: Socket): void {
    let isSync = false
    client.on('data', (piece: Buffer) => {
      const line = piece.toString('latin1', 0, 500)
      if (/^(GET|POST) /.test(line)) isSync = /^POST \S*\.git\/sync /.test(line)
      if (isSync && line.startsWith('POST ')) this.#note('request')
      upstream.write(piece)
    })
    upstream.on('data', (piece: Buffer) => {
      const text = piece.toString('latin1', 0, 500)
      if (isSync && text.startsWith('HTTP/1.1 200')) this.#note('answer')
      if (text.includes('event: change')) this.#note('event')
      client.write(piece)
    })
  }

  #note(mark: Mark): void {
    this.#marks.push([mark, performance.timeOrigin + performance.now()])
  }
}
