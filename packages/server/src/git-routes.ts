/**
 * Git's smart HTTP: what stock clients clone, fetch and push by.
 *
 * Spec: https://git-scm.com/docs/gitprotocol-http
 *
 * @module
 */
import type { Objects } from '@datakit/git/objects'
import { ALL_REFS } from '@datakit/git/transport/reach'
import { PushTalk } from '@datakit/git/transport/push-talk'
import { advertiseReceivePack, receivePack } from '@datakit/git/transport/receive-pack'
import { advertiseUploadPack, protocolVersion } from '@datakit/git/transport/refs'
import { uploadPack } from '@datakit/git/transport/upload-pack'
import { chargeOf } from './admission.ts'
import type { RouteContext } from './app.ts'
import { startedStreamOf, type RequestBody } from './body.ts'
import type { Limits } from './limits.ts'
import { checkRefusal } from './policy.ts'
import { ProblemError } from './problem.ts'
import { receiveLimits } from './rules.ts'

const UPLOAD = 'git-upload-pack'
const RECEIVE = 'git-receive-pack'

/** Nothing of a repository's state may come from a cache. */
const noCache = {
  'cache-control': 'no-cache, max-age=0, must-revalidate',
  expires: 'Fri, 01 Jan 1980 00:00:00 GMT',
  pragma: 'no-cache',
}

/** Answers `GET /NAME.git/info/refs?service=…`. */
export async function advertiseRefs(context: RouteContext): Promise<Response> {
  const { request, name, repositories } = context
  const service = new URL(request.url).searchParams.get('service')
  if (service !== UPLOAD && service !== RECEIVE) {
    throw new ProblemError(
      'forbidden',
      service === null
        ? "Only Git's smart protocol is spoken here; this client asked for the dumb one"
        : `Unknown service "${service.slice(0, 80)}": expected ${UPLOAD} or ${RECEIVE}`,
    )
  }
  const version = protocolVersion(request.headers.get('git-protocol') ?? undefined)
  const { objects, policy } = await repositories.openWith(context.policyOf, name)
  // A push makes a repository, so there is always something to push to.
  if (service === UPLOAD) mustExist(objects, context)
  const { fetch, push } = policy
  checkRefusal(name, service === UPLOAD ? fetch.refusal : push.refusal)
  const refs =
    service === UPLOAD
      ? await advertiseUploadPack(objects, { version, policy: fetch })
      : await advertiseReceivePack(objects.state, {
          version: version === 1 ? 1 : 0,
          readable: push.receive.readable ?? ALL_REFS,
          lent: push.receive.proven?.tips,
          takesOptions: push.takesOptions,
          takesAtomic: push.takesAtomic,
          nonce: push.certificates?.nonce,
        })
  return new Response(refs, {
    headers: { 'content-type': `application/x-${service}-advertisement`, ...noCache },
  })
}

/** Answers `POST /NAME.git/git-upload-pack`: clone and fetch. */
export async function uploadPackRoute(context: RouteContext): Promise<Response> {
  const { request, name, repositories, limits } = context
  checkType(request, UPLOAD)
  const { objects, policy } = await repositories.openWith(context.policyOf, name)
  mustExist(objects, context)
  const { fetch } = policy
  checkRefusal(name, fetch.refusal)
  const version = protocolVersion(request.headers.get('git-protocol') ?? undefined)
  const answer = uploadPack(objects, context.body.read(limits.requestBytes), {
    version,
    policy: fetch,
    signal: request.signal,
  })
  const { promise: sent, resolve } = Promise.withResolvers<void>()
  context.finish(sent)
  const stream = await startedStreamOf(withRest(answer, context.body, resolve), context.streamOf)
  return new Response(stream, { headers: headersOf(UPLOAD) })
}

/** The answer, then what nobody has read of the request. `onEnd` is called when it ends, however it does. */
async function* withRest(
  answer: AsyncIterable<Uint8Array>,
  body: RequestBody,
  onEnd: () => void,
): AsyncGenerator<Uint8Array> {
  try {
    yield* answer
    await body.discard()
  } finally {
    onEnd()
  }
}

/** Answers `POST /NAME.git/git-receive-pack`: push. */
export async function receivePackRoute(context: RouteContext): Promise<Response> {
  const { request, name, repositories, limits } = context
  checkType(request, RECEIVE)
  const { objects, policy } = await repositories.openWith(context.policyOf, name)
  const { push } = policy
  checkRefusal(name, push.refusal)
  const talk = new PushTalk({ keepAlive: push.keepAlive })
  const body = context.body.read(mostBytes(limits))
  const finished = context.admission.run(chargeOf(lengthOf(request)), request.signal, async () => {
    const report = await receivePack(objects, body, {
      who: context.whoPushes(request),
      policy: push.receive,
      limits: receiveLimits(limits, policy),
      takesCertificates: push.certificates !== undefined,
      talk,
      signal: request.signal,
    })
    await context.body.discard()
    context.changed(objects.place)
    return report
  })
  context.finish(finished)
  const answer = talk.answer(finished, context.log)
  return new Response(await startedStreamOf(answer), { headers: headersOf(RECEIVE) })
}

/** Bytes of a push that are read, what is thrown away of one that was refused included. */
function mostBytes({ packBytes, requestBytes }: Limits): number {
  return 2 * packBytes + requestBytes
}

/** Bytes of a body, where that was announced and is what will come out of it. */
function lengthOf({ headers }: Request): number | undefined {
  const length = headers.get('content-length')
  return length === null || headers.has('content-encoding') ? undefined : Number(length)
}

/** @throws ProblemError `not-found`, which says how it would be made */
export function mustExist(objects: Objects, { request, name }: RouteContext): void {
  if (objects.state.exists) return
  const { origin } = new URL(request.url)
  throw new ProblemError(
    'not-found',
    `Repository "${name}" not found. A first push makes it: git push ${origin}/${name}.git BRANCH`,
  )
}

function checkType(request: Request, service: string): void {
  const expected = `application/x-${service}-request`
  const [type = ''] = (request.headers.get('content-type') ?? '').split(';')
  if (type.trim().toLowerCase() === expected) return
  throw new ProblemError('wrong-type', `A ${service} request has the content type ${expected}`)
}

function headersOf(service: string): Record<string, string> {
  return { 'content-type': `application/x-${service}-result`, ...noCache }
}
