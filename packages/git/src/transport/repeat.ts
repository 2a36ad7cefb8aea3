/**
 * Repeat: the outcome of a request that came before, for a caller who lost the answer.
 *
 * @module
 */
import { toHex, utf8 } from '../bytes.ts'
import { RefusedError } from '../error.ts'
import type { Objects } from '../objects.ts'
import type { Head, Place, RefUpdate, UpdateRequest, Version } from '../place.ts'
import type { ReceiveOutcome, ReceiveRequest, RefOutcome } from './receive.ts'
import { headFor } from './ref-rules.ts'
import { settleUpdate } from './settle.ts'

/**
 * Id of one attempt at a request: its own at first. An attempt that was lost for reasons that are not the caller's is
 * followed by another one, which the place must not take for the first.
 */
export function attemptId(objects: Objects, id: string, attempt: number): string {
  if (attempt === 0) return id
  return toHex(objects.runtime.sha1(utf8(`${id} ${attempt}`)))
}

/** How a request ended that was made before under the same id; `undefined` when it was not. */
export async function repeatOutcome(
  objects: Objects,
  request: ReceiveRequest,
): Promise<ReceiveOutcome | undefined> {
  const { state } = objects
  for (let attempt = 0; ; attempt++) {
    const id = attemptId(objects, request.id, attempt)
    const receipt = await state.receipt(id)
    if (receipt === undefined)
      return attempt === 0 ? undefined : outcomeOf(objects, request, { at: 0, version: undefined })
    if (receipt.outcome === 'lost') continue
    const version = await versionOf(objects, request, id)
    if (version === undefined)
      return outcomeOf(objects, request, { at: receipt.at, version: state.version })
    const refs = request.updates.map(({ name }): RefOutcome => ({ name, state: 'done' }))
    return { refs, problem: undefined, version }
  }
}

/** The version that the whole request led to; `undefined` when something else was done under the id, or a part of it. */
async function versionOf(
  objects: Objects,
  request: ReceiveRequest,
  id: string,
): Promise<Version | undefined> {
  for (const head of possibleHeads(request)) {
    try {
      const { log, shallow, promised } = request
      const update: UpdateRequest = { id, refs: request.updates, head, log, shallow, promised }
      const outcome = await settleUpdate(objects.place, update, request.signal)
      return outcome.state === 'done' ? outcome.version : undefined
    } catch (error) {
      if (!(error instanceof RefusedError) || error.code !== 'receipt-mismatch') throw error
    }
  }
  return undefined
}

/** What may have been asked of HEAD: it depended on a repository that was new then. */
function possibleHeads(request: ReceiveRequest): (UpdateRequest['head'] | undefined)[] {
  if (request.head !== undefined) return [request.head]
  const firsts: Head[] = [{ ref: 'refs/heads/main' }, { ref: 'refs/heads/master' }]
  return [undefined, ...firsts.flatMap((from) => headFor(from, request.updates) ?? [])]
}

/**
 * What can be said of the refs: those that are where they should be are done, if anything was, and so are those that were there
 * and have moved on since. A ref that somebody else had moved there before is not in the update that the receipt is of.
 */
async function outcomeOf(
  { place, state }: Objects,
  { updates }: { readonly updates: readonly RefUpdate[] },
  { at, version }: { readonly at: number; readonly version: Version | undefined },
): Promise<ReceiveOutcome> {
  const refs: RefOutcome[] = []
  for (const { name, to } of updates) {
    const current = await state.ref(name)
    const isDone =
      version !== undefined && (current === to || (await wasAt(place, { name, to }, at - SLACK)))
    refs.push(isDone ? { name, state: 'done' } : { name, state: 'lost', current })
  }
  return { refs, problem: undefined, version }
}

/** Lines of a log that are looked at. */
const MAX_LINES = 10_000
/** How much older than its receipt the line of a move may be, in milliseconds: lines of Git have seconds, and clocks differ. */
const SLACK = 60_000

/** Whether a ref was moved there since then, in milliseconds since 1970, as far back as its log is looked at. */
async function wasAt(
  place: Place,
  { name, to }: Pick<RefUpdate, 'name' | 'to'>,
  since: number,
): Promise<boolean> {
  let lines = 0
  for await (const line of place.log(name)) {
    if (line.to === to && line.at >= since) return true
    if (++lines === MAX_LINES) return false
  }
  return false
}
