/**
 * Bodies and responses that nobody should give.
 *
 * @module
 */
/** A body that comes in these pieces. */
export function flow(pieces: Iterable<Uint8Array>): ReadableStream<Uint8Array> {
  const left = pieces[Symbol.iterator]()
  return new ReadableStream({
    pull(controller) {
      const { value, done } = left.next()
      if (done === true) controller.close()
      else controller.enqueue(value)
    },
  })
}

/** The bytes, one at a time. */
export function dribble(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return flow(Array.from(bytes, (byte) => Uint8Array.of(byte)))
}

/** A body that breaks off at once. */
export function broken(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start: (controller) => controller.error(new TypeError('terminated')),
  })
}

export const JSON_TYPE = 'application/json'
/** An error as a server of ours says it. */
export const ours = new TextEncoder().encode(
  '{"error":{"code":"of-ours","message":"Told by the server"}}',
)
/** What a captive portal says. */
export const html = new TextEncoder().encode('<!doctype html><h1>Sign in to continue</h1>')

/** A response with a body, where its status may have one. */
export function respond(status: number, type: string, body: BodyInit | null): Response {
  const headers = type === '' ? {} : { 'content-type': type }
  const hasNone = [204, 205, 304].includes(status)
  return new Response(hasNone ? null : body, { status, headers })
}
