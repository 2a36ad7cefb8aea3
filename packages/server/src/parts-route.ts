/**
 * Parts of packs: a large pack that is sent over several requests, so that a connection that is cut costs one part.
 *
 * Who may push may ask which parts of a pack are here, and send others. The sync that names the pack reads them, through the
 * same checks as a pack that stands in the request.
 *
 * Spec: docs/sync-protocol.md
 *
 * @module
 */
import { concat } from '@datakit/git/bytes'
import { GitError, MalformedError, RefusedError } from '@datakit/git/error'
import { isOid } from '@datakit/git/oid'
import { PART_BYTES, SYNC_TYPE } from '@datakit/git/protocol/sync'
import type { Upload, Uploads } from '@datakit/git/uploads'
import type { RouteContext } from './app.ts'
import { checkRefusal } from './policy.ts'
import { ProblemError } from './problem.ts'

/** Memory of a request that brings a part, in bytes: the pieces, and the part that is made of them. */
const PART_CHARGE = 2 * PART_BYTES + 1024 * 1024

/** Answers `GET /NAME.git/sync/PACK`: the numbers of the parts that are here. */
export async function listPartsRoute(context: RouteContext): Promise<Response> {
  const { upload, uploads } = await open(context)
  const numbers = [...(await uploads.list(upload)).keys()].sort((a, b) => a - b)
  return Response.json({ parts: numbers }, { headers: { 'cache-control': 'no-store' } })
}

/** Answers `PUT /NAME.git/sync/PACK/NUMBER`: keeps a part. */
export async function putPartRoute(context: RouteContext): Promise<Response> {
  const { request, limits, admission } = context
  const { upload, uploads, number } = await open(context)
  if (request.headers.get('content-type') !== SYNC_TYPE)
    throw new ProblemError('wrong-type', `A part of a pack has the content type ${SYNC_TYPE}`)
  if (number * PART_BYTES >= limits.packBytes) throw tooLarge(limits.packBytes)
  await admission.run(PART_CHARGE, request.signal, async () => {
    const pieces: Uint8Array[] = []
    for await (const piece of context.body.read(PART_BYTES)) pieces.push(piece)
    const bytes = concat(pieces)
    if (bytes.length === 0) throw new MalformedError('a part of a pack', 'it is empty')
    await uploads.write(upload, number, bytes)
  })
  return Response.json({}, { headers: { 'cache-control': 'no-store' } })
}

/** @throws ProblemError `forbidden`, `not-found` */
async function open(
  context: RouteContext,
): Promise<{ readonly upload: Upload; readonly uploads: Uploads; readonly number: number }> {
  const { uploads, repositories, request, name } = context
  const [, pack = '', part = '0'] =
    /\.git\/sync\/([^/]+)(?:\/(\d{1,6}))?$/.exec(pathOf(request)) ?? []
  if (uploads === undefined || !isOid(pack))
    throw new ProblemError(
      'not-found',
      `Nothing is at ${pathOf(request)}: no pack is taken in parts there`,
    )
  const { policy } = await repositories.openWith(context.policyOf, name)
  checkRefusal(name, policy.push.refusal)
  return { upload: { repository: name, pack }, uploads, number: Number(part) }
}

function pathOf({ url }: Request): string {
  return new URL(url).pathname
}

/**
 * The bytes of a pack that was uploaded in parts.
 *
 * @throws RefusedError `parts-gone` when one of them is not here, `too-large` when they are more than `limit` bytes
 */
export async function* readParts(
  uploads: Uploads | undefined,
  upload: Upload,
  { size, limit }: { readonly size: number; readonly limit: number },
): AsyncGenerator<Uint8Array> {
  if (size > limit) throw tooLarge(limit)
  for (let at = 0; at < size; at += PART_BYTES) {
    const bytes = await uploads?.read(upload, at / PART_BYTES)
    if (bytes === undefined || bytes.length !== Math.min(PART_BYTES, size - at)) throw partsGone()
    yield bytes
  }
}

/** Whether a pack that was uploaded in parts is of no use any more: it was taken, or never can be. */
export function isSpent(problem: unknown): boolean {
  if (problem === undefined) return true
  return problem instanceof GitError && !KEPT.has(problem.code)
}

/** After these the same request may come again. */
const KEPT: ReadonlySet<string> = new Set(['unavailable', 'parts-gone', 'stage-expired'])

function tooLarge(limit: number): RefusedError {
  return new RefusedError(
    'too-large',
    `The pack is larger than ${limit} bytes, which is the limit here`,
  )
}

function partsGone(): RefusedError {
  return new RefusedError(
    'parts-gone',
    'Not all parts of the pack are here, or not any more. Nothing was changed; ask which are, send the others and sync again',
  )
}
