/**
 * Problems: how an error becomes an HTTP answer. The only file that knows both error codes and statuses.
 *
 * @module
 */
import { GitError, lackOf, NotHereError } from '@datakit/git/error'

/** A status and what to tell the caller. */
export interface Problem {
  readonly status: number
  readonly code: string
  readonly message: string
  readonly headers?: Readonly<Record<string, string>> | undefined
}

const statuses: Readonly<Record<string, number>> = {
  malformed: 400,
  'bad-name': 400,
  'bad-request': 400,
  unauthorised: 401,
  forbidden: 403,
  'foreign-host': 403,
  'foreign-origin': 403,
  refused: 403,
  'not-found': 404,
  method: 405,
  conflict: 409,
  'repository-changed': 409,
  'known-gone': 409,
  'parts-gone': 409,
  'plan-gone': 409,
  'receipt-mismatch': 409,
  'too-large': 413,
  'wrong-type': 415,
  broken: 500,
  'not-here': 501,
  unsupported: 501,
  busy: 503,
  unavailable: 503,
  'not-set-up': 503,
}

/** An error that has an answer of its own, thrown by routes. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  readonly code: string
  readonly headers: Readonly<Record<string, string>>

  constructor(
    code: string,
    message: string,
    headers: Readonly<Record<string, string>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options)
    this.code = code
    this.headers = headers
  }
}

/** What to answer to an error. One that nobody expected says nothing of the inside: its cause goes to the log. */
export function problemOf(error: unknown): Problem {
  if (error instanceof ProblemError) {
    return {
      status: statuses[error.code] ?? 400,
      code: error.code,
      message: error.message,
      headers: error.headers,
    }
  }
  if (error instanceof GitError) {
    const status = statuses[error.code] ?? (error.name === 'RefusedError' ? 422 : 500)
    const wait = status === 503 ? { 'retry-after': '2' } : undefined
    const message = error instanceof NotHereError ? lackOf(error) : error.message
    return { status, code: error.code, message, headers: wait }
  }
  return {
    status: 500,
    code: 'internal',
    message: 'Something failed in the server; its log says what',
  }
}

/** Codes of what a server cannot do, for reasons that its operator can read in the answer. */
const foreseen: ReadonlySet<string> = new Set(['busy', 'not-here', 'not-set-up', 'unsupported'])

/** The answer to an error; those that nobody expected are logged first. */
export function expected(
  error: unknown,
  signal: AbortSignal,
  log: (error: unknown) => void,
): Problem {
  const problem = problemOf(error)
  // A client that went away is no fault of the server's, and hears nothing.
  if (problem.status >= 500 && !foreseen.has(problem.code) && !signal.aborted) log(error)
  return problem
}

/** The answer for programs: JSON `{ error: { code, message } }`. */
export function problemJson(problem: Problem): Response {
  return Response.json(
    { error: { code: problem.code, message: problem.message } },
    { status: problem.status, headers: { 'cache-control': 'no-store', ...problem.headers } },
  )
}

/** The answer for Git, which shows plain text to the person at the terminal. */
export function problemText(problem: Problem): Response {
  return new Response(`${problem.message}\n`, {
    status: problem.status,
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'no-store',
      ...problem.headers,
    },
  })
}
