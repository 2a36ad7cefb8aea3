/**
 * A writer in a thread of its own, with a connection of its own, as another tab would be. For tests.
 *
 * @module
 */
import type { Place, UpdateRequest } from '@datakit/git/place'
import { settle } from '../../test/samples.ts'
import { openIndexedDbPlace } from './place.ts'

/** What a writer is told: to open a database, or to make an update. */
export type WriterOrder = { readonly open: string } | { readonly update: UpdateRequest }

let place: Place | undefined

addEventListener('message', async ({ data }: MessageEvent<WriterOrder>) => {
  if ('open' in data) {
    place = await openIndexedDbPlace(data.open)
    postMessage('open')
    return
  }
  if (place) postMessage((await settle(place, data.update)).state)
})
