/**
 * Names of many objects, the large ones off the thread.
 *
 * @module
 */
import { objectHeader, type GitObject, type ObjectType } from '../object.ts'
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
  return namePartsBytes(runtime, type, [body])
}

/** The same, of a body that is in parts. */
export function namePartsBytes(
  runtime: Runtime,
  type: ObjectType,
  parts: readonly Uint8Array[],
): Uint8Array | Promise<Uint8Array> {
  let size = 0
  for (const part of parts) size += part.length
  const header = objectHeader(type, size)
  if (size <= LARGE_BODY) return runtime.sha1(header, ...parts)
  size += header.length
  scratch ??= new Uint8Array(SCRATCH)
  const whole = size > SCRATCH ? new Uint8Array(size) : scratch.subarray(0, size)
  let at = 0
  for (const part of [header, ...parts]) {
    whole.set(part, at)
    at += part.length
  }
  return runtime.digest(whole)
}
