/**
 * Brief exchanges: to a server whose refs are those of its last answer, a client says so and leaves out what it has of them, and
 * is answered with those that differ. What goes over the wire follows the change, and not the number of refs: with 5,000 branches
 * each sync sends 200 kB and gets 400 kB otherwise.
 *
 * Who syncs again and again with one server keeps one of these. A sync that does not, or the first one, names all it has.
 *
 * Spec: docs/sync-protocol.md, "A brief request"
 *
 * @module
 */
import { MalformedError } from '@datakit/git/error'
import { isOid, type Oid } from '@datakit/git/oid'
import type { SyncRequest, SyncResponse } from '@datakit/git/protocol/sync'
import { isRefName } from '@datakit/git/ref-name'
import { SyncError } from '../error.ts'
import { exchange, type Answer, type ServerOptions } from './sync-exchange.ts'

/** Longest pack, in bytes, that is sent on the chance that the server has not moved: if it has, it goes a second time. */
const SMALL = 64 * 1024
/** Fewer refs are named: that costs less than asking twice now and then. */
const FEW = 8

/** What the last answer told, of a server that takes brief requests. */
interface Told {
  readonly url: string
  readonly repository: string
  readonly version: string
  readonly refs: ReadonlyMap<string, Oid>
}

/** Sends requests as `exchange` does, and briefly where it can; for {@link SyncOptions.exchange}, one for each repository. */
export function briefExchange(): typeof exchange {
  let told: Told | undefined
  return async (server, request, pack) => {
    const last = told
    const isBrief = last !== undefined && isCovered(last, { server, request, pack })
    const brief = isBrief ? await askBriefly(last, { server, request, pack }) : undefined
    const answer = brief ?? (await exchange(server, request, pack))
    told = toldBy(server, answer.header)
    return answer
  }
}

interface Sending {
  readonly server: ServerOptions
  readonly request: SyncRequest
  readonly pack: Uint8Array
}

/** Whether the client has all that the refs of that answer point at, and asks for all that is new. */
function isCovered({ url, repository, refs }: Told, { server, request, pack }: Sending): boolean {
  const { choice, held, resume, objects } = request
  if ([choice, held, resume, objects].some((part) => part !== undefined)) return false
  if (url !== server.url || repository !== request.repository) return false
  if (refs.size < FEW || pack.length > SMALL) return false
  // An answer that was cut off, or dropped for another, has told of refs that are not here.
  const haves = new Set(request.haves)
  return [...refs.values()].every((oid) => haves.has(oid))
}

/** `undefined` when the server has moved, and must be told what is here. */
async function askBriefly(
  last: Told,
  { server, request, pack }: Sending,
): Promise<Answer | undefined> {
  const brief = { ...request, known: last.version, haves: [], brief: true }
  try {
    const answer = await exchange(server, brief, pack)
    const moved = await movedRefs(last.refs, answer.header).catch(async (error: unknown) => {
      await answer.close()
      throw error
    })
    const refs = [...moved].map(([name, oid]) => ({ name, oid }))
    // Whoever goes on with an answer names what he has; so little is asked for anew.
    return { ...answer, header: { ...answer.header, refs, resume: undefined } }
  } catch (error) {
    if (error instanceof SyncError && error.code === 'known-gone') return undefined
    throw error
  }
}

/** The refs of the server, from those before and the moves that it tells. @throws MalformedError when it tells none */
async function movedRefs(
  refs: Told['refs'],
  { brief, refs: all }: SyncResponse,
): Promise<Map<string, Oid>> {
  if (!Array.isArray(brief) || all !== undefined)
    throw malformed('it does not tell which refs moved')
  const moved = new Map(refs)
  // What is in it may be anything, and is looked at.
  for (const move of brief as readonly unknown[]) {
    const { name, oid } = (move ?? {}) as { readonly name?: unknown; readonly oid?: unknown }
    if (typeof name !== 'string' || !isRefName(name)) throw malformed('a ref has no name')
    if (oid === undefined || oid === null) moved.delete(name)
    else if (typeof oid === 'string' && isOid(oid)) moved.set(name, oid)
    else throw malformed(`it tells of no oid for "${name}"`)
  }
  return moved
}

function malformed(problem: string): MalformedError {
  return new MalformedError('an answer to a brief request', problem)
}

/** What can be counted from at the next request; `undefined` where the server takes no brief ones, or told no refs. */
function toldBy({ url }: ServerOptions, header: SyncResponse): Told | undefined {
  const { brief, refs, repository, version } = header
  if (!Array.isArray(brief) || refs === undefined || repository === '') return undefined
  return { url, repository, version, refs: new Map(refs.map(({ name, oid }) => [name, oid])) }
}
