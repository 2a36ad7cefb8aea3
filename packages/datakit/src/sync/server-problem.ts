/**
 * What a DataKit server says is wrong: JSON of an error in the body of an answer. Whoever answers in its place may say anything, and
 * without end.
 *
 * Spec: docs/sync-protocol.md, "Errors"
 *
 * @module
 */
import { concat, text } from '@datakit/git/bytes'

/** Bytes of a body that are read: more than any that our server sends but lists of parts, of which there are 128 at most. */
const MOST = 64 * 1024

/** Why a server says no. */
export interface Problem {
  readonly code: string
  readonly message: string
}

/** What the server says is wrong; `undefined` where it is not a DataKit server that speaks. */
export async function readProblem(response: Response): Promise<Problem | undefined> {
  const type = response.headers.get('content-type')?.split(';')[0]?.trim()
  if (type === 'application/json') return parseProblem(await readShort(response).catch(() => ''))
  await response.body?.cancel().catch(() => undefined)
  return undefined
}

/** What a DataKit server says is wrong: `{ error: { code, message } }`, if it is that. */
export function parseProblem(json: string): Problem | undefined {
  try {
    const told: unknown = JSON.parse(json)
    // Every field is checked before it is used.
    const { code, message } = (told as { error: { code: unknown; message: unknown } }).error
    return typeof code === 'string' && typeof message === 'string' ? { code, message } : undefined
  } catch {
    return undefined
  }
}

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
