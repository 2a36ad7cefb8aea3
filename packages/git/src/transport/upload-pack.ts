/**
 * upload-pack: the server of fetches, as `POST git-upload-pack` asks it: every request holds all that it needs.
 *
 * A request that cannot be answered is answered with `ERR` and the reason, which Git shows to its user. Once the pack has
 * begun, a failure is told on side-band 3 and the stream breaks off: no client takes that for an end.
 *
 * Spec: https://git-scm.com/docs/gitprotocol-v2, https://git-scm.com/docs/gitprotocol-pack,
 * https://git-scm.com/docs/gitprotocol-http
 *
 * @module
 */
import { ByteReader } from '../byte-reader.ts'
import { GitError } from '../error.ts'
import type { Objects } from '../objects.ts'
import { encodeError } from '../protocol/pkt-line.ts'
import { OPEN_FETCH, type FetchPolicy } from './fetch-policy.ts'
import type { ProtocolVersion } from './refs.ts'
import { answerV0 } from './upload-pack-v0.ts'
import { answerV2 } from './upload-pack-v2.ts'

/** How fetches are served. */
export interface UploadPackOptions {
  /** What the client asked for, see `protocolVersion`. */
  readonly version: ProtocolVersion
  /** What the caller may fetch; what {@link OPEN_FETCH} says when left out. */
  readonly policy?: FetchPolicy | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Answers one request, in the state that `objects` have.
 *
 * The stream fails where the answer cannot be finished and must then be cut off, not ended. What it fails with went to
 * the client already, where that was possible.
 */
export async function* uploadPack(
  objects: Objects,
  source: AsyncIterable<Uint8Array>,
  options: UploadPackOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { version, policy = OPEN_FETCH, signal } = options
  const reader = new ByteReader(source, 'a request')
  const serving = { objects, policy, signal }
  let isPack = false
  try {
    for await (const piece of version === 2
      ? answerV2(reader, serving)
      : answerV0(reader, serving)) {
      isPack ||= piece.isPack
      yield piece.bytes
    }
  } catch (error) {
    if (isPack || !(error instanceof GitError)) throw error
    yield encodeError(error.message)
  }
}
