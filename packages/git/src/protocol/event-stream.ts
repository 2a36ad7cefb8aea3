/**
 * Event streams: the framing of server-sent events. Lines of `field: value`, an empty line behind each event.
 *
 * Spec: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 *
 * @module
 */
import { utf8 } from '../bytes.ts'
import { MalformedError } from '../error.ts'

/** The content type of a stream. */
export const EVENT_STREAM = 'text/event-stream'

/** Something that came over a stream. */
export type StreamItem =
  | {
      readonly kind: 'event'
      /** `message` where the server gave none. */
      readonly type: string
      readonly data: string
      /** The id of this event or, where it has none, of the last one that had; empty when none had. */
      readonly id: string
    }
  /** How long to wait before the next connection, in milliseconds. */
  | { readonly kind: 'retry'; readonly milliseconds: number }
  /** Says that the connection lives, and nothing else. */
  | { readonly kind: 'comment' }

/** A comment: keeps a connection alive. */
export function encodeComment(text = ''): Uint8Array<ArrayBuffer> {
  return utf8(`: ${text}\n\n`)
}

/** Says how long to wait before the next connection. */
export function encodeRetry(milliseconds: number): Uint8Array<ArrayBuffer> {
  return utf8(`retry: ${milliseconds}\n\n`)
}

/** The lines in front of the data of an event. `type` and `id` have no line ends. */
export function eventHead(type: string, id: string | undefined): string {
  return `event: ${type}\n${id === undefined ? '' : `id: ${id}\n`}`
}

/** Longest event that is read, in characters. */
const MAX_EVENT = 64 * 1024 * 1024

/**
 * The items of a stream as they come. What stands behind the last empty line is no event.
 *
 * @throws MalformedError when an event is longer than 64 Mi characters
 */
export async function* readEventStream(
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<StreamItem, void, undefined> {
  const reader = new EventReader()
  for await (const line of linesOf(pieces)) {
    const item = reader.take(line)
    if (item !== undefined) yield item
  }
}

/** Takes lines and gives what they make. */
class EventReader {
  #type = ''
  #data: string[] = []
  #length = 0
  #id = ''

  take(line: string): StreamItem | undefined {
    if (line === '') return this.#dispatch()
    const colon = line.indexOf(':')
    if (colon === 0) return { kind: 'comment' }
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'event') this.#type = value
    if (field === 'data') this.#add(value)
    if (field === 'id' && !value.includes('\0')) this.#id = value
    if (field === 'retry' && /^\d{1,9}$/.test(value))
      return { kind: 'retry', milliseconds: Number(value) }
    return undefined
  }

  #add(value: string): void {
    this.#length += value.length
    if (this.#length > MAX_EVENT) throw tooLong()
    this.#data.push(value)
  }

  #dispatch(): StreamItem | undefined {
    const [data, type] = [this.#data, this.#type]
    this.#data = []
    this.#length = 0
    this.#type = ''
    if (data.length === 0) return undefined
    return {
      kind: 'event',
      type: type === '' ? 'message' : type,
      data: data.join('\n'),
      id: this.#id,
    }
  }
}

/** Lines, whichever of the three line ends they have. */
async function* linesOf(
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder()
  const parts: string[] = []
  let length = 0
  let endsInReturn = false
  for await (const piece of pieces) {
    let text = decoder.decode(piece, { stream: true })
    // A line feed that belongs to a return at the end of the piece before.
    if (endsInReturn && text.startsWith('\n')) text = text.slice(1)
    if (text === '') continue
    endsInReturn = text.endsWith('\r')
    const lines = text.split(/\r\n|\r|\n/)
    const last = lines.pop() ?? ''
    for (const line of lines) {
      yield parts.splice(0).join('') + line
      length = 0
    }
    length += last.length
    if (length > MAX_EVENT) throw tooLong()
    if (last !== '') parts.push(last)
  }
}

function tooLong(): MalformedError {
  return new MalformedError('an event stream', `an event is longer than ${MAX_EVENT} characters`)
}
