/**
 * Push nonce: what a signed push has to name, so that nobody can send it again another time or to another server.
 *
 * It is a time and its HMAC-SHA1, as Git makes it over HTTP: any server with the same seed knows it again, whichever of them
 * made it, and `git http-backend` over the same repository, too.
 *
 * Spec: https://git-scm.com/docs/git-config#Documentation/git-config.txt-receivecertNonceSeed,
 * https://git-scm.com/docs/githooks#pre-receive (GIT_PUSH_CERT_NONCE_STATUS)
 *
 * @module
 */
import { createHmac, timingSafeEqual } from 'node:crypto'

/** How nonces are made and judged. Times are in seconds since 1970. */
export interface NonceRules {
  readonly seed: string
  /** By how many seconds one may be off and still pass for one of now; 0 when left out. */
  readonly slop?: number | undefined
}

/** What is said of a nonce, in Git's words. */
export interface NonceVerdict {
  /** The nonce that is to be believed: the one that came, where that is good, or else one of now. */
  readonly nonce: string
  readonly status: 'OK' | 'BAD' | 'MISSING' | 'SLOP'
  /** How many seconds ago a good one was made that is off by too much. */
  readonly slop: number | undefined
}

/** The nonce of a moment. */
export function makeNonce({ seed }: NonceRules, seconds: number): string {
  // The dot is the path by which `git http-backend` calls the repository. Git has the seed for the text, and not for the key.
  const mac = createHmac('sha1', `.:${seconds}`).update(seed).digest('hex')
  return `${seconds}-${mac}`
}

/** Judges the nonce that came with a push; `undefined` for none. */
export function judgeNonce(
  rules: NonceRules,
  came: string | undefined,
  seconds: number,
): NonceVerdict {
  const nonce = makeNonce(rules, seconds)
  if (came === undefined) return { nonce, status: 'MISSING', slop: undefined }
  const [, digits = ''] = /^([1-9]\d{0,15})-/.exec(came) ?? []
  const made = Number(digits)
  if (digits === '' || !isEqual(came, makeNonce(rules, made)))
    return { nonce, status: 'BAD', slop: undefined }
  const slop = seconds - made
  if (slop === 0 || Math.abs(slop) <= (rules.slop ?? 0))
    return { nonce: came, status: 'OK', slop: undefined }
  return { nonce, status: 'SLOP', slop }
}

function isEqual(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}
