/**
 * The runtime of browsers, and of anything that runs JavaScript.
 *
 * @module
 */
import { deflateZlib, storeZlib } from '../deflate.ts'
import { MalformedError } from '../error.ts'
import { inflateZlib } from '../inflate.ts'
import type { Runtime } from '../runtime.ts'
import { Sha1, sha1 } from '../sha1.ts'

/** Bodies from this many bytes on are hashed by the platform, where hashing takes longer than waiting for the answer. */
const PLATFORM_DIGEST = 16 * 1024

/** SHA-1 and inflating by this package; compression, and large digests where there is `crypto.subtle`, by the platform. */
export const portableRuntime: Runtime = {
  storesUpTo: 4096,
  sha1,
  async digest(bytes) {
    // `undefined` on pages that did not come over HTTPS, whatever the types say.
    const subtle: SubtleCrypto | undefined = crypto.subtle
    if (subtle === undefined || bytes.length < PLATFORM_DIGEST) return sha1(bytes)
    return new Uint8Array(await subtle.digest('SHA-1', bytes as Uint8Array<ArrayBuffer>))
  },
  hasher() {
    return new Sha1()
  },
  async deflate(body, level = 6) {
    return level === 0 ? storeZlib(body) : deflateZlib(body)
  },
  inflate(bytes, start, end, size) {
    const inflated = inflateZlib(bytes, { start, end, size })
    if (inflated === undefined)
      throw new MalformedError('a zlib stream', `it is cut short: expected ${size} bytes`)
    return inflated.body
  },
  inflateOpen(bytes, start, size, makeRoom) {
    return inflateZlib(bytes, { start, end: bytes.length, size, makeRoom })
  },
}
