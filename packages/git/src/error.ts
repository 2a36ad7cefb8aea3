/**
 * What can go wrong while reading, keeping or passing on Git's objects.
 *
 * One base, and a subclass only where some caller acts on the difference. `code` is stable and crosses isolates and the
 * wire, where classes do not.
 *
 * @module
 */

/** The base of every error that this package throws, wrong arguments aside. */
export class GitError extends Error {
  override readonly name: string = 'GitError'
  /** Stable name of the kind of error; outlives the class when the error crosses an isolate. */
  readonly code: string = 'git'
}

/** Bytes that are not what their place in the format says they must be. */
export class MalformedError extends GitError {
  override readonly name: string = 'MalformedError'
  override readonly code = 'malformed'

  constructor(what: string, problem: string, options?: ErrorOptions) {
    super(`Cannot read ${what}: ${problem}`, options)
  }
}

/** An object every copy of which is damaged; the cause says how. */
export class DamagedError extends MalformedError {
  override readonly name = 'DamagedError'
  readonly oid: string

  constructor(oid: string, cause: MalformedError) {
    super(`object ${oid}`, `no copy of it is whole. ${cause.message}`, { cause })
    this.oid = oid
  }
}

/** An object, a pack or a ref that should be there and is not: the store is corrupt or a name is wrong. */
export class MissingError extends GitError {
  override readonly name = 'MissingError'
  override readonly code = 'missing'
  /** What is missing: an oid, a pack id or a ref name. */
  readonly missing: string

  constructor(what: string, missing: string, options?: ErrorOptions) {
    super(`Cannot read ${what}: "${missing}" is not there; name another, or fetch it`, options)
    this.missing = missing
  }
}

/** An object that a shallow or partial store left with its remote, and the remote is out of reach. */
export class NotHereError extends GitError {
  override readonly name = 'NotHereError'
  override readonly code = 'not-here'
  readonly oid: string
  /** Name of the remote that promised the object. */
  readonly remote: string
  /** Where it is wanted, if whoever wanted it knows. */
  readonly path: string | undefined

  constructor(oid: string, remote: string, options?: ErrorOptions & { readonly path?: string }) {
    const path = options?.path
    super(
      `Cannot read ${path === undefined ? oid : `"${path}" (${oid})`}: it was left with the remote "${remote}"; connect and try again`,
      options,
    )
    this.oid = oid
    this.remote = remote
    this.path = path
  }
}

/** What a server says to whoever needs an object that it left with a remote: it asks nobody on behalf of others. */
export function lackOf({ oid }: NotHereError): string {
  return `This repository is a partial clone that lacks ${oid}, and it fetches nothing for others: fetch with --filter=blob:none, or from where it was cloned`
}

/** A request that was understood and will not be done: a rule or a limit says no. */
export class RefusedError extends GitError {
  override readonly name = 'RefusedError'
  override readonly code: string

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** A feature of Git that is recognised and not offered: sha256, reftable. */
export class UnsupportedError extends GitError {
  override readonly name = 'UnsupportedError'
  override readonly code = 'unsupported'
}

/**
 * Why a place cannot answer. Those that begin with `storage-` are of a browser:
 *
 * - `storage-full`: the disk or the quota is used up; nothing was written
 * - `storage-gone`: the repository that was there before is not there any more
 * - `storage-newer`, `storage-older`: a newer version of the program wrote it; a tab of an older one keeps it open
 * - `storage-broken`: the database fails, again and again
 * - `storage-blocked`: the browser lets the page keep nothing
 */
export type UnavailableReason =
  | 'unavailable'
  | 'storage-full'
  | 'storage-gone'
  | 'storage-newer'
  | 'storage-older'
  | 'storage-broken'
  | 'storage-blocked'

/** A place that cannot answer at the moment: its connection died, its disk is full, its service is busy. */
export class UnavailableError extends GitError {
  override readonly name = 'UnavailableError'
  override readonly code = 'unavailable'
  /** For those who can do something about it. */
  readonly reason: UnavailableReason

  constructor(
    message: string,
    options?: ErrorOptions & { readonly reason?: UnavailableReason | undefined },
  ) {
    super(message, options)
    this.reason = options?.reason ?? 'unavailable'
  }
}
