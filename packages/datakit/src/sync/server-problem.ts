/**
 * What a DataKit server says is wrong: JSON of an error in the body of an answer. Whoever answers in its place may say anything, and
 * without end.
 *
 * Spec: docs/sync-protocol.md, "Errors"
 *
 * @module
 */
import { readShort } from '@datakit/git/short-body'
import { SyncError } from '../error.ts'

/** Why a server says no. */
export interface Problem {
  readonly code: string
  readonly message: string
}

/** The error of an answer that is none to sync: the server says no, or something else answered. `type` is its content type. */
export async function refusal(
  url: string,
  response: Response,
  type = 'no content type',
): Promise<SyncError> {
  const { status } = response
  const told = await readProblem(response)
  if (response.ok)
    return new SyncError(
      'not-datakit',
      `Cannot sync with ${url}: no DataKit server answered (${type})`,
      response,
    )
  const code =
    told?.code ?? (status === 401 ? 'unauthorised' : status >= 500 ? 'unavailable' : 'not-datakit')
  const message = told?.message ?? `no DataKit server answered (${status})`
  const retryAfter = retryAfterOf(response.headers)
  return new SyncError(code, `Cannot sync: ${message}`, { status, retryAfter })
}

/** `Retry-After` in milliseconds, a day at most: timers cannot wait for longer than 24. A moment counts from the server's own clock: ours may be wrong by years. */
export function retryAfterOf(headers: Headers): number {
  const told = headers.get('retry-after') ?? ''
  const moment = Date.parse(told) - Date.parse(headers.get('date') ?? '')
  return Math.min(864e5, Math.max(0, Number(told) * 1000 || moment || 0))
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
