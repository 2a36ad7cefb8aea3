/**
 * Headers: the lines above the message of a commit and of a tag.
 *
 * A header is a word, a space and a value; lines that begin with a space go on with the value of the line above. An
 * empty line ends them, and the message follows.
 *
 * @module
 */
import { decodeName, encodeName } from './bytes.ts'
import { encodeOid, isOid } from './oid.ts'

/** One header. The value has its lines joined by line feeds, without the space that a following line begins with. */
export interface Header {
  readonly name: string
  readonly value: string
}

/** Headers and message, and whether they were written as {@link encodeHeaders} writes them. */
export interface HeadersAndMessage {
  readonly headers: readonly Header[]
  readonly message: string
}

/** Takes a body apart. Never fails: a line without a space is a header without a value. */
export function decodeHeaders(body: Uint8Array): HeadersAndMessage {
  const text = decodeName(body)
  const end = text.startsWith('\n') ? 0 : text.indexOf('\n\n') + 1
  const isWhole = end > 0 || text.startsWith('\n')
  const lines = (isWhole ? text.slice(0, Math.max(end - 1, 0)) : text.replace(/\n$/, '')).split(
    '\n',
  )
  const headers: { name: string; value: string }[] = []
  for (const line of lines) {
    const last = headers.at(-1)
    if (line.startsWith(' ') && last !== undefined) last.value += `\n${line.slice(1)}`
    else if (line !== '') headers.push(splitLine(line))
  }
  return { headers, message: isWhole ? text.slice(end + 1) : '' }
}

/** The body of headers and a message. */
export function encodeHeaders({ headers, message }: HeadersAndMessage): Uint8Array<ArrayBuffer> {
  const lines = headers.map(({ name, value }) => `${name} ${value.replaceAll('\n', '\n ')}\n`)
  return encodeName(`${lines.join('')}\n${message}`)
}

/** Whether `word` is written at `at`. */
export function startsWith(body: Uint8Array, at: number, word: string): boolean {
  for (let i = 0; i < word.length; i++) if (body[at + i] !== word.charCodeAt(i)) return false
  return true
}

/** The oid of a line `WORD oid` at `at`, as bytes; `word` ends with the space. `undefined` unless the line is just that. */
export function lineOid(body: Uint8Array, at: number, word: string): Uint8Array | undefined {
  const start = at + word.length
  if (!startsWith(body, at, word) || body[start + 40] !== 10) return undefined
  const hex = String.fromCharCode(...body.subarray(start, start + 40))
  return isOid(hex) ? encodeOid(hex) : undefined
}

function splitLine(line: string): { name: string; value: string } {
  const space = line.indexOf(' ')
  if (space < 0) return { name: line, value: '' }
  return { name: line.slice(0, space), value: line.slice(space + 1) }
}
