/**
 * What a caller of the model can do wrong, or must be told.
 *
 * Outcomes that a caller has to handle (a conflict, a branch that moved) are values, never errors. What is thrown besides
 * these comes from `@datakit/git/error`: a corrupt store, a place that is out of reach.
 *
 * @module
 */

/** The base of every error that this package throws, wrong arguments aside: see `argument.ts`. */
export class DataKitError extends Error {
  override readonly name: string = 'DataKitError'
  /** Stable name of the kind of error; outlives the class when the error crosses an isolate. */
  readonly code: string = 'datakit'
}

/** Why a path cannot be used for what was asked. */
export type PathProblem =
  /** It is not a path that Git can keep, or that is safe to check out. */
  | 'bad-path'
  /** A file was asked for, and a directory is there. */
  | 'is-a-directory'
  /** A step on the way is a file. */
  | 'not-a-directory'
  /** Nothing is there. */
  | 'not-found'
  /** Something is there already. */
  | 'exists'

/** A path that cannot be used for what was asked; nothing was changed. */
export class PathError extends DataKitError {
  override readonly name = 'PathError'
  override readonly code: PathProblem
  readonly path: string

  constructor(code: PathProblem, path: string, problem: string, options?: ErrorOptions) {
    super(`Cannot use the path "${path}": ${problem}`, options)
    this.code = code
    this.path = path
  }
}

/** A transaction that was committed or given up is used again, or has conflicts that nobody resolved. */
export class TransactionError extends DataKitError {
  override readonly name = 'TransactionError'
  override readonly code: 'closed' | 'conflicts'

  constructor(code: 'closed' | 'conflicts', message: string) {
    super(message)
    this.code = code
  }
}

/** A branch that cannot be used for what was asked; nothing was changed. */
export class BranchError extends DataKitError {
  override readonly name = 'BranchError'
  /** `exists`: there is a branch of that name. `gone`: there is none. */
  override readonly code: 'exists' | 'gone'
  readonly branch: string

  constructor(code: 'exists' | 'gone', branch: string, problem: string) {
    super(`Cannot use the branch "${branch}": ${problem}`)
    this.code = code
    this.branch = branch
  }
}

/** The facts that a {@link SyncError} carries. */
export interface SyncErrorOptions extends ErrorOptions {
  readonly status?: number
  readonly retryAfter?: number
}

/** The server, or whatever answered in its place, did not speak the sync protocol or said no. */
export class SyncError extends DataKitError {
  override readonly name = 'SyncError'
  /**
   * `offline` (no answer), `not-datakit` (something else answered, such as the login page of a network), `unauthorized`,
   * `not-found`, `busy`, `malformed` (an answer that cannot be: the cause says what is wrong), or the code that the server gave.
   */
  override readonly code: string
  /** HTTP status, 0 when there was no answer. */
  readonly status: number
  /** How long the server asks to be left alone, in milliseconds; 0 where it does not say. */
  readonly retryAfter: number

  constructor(code: string, message: string, options?: SyncErrorOptions) {
    super(message, options)
    this.code = code
    this.status = options?.status ?? 0
    this.retryAfter = options?.retryAfter ?? 0
  }
}
