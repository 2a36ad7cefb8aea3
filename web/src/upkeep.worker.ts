/**
 * Upkeep, off the page's thread: packs that a server sent are proved, small ones are merged, what was left over goes.
 *
 * Takes one message, which repository, and gives one answer.
 *
 * @module
 */
import { portableRuntime } from '@datakit/git/runtime/portable'
import { indexedDbDepot } from '@datakit/storage/indexeddb'
import { keepUp } from '@datakit/storage/upkeep'
import type { UpkeepAnswer, UpkeepOrder } from './upkeep.ts'

declare const self: DedicatedWorkerGlobalScope

/** Milliseconds that a page may still read a pack that was merged into another. */
const GRACE = 10 * 60_000

self.addEventListener('message', (event: MessageEvent<UpkeepOrder>) => {
  void answer(event.data).then((said) => self.postMessage(said))
})

async function answer({ name, frees }: UpkeepOrder): Promise<UpkeepAnswer> {
  try {
    const depot = indexedDbDepot()
    const place = await depot.open(name)
    // What is condemned goes first: the packs that others are merged into need room themselves.
    if (frees) await place.sweep({ grace: 0 })
    const { damaged } = await keepUp(place, portableRuntime, { grace: frees ? 0 : GRACE })
    await place.close()
    return { damaged: damaged.map(({ problem }) => problem), problem: undefined }
  } catch (error) {
    return { damaged: [], problem: error instanceof Error ? error.message : String(error) }
  }
}
