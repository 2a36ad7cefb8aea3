/**
 * Oid: the name of an object, which is the SHA-1 of what it holds.
 *
 * As text everywhere a person or a program passes it on; as 20 bytes in the tables that have one for every object.
 *
 * Spec: https://git-scm.com/docs/gitglossary#def_object_name
 *
 * @module
 */
import { concat, toHex } from './bytes.ts'
import { MalformedError } from './error.ts'

declare const oidBrand: unique symbol

/** Name of an object: forty lower-case hexadecimal digits. */
export type Oid = string & { readonly [oidBrand]: true }

/** Bytes in an oid. */
export const OID_BYTES = 20

/** What Git writes where there is no object: forty zeros. Never the name of one. */
export const ZERO_OID = '0000000000000000000000000000000000000000' as Oid

/** Name of the tree without entries. */
export const EMPTY_TREE = '4b825dc642cb6eb9a060e54bf8d69288fbee4904' as Oid

/** Whether the text is an oid, in Git's own spelling. */
export function isOid(text: string): text is Oid {
  return /^[0-9a-f]{40}$/.test(text)
}

/**
 * The oid that the text spells.
 *
 * @throws MalformedError unless it is forty lower-case hexadecimal digits
 */
export function parseOid(text: string): Oid {
  if (isOid(text)) return text
  throw new MalformedError(
    'an oid',
    `expected forty lower-case hexadecimal digits, found "${text.slice(0, 60)}"`,
  )
}

/** The oid whose 20 bytes begin at `offset`. The caller has made sure that they are there. */
export function readOid(bytes: Uint8Array, offset = 0): Oid {
  // Twenty bytes in hexadecimal are forty lower-case digits, whatever they are.
  return toHex(bytes.subarray(offset, offset + OID_BYTES)) as Oid
}

/** Writes the 20 bytes of `oid` at `offset`. */
export function writeOid(oid: Oid, bytes: Uint8Array, offset = 0): void {
  for (let i = 0; i < OID_BYTES; i++)
    bytes[offset + i] = nibble(oid, 2 * i) * 16 + nibble(oid, 2 * i + 1)
}

/** The 20 bytes of `oid`, in an array of their own. */
export function encodeOid(oid: Oid): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(OID_BYTES)
  writeOid(oid, bytes)
  return bytes
}

/** The bytes of all `oids`, one after the other. */
export function encodeOids(oids: readonly Oid[]): Uint8Array<ArrayBuffer> {
  return concat(oids.map((oid) => encodeOid(oid)))
}

/** The oids whose bytes are one after the other in `bytes`. */
export function decodeOids(bytes: Uint8Array): Oid[] {
  return Array.from({ length: bytes.length / OID_BYTES }, (_, i) => readOid(bytes, i * OID_BYTES))
}

/** Compares the oids at `i` in `a` and at `j` in `b`. */
export function compareAt(a: Uint8Array, i: number, b: Uint8Array, j: number): number {
  for (let k = 0; k < OID_BYTES; k++) {
    const difference = (a[i + k] ?? 0) - (b[j + k] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

function nibble(oid: Oid, i: number): number {
  const code = oid.charCodeAt(i)
  return code < 58 ? code - 48 : code - 87
}
