/**
 * Names of many objects, the large ones off the thread.
 *
 * @module
 */
import { objectHeader, type GitObject } from '../object.ts'
import type { Runtime } from '../runtime.ts'

/** Bodies above this are named by `Runtime.digest`. */
const LARGE_BODY = 64 * 1024

/** The 20 bytes of the name; a promise for large bodies alone, since waiting costs more than naming a small one. */
export function objectNameBytes(
  runtime: Runtime,
  { type, body }: GitObject,
): Uint8Array | Promise<Uint8Array> {
  const header = objectHeader(type, body.length)
  if (body.length <= LARGE_BODY) return runtime.sha1(header, body)
  const whole = new Uint8Array(header.length + body.length)
  whole.set(header)
  whole.set(body, header.length)
  return runtime.digest(whole)
}
