/**
 * The watch stream over a WebSocket: the same text, in messages, each one or more whole items of the event stream.
 *
 * The client says `seen ID` and is then told what comes behind that, in one event, as soon as there is anything; it is told
 * no more until it says that it has seen that one. So a slow reader has one event on its way to it, and no more. `ping` is
 * answered with a comment.
 *
 * Spec: docs/watch.md
 *
 * @module
 */
import { text, utf8 } from '../bytes.ts'

/** The subprotocol, which client and server agree on. */
export const WATCH_PROTOCOL = 'datakit-watch.1'

/** What a client says to hear whether the connection lives. */
export const PING = 'ping'

/** What it is answered: a comment. */
export const PONG = ':\n\n'

/** Longest message of a client, in characters. */
export const MAX_SAID = 256

/** In front of a token among the subprotocols. */
const TOKEN = 'datakit-token.'

/**
 * The subprotocols that a client offers. A browser sends no other header of its own along with a WebSocket, and what
 * stands in a URL is written into logs; so the token goes here, in characters that may stand in such a name.
 */
export function watchProtocols(token: string | undefined): string[] {
  if (token === undefined) return [WATCH_PROTOCOL]
  const base64 = btoa(String.fromCharCode(...utf8(token)))
  const name = base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
  return [WATCH_PROTOCOL, TOKEN + name]
}

/** Whether the subprotocols that a client offers, as the header has them, are those of a watch. */
export function offersWatch(header: string): boolean {
  return names(header).includes(WATCH_PROTOCOL)
}

/** The token among the subprotocols of a header; `undefined` where none can be read. */
export function tokenOf(header: string): string | undefined {
  const name = names(header).find((each) => each.startsWith(TOKEN))
  if (name === undefined) return undefined
  try {
    const base64 = name.slice(TOKEN.length).replaceAll('-', '+').replaceAll('_', '/')
    const token = text(Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)))
    return token === '' ? undefined : token
  } catch {
    return undefined
  }
}

/** What a client has seen last; `undefined` for nothing yet. */
export function encodeSeen(id: string | undefined): string {
  return id === undefined || id === '' ? 'seen' : `seen ${id}`
}

/** What a client says that it has seen; `undefined` when it says something else. */
export function parseSeen(said: string): { readonly id: string | undefined } | undefined {
  if (said.length > MAX_SAID) return undefined
  if (said === 'seen') return { id: undefined }
  return said.startsWith('seen ') ? { id: said.slice('seen '.length) } : undefined
}

function names(header: string): string[] {
  return header.split(',').map((name) => name.trim())
}
