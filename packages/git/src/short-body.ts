/**
 * The body of an answer that is not what was asked for: words of a server, or of whoever answers in its place, which may say anything
 * and without end.
 *
 * @module
 */
import { concat, text } from './bytes.ts'

/** Bytes that are read. */
const MOST = 64 * 1024

/** A body as text, as far as the first 64 KiB of it; nobody waits for the rest. @throws when the connection breaks */
export async function readShort({ body }: Response): Promise<string> {
  const reader = body?.getReader()
  const pieces: Uint8Array[] = []
  for (let size = 0; reader !== undefined && size < MOST;) {
    const { done, value } = await reader.read()
    if (done) break
    pieces.push(value)
    size += value.length
  }
  await reader?.cancel().catch(() => undefined)
  return text(concat(pieces).subarray(0, MOST))
}
