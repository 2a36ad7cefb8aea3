/**
 * Whose fault it is that an answer could not be taken: nearly always the server's, but a delta of it may be made of an object
 * that is damaged here.
 *
 * @module
 */
import { MalformedError, MissingError, RefusedError } from '@datakit/git/error'
import { SyncError } from '../error.ts'
import type { Repository } from '../repository.ts'
import { addressOf } from './server-address.ts'
import { type ServerOptions } from './sync-exchange.ts'

/** What to throw for an error that was met while an answer was taken: a `SyncError` of code `malformed` where the answer is wrong. */
export async function faultOf(
  { store }: Repository,
  server: ServerOptions,
  error: unknown,
): Promise<unknown> {
  if (!isOfData(error)) return error
  const { packs } = await store.state()
  // Ids of packs are random: whoever names one of ours means it.
  if (packs.some(({ id }) => error.message.includes(id))) return error
  const { url } = addressOf(server)
  return new SyncError('malformed', `Cannot sync with ${url}: ${error.message}`, { cause: error })
}

/** Whether it is about objects, or refs that cannot be beside each other, and not about a place that does not answer. */
function isOfData(error: unknown): error is Error {
  if (error instanceof RefusedError) return error.code === 'ref-conflict'
  return error instanceof MalformedError || error instanceof MissingError
}
