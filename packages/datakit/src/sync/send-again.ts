/**
 * Sending a request again that was not answered, or that a server was too busy for.
 *
 * @module
 */
import { SyncError } from '../error.ts'
import { wait } from '../wait.ts'

/** How often one request is sent to a server that is busy. */
const MAX_ATTEMPTS = 4
/** How often one is sent that nobody answers: who is offline should hear it soon. */
const MAX_SILENT = 2
/** Longest wait between two attempts, in milliseconds. A server that asks for more is left to the next sync. */
const MAX_WAIT = 5_000

/** What can stop it. */
interface SendOptions {
  readonly signal?: AbortSignal | undefined
}

/** What `send` gives, tried again as often as how it ended allows. @throws SyncError as the last try */
export function persist<Result>(
  options: SendOptions,
  send: () => Promise<Result>,
): Promise<Result> {
  return send().catch((error: unknown) => sendAgain(options, send, error))
}

/** The same, where the first try has failed with `error`. */
export async function sendAgain<Result>(
  { signal }: SendOptions,
  send: () => Promise<Result>,
  error: unknown,
): Promise<Result> {
  let failure = error
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted()
    if (!(failure instanceof SyncError)) throw failure
    if (attempt >= attemptsFor(failure) || failure.retryAfter > MAX_WAIT) throw detailed(failure)
    // At most 100 ms times 27: there are no more attempts.
    const pause = 100 * 3 ** attempt * (0.5 + Math.random())
    await wait(failure.retryAfter + pause, signal)
    try {
      return await send()
    } catch (again) {
      failure = again
    }
  }
}

/** The error with what Node says only behind its "fetch failed". */
function detailed(error: SyncError): SyncError {
  const { code, message, cause } = error
  const why = cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : ''
  return why && code === 'offline' ? new SyncError(code, `${message} (${why})`, { cause }) : error
}

/** How often the same request may be sent when it ended like this. */
function attemptsFor({ code, status }: SyncError): number {
  if (code === 'offline') return MAX_SILENT
  return [429, 502, 503, 504].includes(status) ? MAX_ATTEMPTS : 1
}
