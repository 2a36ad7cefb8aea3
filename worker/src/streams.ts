/**
 * Streams of workerd: what is written has been sent, or copied, when the write resolves, so that one buffer serves a whole
 * answer. Answers of any length cost no more memory than a piece.
 *
 * @module
 */

/** A stream of pieces that are each valid until the next one is asked for. An error of theirs aborts the answer. */
export function streamOf(source: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const { readable, writable } = new IdentityTransformStream()
  void pump(source, writable.getWriter())
  return readable
}

async function pump(
  source: AsyncIterable<Uint8Array>,
  writer: WritableStreamDefaultWriter<Uint8Array>,
): Promise<void> {
  try {
    for await (const piece of source) {
      const isSent = await writer.write(piece).then(
        () => true,
        () => false,
      )
      // Nobody reads any more.
      if (!isSent) return
    }
    await writer.close().catch(() => undefined)
  } catch (error) {
    console.error(error)
    // Whoever reads the stream sees it break off.
    await writer.abort(error).catch(() => undefined)
  }
}
