/**
 * Upkeep, off the page's thread: packs that a server sent are proved, small ones are merged, what was left over goes.
 *
 * Takes one message, which repository, and gives one answer.
 *
 * @module
 */
import { indexedDbDepot } from '@datakit/storage/indexeddb'
import { keepPlaceUp } from './upkeep-work.ts'
import type { UpkeepAnswer, UpkeepOrder } from './upkeep.ts'

declare const self: DedicatedWorkerGlobalScope

self.addEventListener('message', (event: MessageEvent<UpkeepOrder>) => {
  void answer(event.data).then((said) => self.postMessage(said))
})

async function answer({ name, does }: UpkeepOrder): Promise<UpkeepAnswer> {
  try {
    const place = await indexedDbDepot().open(name)
    const damaged = await keepPlaceUp(place, does)
    await place.close()
    return { damaged, problem: undefined }
  } catch (error) {
    return { damaged: [], problem: error instanceof Error ? error.message : String(error) }
  }
}
