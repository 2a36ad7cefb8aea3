/**
 * Trouble with the storage of this browser, as far as a person can do something about it.
 *
 * @module
 */
import { NotHereError } from '@datakit/git/error'

/** What is wrong. */
export type Trouble =
  /** There is no room. */
  | 'full'
  /** What was kept here is not here any more. */
  | 'gone'
  /** A newer version of the page wrote it. */
  | 'newer'
  /** A tab with an older version of the page is in the way. */
  | 'older'
  /** The browser's database fails again and again. */
  | 'broken'
  /** The browser lets the page keep nothing. */
  | 'blocked'
  /** What is kept here is not what was written. */
  | 'damaged'

const byName: Readonly<Record<string, Trouble>> = {
  'storage-full': 'full',
  'storage-gone': 'gone',
  'storage-newer': 'newer',
  'storage-older': 'older',
  'storage-broken': 'broken',
  'storage-blocked': 'blocked',
  malformed: 'damaged',
  QuotaExceededError: 'full',
  SecurityError: 'blocked',
  InvalidStateError: 'broken',
  UnknownError: 'broken',
}

const sentences: Readonly<Record<Exclude<Trouble, 'damaged'>, string>> = {
  full: 'the storage of this browser is full',
  gone: 'this browser has deleted what was kept here',
  newer: 'a newer version of this page is in use here; reload the page',
  older: 'another tab runs an older version of this page; close or reload it',
  broken: 'the browser lost its storage',
  blocked: 'this browser does not let pages keep anything',
}

/** The trouble that an error comes from; `undefined` when it has nothing to do with the storage. */
export function troubleOf(error: unknown): Trouble | undefined {
  const trouble = firstTrouble(error)
  // What a network made of an answer is not what is kept here.
  return trouble === 'damaged' && isLeft(error) ? undefined : trouble
}

/** Whether something cannot be read because it was left with the server. */
export function isLeft(error: unknown): error is NotHereError {
  return error instanceof NotHereError
}

function firstTrouble(error: unknown): Trouble | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const reason = 'reason' in cause ? cause.reason : undefined
    const code = 'code' in cause ? cause.code : undefined
    for (const name of [reason, code, cause.name]) {
      const trouble = typeof name === 'string' ? byName[name] : undefined
      if (trouble !== undefined) return trouble
    }
  }
  return undefined
}

/** Whether an error comes from an object that is missing or is not what its name says, wherever that went wrong. */
export function isOfObjects(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if ('code' in cause && (cause.code === 'malformed' || cause.code === 'missing')) return true
  return false
}

/** A trouble in words; that something is damaged only its error can say. */
export function explainTrouble(trouble: Trouble): string | undefined {
  return trouble === 'damaged' ? undefined : sentences[trouble]
}
