/**
 * Names of many objects, the large ones off the thread.
 *
 * @module
 */
import { objectHeader, type GitObject } from '../object.ts'
import type { Runtime } from '../runtime.ts'

/** Bodies above this are named by `Runtime.digest`. */
const LARGE_BODY = 64 * 1024

/** Up to this many bytes, header and body are put together in memory that is used again and again. */
const SCRATCH = 1024 * 1024

// Fresh memory for a large tree costs as much as hashing it.
let scratch: Uint8Array | undefined

/** The 20 bytes of the name; a promise for large bodies alone, since waiting costs more than naming a small one. */
export function objectNameBytes(
  runtime: Runtime,
  { type, body }: GitObject,
): Uint8Array | Promise<Uint8Array> {
  const header = objectHeader(type, body.length)
  if (body.length <= LARGE_BODY) return runtime.sha1(header, body)
  const size = header.length + body.length
  scratch ??= new Uint8Array(SCRATCH)
  const whole = size > SCRATCH ? new Uint8Array(size) : scratch.subarray(0, size)
  whole.set(header)
  whole.set(body, header.length)
  return runtime.digest(whole)
}
