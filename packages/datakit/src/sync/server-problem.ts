/**
 * What a DataKit server says is wrong: JSON of an error in the body of an answer. Whoever answers in its place may say anything, and
 * without end.
 *
 * Spec: docs/sync-protocol.md, "Errors"
 *
 * @module
 */
import { readShort } from '@datakit/git/short-body'

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
