/**
 * A worker of a tab: a writer in a thread of its own, with a connection of its own.
 *
 * @module
 */
import type { Place } from '@datakit/git/place'
import { openIndexedDbPlace } from '../src/indexeddb/place.ts'
import { commitFrom, commitUntilDone, type WriterOrder } from './tab-writer.ts'

let place: Place | undefined

async function obey(order: WriterOrder): Promise<string> {
  if ('open' in order) {
    place = await openIndexedDbPlace(order.open)
    return 'open'
  }
  if (!place) throw new Error('Expected to be told what to open first')
  if ('numbers' in order) return commitUntilDone(place, order.numbers)
  return commitFrom(place, order.from, order.number)
}

addEventListener('message', async ({ data }: MessageEvent<WriterOrder>) => {
  postMessage(await obey(data).catch(String))
})
