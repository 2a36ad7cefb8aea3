/**
 * Care: a repository is checked or repaired on request, for its operator: `POST /NAME.git/fsck` and `POST /NAME.git/repair`.
 *
 * The answer is a line of JSON for each thing that is said, as it is said, and `{"kind":"end"}` in the end; an answer without that
 * was cut off. A repair takes a pack of objects in its body, from which it restores what is lost.
 *
 * @module
 */
import { utf8 } from '@datakit/git/bytes'
import type { RouteContext } from './app.ts'
import { startedStreamOf } from './body.ts'
import { ProblemError } from './problem.ts'
import { checkRepositoryName } from './repository-name.ts'

/** What looks after repositories. Brought by whoever starts the server, since places are not known here. */
export interface Care {
  /** Checks a repository and changes nothing. What it gives is sent as JSON. */
  check(name: string, options: { readonly signal: AbortSignal }): AsyncIterable<object>
  /** Mends a repository, with objects of a pack where there is one. */
  repair(
    name: string,
    options: { readonly pack: AsyncIterable<Uint8Array>; readonly signal: AbortSignal },
  ): AsyncIterable<object>
}

/** Answers `POST /NAME.git/fsck`. */
export async function checkRoute({ care, name, request }: RouteContext): Promise<Response> {
  checkRepositoryName(name)
  return answer(mustCare(care).check(name, { signal: request.signal }))
}

/** Answers `POST /NAME.git/repair`. */
export async function repairRoute(context: RouteContext): Promise<Response> {
  const { care, name, request, body, limits } = context
  checkRepositoryName(name)
  const pack = body.read(limits.requestBytes)
  return answer(mustCare(care).repair(name, { pack, signal: request.signal }))
}

function mustCare(care: Care | undefined): Care {
  if (care !== undefined) return care
  throw new ProblemError(
    'not-found',
    'This server does not check its repositories itself: run "datakit fsck" on its folder',
  )
}

async function answer(events: AsyncIterable<object>): Promise<Response> {
  return new Response(await startedStreamOf(lines(events)), {
    headers: { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' },
  })
}

async function* lines(events: AsyncIterable<object>): AsyncGenerator<Uint8Array> {
  for await (const event of events) yield utf8(`${JSON.stringify(event)}\n`)
  yield utf8('{"kind":"end"}\n')
}
