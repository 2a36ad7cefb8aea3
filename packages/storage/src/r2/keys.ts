/**
 * Keys: the names of things in the bucket, and what can be told from them.
 *
 * | key | what it is |
 * | --- | --- |
 * | `root/NAME` | the one mutable object of a repository |
 * | `p/REPOSITORY/ID` | a pack with its index |
 * | `t/REPOSITORY/ID` | a table that was moved out of the root |
 * | `l/REPOSITORY/ID` | a piece of the log |
 * | `r/REPOSITORY/DIGEST` | that an update was lost |
 * | `tmp/REPOSITORY/ID/N` | a piece of a pack that is still coming |
 * | `up/DIGEST/PACK/N` | a part of a pack that is uploaded over several requests, see `uploads.ts` |
 * | `c/REPOSITORY/ID` | how far a check has come |
 *
 * An id is the time at which it was made and ten random bytes, so the age of whatever it names is known from its key. The
 * digest is of the id of an update.
 *
 * @module
 */
import { toHex } from '@datakit/git/bytes'
import { RefusedError } from '@datakit/git/error'
import type { PackId } from '@datakit/git/place'

/** Where the keys of all roots begin. */
export const ROOT_PREFIX = 'root/'

/** What kinds of immutable objects a repository has; the first step of their keys. */
export type ObjectKind = 'p' | 't' | 'l' | 'r' | 'tmp' | 'c'

/** Every kind, for a sweep. */
export const OBJECT_KINDS: readonly ObjectKind[] = ['p', 't', 'l', 'r', 'tmp', 'c']

// R2 takes 1,024 bytes; the rest is left to whoever puts a bucket behind a prefix.
const MAX_KEY = 900

/**
 * The key of a repository's root.
 *
 * @throws RefusedError `bad-name` when a step of the name is empty, `.` or `..`, or it has control characters, is not
 *   UTF-8 or is too long
 */
export function rootKey(name: string): string {
  const steps = name.split('/')
  const odd = steps.some((step) => step === '' || step === '.' || step === '..')
  // oxlint-disable-next-line no-control-regex
  if (odd || /[\u0000-\u001f\u007f\\]/.test(name) || !name.isWellFormed()) throw badName(name)
  const key = ROOT_PREFIX + steps.map(encodeURIComponent).join('/')
  if (key.length > MAX_KEY) throw badName(name)
  return key
}

/** The name of the repository whose root has this key; `undefined` when the key is not one that {@link rootKey} makes. */
export function nameOfRoot(key: string): string | undefined {
  try {
    const name = key.slice(ROOT_PREFIX.length).split('/').map(decodeURIComponent).join('/')
    return rootKey(name) === key ? name : undefined
  } catch {
    return undefined
  }
}

/** A new id: the time in milliseconds since 1970 in twelve hexadecimal digits, then twenty random ones. */
export function timedId(now: number): string {
  const random = toHex(crypto.getRandomValues(new Uint8Array(10)))
  return now.toString(16).padStart(12, '0') + random
}

/** When the id at the end of a key (or of a pack id) was made, in milliseconds since 1970; `undefined` if there is none. */
export function timeOfKey(key: string): number | undefined {
  const id = /[/-]([0-9a-f]{32})(\/\d{1,6})?$/.exec(key)?.[1]
  return id === undefined ? undefined : Number.parseInt(id.slice(0, 12), 16)
}

/** The key of something immutable that belongs to a repository. */
export function objectKey(kind: ObjectKind, repository: string, id: string): string {
  return `${kind}/${repository}/${id}`
}

/** Whether a key is of what remembers that an update was lost; the only kind without its time in the key. */
export function isLoss(key: string): boolean {
  return key.startsWith('r/')
}

/** Where the keys of one kind begin in a repository. */
export function objectPrefix(kind: ObjectKind, repository: string): string {
  return `${kind}/${repository}/`
}

/** The name of a pack: of the repository that it was written for, and its own. */
export function packId(repository: string, id: string): PackId {
  return `${repository}-${id}`
}

/** The key of a pack; `undefined` when the id cannot be one of ours. */
export function packKey(id: PackId): string | undefined {
  return /^[0-9a-f]{32}-[0-9a-f]{32}$/.test(id) ? `p/${id.replace('-', '/')}` : undefined
}

/** The pack that a key names; `undefined` for other keys. */
export function packOfKey(key: string): PackId | undefined {
  return /^p\/[0-9a-f]{32}\/[0-9a-f]{32}$/.test(key) ? key.slice(2).replace('/', '-') : undefined
}

function badName(name: string): RefusedError {
  return new RefusedError(
    'bad-name',
    `Cannot open a repository: "${name.slice(0, 200)}" cannot be a name`,
  )
}
