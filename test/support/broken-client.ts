/**
 * Broken client: requests that are dripped, cut off or never read to their end.
 *
 * @module
 */
import { once } from 'node:events'
import {
  request,
  type ClientRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
} from 'node:http'

/** A request to send by hand. */
export interface RawRequest {
  readonly url: string
  readonly method?: string
  readonly headers?: OutgoingHttpHeaders
}

/** What came back; `undefined` where the connection was cut instead. */
export type RawAnswer = { readonly status: number; readonly body: Buffer } | undefined

/** Opens a request, the body of which is still to come, and the answer to it. */
export function openRequest({ url, method = 'POST', headers = {} }: RawRequest): {
  readonly sent: ClientRequest
  readonly answer: Promise<RawAnswer>
} {
  const sent = request(url, { method, headers, agent: false })
  return { sent, answer: answerTo(sent) }
}

/** Sends a request with a body of pieces, each in a chunk of its own. */
export async function sendPieces(
  asked: RawRequest,
  pieces: Iterable<Uint8Array>,
): Promise<RawAnswer> {
  const { sent, answer } = openRequest(asked)
  let isAnswered = false
  const answered = answer.then(() => (isAnswered = true))
  for (const piece of pieces) {
    // Whoever was answered need not go on, and whose connection was cut cannot.
    if (isAnswered || sent.destroyed) break
    if (!sent.write(piece))
      await Promise.race([once(sent, 'drain').catch(() => undefined), answered])
  }
  sent.end()
  return answer
}

/** Sends a request and cuts the connection after so many bytes of the answer have come. */
export function vanishAfter(asked: RawRequest, body: Uint8Array, bytes: number): Promise<number> {
  const { url, method = 'POST', headers = {} } = asked
  return new Promise((resolve) => {
    let seen = 0
    const sent = request(url, { method, headers, agent: false }, (answer) => {
      const leave = (): void => {
        sent.destroy()
        resolve(seen)
      }
      answer.on('data', (piece: Buffer) => {
        seen += piece.length
        if (seen >= bytes) leave()
      })
      answer.on('end', leave)
      answer.on('error', leave)
    })
    sent.on('error', () => resolve(seen))
    sent.end(body)
  })
}

/** The answer, of which nothing has been read: the connection fills up until somebody does. */
export function unreadAnswer(asked: RawRequest, body: Uint8Array): Promise<IncomingMessage> {
  const { url, method = 'POST', headers = {} } = asked
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false }, resolve)
    sent.on('error', reject)
    sent.end(body)
  })
}

function answerTo(sent: ClientRequest): Promise<RawAnswer> {
  return new Promise((resolve) => {
    sent.on('error', () => resolve(undefined))
    sent.on('response', (answer) => {
      const pieces: Buffer[] = []
      answer.on('data', (piece: Buffer) => pieces.push(piece))
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(pieces) }),
      )
      answer.on('error', () => resolve(undefined))
    })
  })
}
