/**
 * The client's end of a watch over a WebSocket: its messages as a stream of bytes, which are those of an event stream.
 *
 * Spec: docs/watch.md
 *
 * @module
 */
import { utf8 } from '@datakit/git/bytes'
import { encodeSeen, PING, watchProtocols } from '@datakit/git/protocol/watch-socket'

/** A socket that is open. */
export interface WatchSocket {
  /** What the server says, until the socket is closed. Cancelled, it closes the socket. */
  readonly body: ReadableStream<Uint8Array>
  /** Asks for what comes behind an event; `undefined` where none was seen. One event comes for each call. */
  seen(id: string | undefined): void
}

/** Milliseconds after which a socket that does not open is given up. */
const PATIENCE = 10_000
/** Milliseconds between two pings. */
const PING_EVERY = 15_000

/**
 * Opens a socket at the URL of a watch stream. Rejects when there is none: a browser does not say why.
 */
export function openWatchSocket(
  url: string,
  { token, signal }: { readonly token: string | undefined; readonly signal: AbortSignal },
): Promise<WatchSocket> {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), watchProtocols(token))
  const { promise, resolve, reject } = Promise.withResolvers<WatchSocket>()
  const give = (): void => {
    socket.close()
    reject(new Error('The socket was given up'))
  }
  const timer = setTimeout(give, PATIENCE)
  signal.addEventListener('abort', give)
  const body = bodyOf(socket)
  const seen = (id: string | undefined): void => {
    if (socket.readyState === socket.OPEN) socket.send(encodeSeen(id))
  }
  socket.addEventListener('open', () => resolve({ body, seen }))
  socket.addEventListener('error', () => reject(new Error('The socket did not open')))
  if (signal.aborted) give()
  return promise.finally(() => {
    clearTimeout(timer)
    signal.removeEventListener('abort', give)
  })
}

function bodyOf(socket: WebSocket): ReadableStream<Uint8Array> {
  let pings: ReturnType<typeof setInterval> | undefined
  return new ReadableStream({
    start(controller) {
      socket.addEventListener('open', () => {
        pings = setInterval(() => socket.send(PING), PING_EVERY)
      })
      socket.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
        // One event at a time is on its way, so no queue grows here.
        if (typeof data === 'string') controller.enqueue(utf8(data))
      })
      socket.addEventListener('close', () => {
        clearInterval(pings)
        // It is closed already where the reader has had enough.
        try {
          controller.close()
        } catch {}
      })
    },
    cancel() {
      clearInterval(pings)
      socket.close()
    },
  })
}
