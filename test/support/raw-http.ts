/**
 * Raw HTTP: requests as bytes on a socket, for what no client would send.
 *
 * @module
 */
import { connect } from 'node:net'

/** An answer, as far as it came. */
export interface RawAnswer {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

/** A request that is written by hand. */
export interface RawRequest {
  /** `POST /a.git/git-receive-pack`. */
  readonly line: string
  /** More headers; `Host`, and `Connection: close`, come by themselves. */
  readonly headers?: readonly string[]
  readonly body?: Uint8Array | string
  /** Bytes that are written at once; all of them when left out. */
  readonly piece?: number
  /** Sends the body in chunks, whatever its length. */
  readonly isChunked?: boolean
  /** Goes away after so many bytes of the body. */
  readonly vanishAfter?: number
}

/** Milliseconds without a byte after which a server is taken for dead. */
const SILENCE = 150_000

/** Sends a request; the answer when the server closes, or what there was of it when it went away. */
export function sendRaw(url: string, request: RawRequest): Promise<RawAnswer | undefined> {
  const { hostname, port, host } = new URL(url)
  const body = Buffer.from(request.body ?? '')
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname)
    const received: Buffer[] = []
    socket.on('data', (piece: Buffer) => received.push(piece))
    socket.on('error', () => {})
    socket.setTimeout(SILENCE, () => socket.destroy())
    socket.on('close', () => resolve(parseAnswer(Buffer.concat(received).toString('latin1'))))
    socket.on('end', () => socket.end())
    socket.write(headOf(request, host, body.length))
    void writeBody(socket, request, body)
  })
}

function headOf(
  { line, headers = [], isChunked }: RawRequest,
  host: string,
  length: number,
): string {
  const hasBody = line.startsWith('POST') || line.startsWith('PUT')
  const framing = isChunked === true ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`
  const own = [`Host: ${host}`, 'Connection: close', ...(hasBody ? [framing] : [])]
  return [`${line} HTTP/1.1`, ...own, ...headers, '', ''].join('\r\n')
}

async function writeBody(
  socket: ReturnType<typeof connect>,
  { piece, isChunked, vanishAfter }: RawRequest,
  body: Buffer,
): Promise<void> {
  const end = Math.min(body.length, vanishAfter ?? Infinity)
  const step = piece ?? Math.max(1, end)
  socket.setNoDelay(true)
  for (let at = 0; at < end && socket.writable; at += step) {
    const bytes = body.subarray(at, Math.min(end, at + step))
    const framed = isChunked === true ? frame(bytes) : bytes
    await new Promise<void>((written) => socket.write(framed, () => written()))
  }
  if (vanishAfter !== undefined) socket.resetAndDestroy()
  else if (isChunked === true && socket.writable) socket.write('0\r\n\r\n')
}

function frame(bytes: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from(`${bytes.length.toString(16)}\r\n`),
    bytes,
    Buffer.from('\r\n'),
  ])
}

/** The last answer in what came: `100 Continue` may come before it. */
function parseAnswer(text: string): RawAnswer | undefined {
  const begin = text.lastIndexOf('HTTP/1.1 ')
  const cut = text.indexOf('\r\n\r\n', begin)
  if (begin < 0 || cut < 0) return undefined
  const [first = '', ...lines] = text.slice(begin, cut).split('\r\n')
  const headers = new Map(
    lines.map((line): [string, string] => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
  const rest = text.slice(cut + 4)
  const body = headers.get('transfer-encoding') === 'chunked' ? unchunk(rest) : rest
  return { status: Number(first.split(' ')[1]), headers, body }
}

function unchunk(text: string): string {
  let body = ''
  for (let at = 0; ;) {
    const line = text.indexOf('\r\n', at)
    const length = Number.parseInt(text.slice(at, line), 16)
    if (line < 0 || !(length > 0)) return body
    body += text.slice(line + 2, line + 2 + length)
    at = line + 2 + length + 2
  }
}
