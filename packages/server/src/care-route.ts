/**
 * Care: a repository is checked or repaired on request, for its operator: `POST /NAME.git/fsck` and `POST /NAME.git/repair`.
 *
 * The answer is a line of JSON for each thing that is said, as it is said, and `{"kind":"end"}` in the end; an answer without that
 * was cut off. One request does as much as fits into it: where there is more to be done, the line before the end is
 * `{"kind":"next","cursor":"…"}`, and the same request with `?cursor=…` goes on. A step that was cut off is asked for once more. A repair
 * takes a pack of objects in the body of its first request, from which it restores what is lost.
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
  /** Does a step of a check of a repository, which changes nothing. What it gives is sent as JSON. */
  check(name: string, options: CareOptions): AsyncIterable<object>
  /** Does a step of mending a repository, the first one with objects of a pack where there is one. */
  repair(
    name: string,
    options: CareOptions & { readonly pack: AsyncIterable<Uint8Array> },
  ): AsyncIterable<object>
}

/** What a step is told. */
export interface CareOptions {
  /** Where the step before has ended; `undefined` for the first one. */
  readonly cursor: string | undefined
  readonly signal: AbortSignal
}

/** Answers `POST /NAME.git/fsck`. */
export async function checkRoute({ care, name, request }: RouteContext): Promise<Response> {
  checkRepositoryName(name)
  return answer(mustCare(care).check(name, optionsOf(request)))
}

/** Answers `POST /NAME.git/repair`. */
export async function repairRoute(context: RouteContext): Promise<Response> {
  const { care, name, request, body, limits } = context
  checkRepositoryName(name)
  const pack = body.read(limits.requestBytes)
  return answer(mustCare(care).repair(name, { ...optionsOf(request), pack }))
}

function optionsOf({ url, signal }: Request): CareOptions {
  return { cursor: new URL(url).searchParams.get('cursor') ?? undefined, signal }
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
