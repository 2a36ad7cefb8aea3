/**
 * Objects: the four types, the header that is hashed along with the body, and the name that comes of it.
 *
 * Spec: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
 *
 * @module
 */
import { utf8 } from './bytes.ts'
import { readOid, type Oid } from './oid.ts'
import type { Runtime } from './runtime.ts'

/** What an object can be. */
export type ObjectType = 'commit' | 'tree' | 'blob' | 'tag'

/** An object as Git knows it: its type and its body, without header and compression. */
export interface GitObject {
  readonly type: ObjectType
  readonly body: Uint8Array
}

/** Number of each type in packs and in our indexes: 1 to 4. */
export const TYPE_NUMBERS = { commit: 1, tree: 2, blob: 3, tag: 4 } as const

const typeNames: readonly (ObjectType | undefined)[] = [undefined, 'commit', 'tree', 'blob', 'tag']

/** The type that a number in a pack stands for; `undefined` for deltas and for numbers that mean nothing. */
export function typeOfNumber(number: number): ObjectType | undefined {
  return typeNames[number]
}

/** What is hashed before the body: the type, the length in decimal, a zero byte. */
export function objectHeader(type: ObjectType, size: number): Uint8Array<ArrayBuffer> {
  return utf8(`${type} ${size}\0`)
}

/** The name of an object: the SHA-1 of its header and body. */
export function nameObject(runtime: Runtime, object: GitObject): Oid {
  return readOid(runtime.sha1(objectHeader(object.type, object.body.length), object.body))
}
