/**
 * A network between a page and a server that fails as networks do: it hangs, it breaks off, or something else answers.
 *
 * @module
 */
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** What becomes of a request. */
export type Fate =
  | 'pass'
  /** Nobody answers, ever. */
  | 'hang'
  /** The connection breaks off before the server has it. */
  | 'refuse'
  /** The login page of a network answers. */
  | 'portal'
  /** A proxy answers with this status. */
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** The server answers, and this is made of its answer. */
  | { readonly change: (answer: Response) => Promise<Response> }

/** A network that runs. There are no WebSockets in it. */
export class Network {
  /** As the server's, with another port. */
  readonly url: string
  /** What becomes of each request from here on. */
  decide: (request: IncomingMessage) => Fate = () => 'pass'
  /** Requests so far, as `POST /config.git/sync`. */
  readonly asked: string[] = []
  readonly #close: () => void

  private constructor(url: string, close: () => void) {
    this.url = url
    this.#close = close
  }

  /** Stands in front of a server. */
  static async start(server: string): Promise<Network> {
    const sockets = new Set<Socket>()
    const listener = createServer((incoming, outgoing) => {
      network.asked.push(`${incoming.method} ${incoming.url}`)
      answer(server, network.decide(incoming), { incoming, outgoing })
    })
    listener.on('connection', (socket) => {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
    })
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
    // A server that listens on TCP has such an address.
    const { port } = listener.address() as AddressInfo
    const network: Network = new Network(`http://127.0.0.1:${port}`, () => {
      for (const socket of sockets) socket.destroy()
      listener.close()
    })
    return network
  }

  /** The same fate for each request; where it is a bad one, connections that are open stay as they are. */
  be(fate: Fate): void {
    this.decide = () => fate
  }

  close(): void {
    this.#close()
  }
}

interface Request {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
}

function answer(server: string, fate: Fate, { incoming, outgoing }: Request): void {
  if (fate === 'pass') return passOn(server, { incoming, outgoing })
  if (typeof fate === 'object' && 'change' in fate)
    return void passChanged(server, fate.change, { incoming, outgoing })
  if (fate === 'hang') return
  if (fate === 'refuse') incoming.socket.destroy()
  else if (fate === 'portal') {
    outgoing.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Log in to the network</h1>')
  } else {
    const headers = { 'content-type': 'text/html', ...fate.headers }
    outgoing.writeHead(fate.status, headers).end('<h1>No</h1>')
  }
}

function passOn(server: string, { incoming, outgoing }: Request): void {
  const { method, url, headers } = incoming
  const upstream = request(new URL(url ?? '/', server), { method, headers }, (response) => {
    outgoing.writeHead(response.statusCode ?? 502, response.headers)
    response.pipe(outgoing)
  })
  upstream.on('error', () => outgoing.destroy())
  outgoing.on('close', () => upstream.destroy())
  incoming.pipe(upstream)
}

async function passChanged(
  server: string,
  change: (answer: Response) => Promise<Response>,
  { incoming, outgoing }: Request,
): Promise<void> {
  const { method = 'GET', url, headers } = incoming
  const asked: Uint8Array[] = []
  for await (const piece of incoming) asked.push(piece)
  const answer = await change(
    await fetch(new URL(url ?? '/', server), {
      method,
      headers: {
        'content-type': headers['content-type'] ?? '',
        'x-forwarded-host': headers.host ?? '',
      },
      ...(asked.length === 0 ? {} : { body: Buffer.concat(asked) }),
    }),
  )
  outgoing.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' })
  outgoing.end(new Uint8Array(await answer.arrayBuffer()))
}
