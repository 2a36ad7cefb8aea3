/**
 * Upkeep, off the page's thread: packs that a server sent are proved, small ones are merged, what was left over goes.
 *
 * Takes one message, which repository, and gives one answer.
 *
 * @module
 */
import type { Place } from '@datakit/git/place'
import { portableRuntime } from '@datakit/git/runtime/portable'
import { indexedDbDepot } from '@datakit/storage/indexeddb'
import { keepUp } from '@datakit/storage/upkeep'
import type { DamagedPack } from '@datakit/storage/verify'
import type { UpkeepAnswer, UpkeepOrder } from './upkeep.ts'

declare const self: DedicatedWorkerGlobalScope

/** Milliseconds that a page may still read a pack that was merged into another. */
const GRACE = 10 * 60_000

self.addEventListener('message', (event: MessageEvent<UpkeepOrder>) => {
  void answer(event.data).then((said) => self.postMessage(said))
})

async function answer({ name, does }: UpkeepOrder): Promise<UpkeepAnswer> {
  try {
    const depot = indexedDbDepot()
    const place = await depot.open(name)
    // What is condemned goes first: the packs that others are merged into need room themselves.
    if (does === 'free') await place.sweep({ grace: 0 })
    if (does === 'repair') await repair(place)
    const grace = does === 'free' ? 0 : GRACE
    const { damaged } = await keepUp(place, portableRuntime, { grace })
    const said = damaged.length === 0 ? [] : await answerDamage(place, damaged)
    await place.close()
    return { damaged: said, problem: undefined }
  } catch (error) {
    return { damaged: [], problem: error instanceof Error ? error.message : String(error) }
  }
}

/** Takes back what leads to packs that are not what they should be; what nothing leads to any more is written anew without it. */
async function answerDamage(place: Place, damaged: readonly DamagedPack[]): Promise<string[]> {
  const { explainTakenBack, takeBack } = await import('@datakit/datakit/take-back')
  const { Repository } = await import('@datakit/datakit/repository')
  const taken = await takeBack(await Repository.open(place, { runtime: portableRuntime }))
  if (taken.length > 0) return taken.map(explainTakenBack)
  await repair(place)
  return damaged.map(
    ({ problem }) => `Something that the server sent is damaged, and is not passed on: ${problem}`,
  )
}

async function repair(place: Place): Promise<void> {
  const { checkPlace } = await import('@datakit/storage/fsck/check-place')
  const { repairPlace } = await import('@datakit/storage/fsck/repair-place')
  const check = checkPlace(place, portableRuntime)
  let step = await check.next()
  while (step.done !== true) step = await check.next()
  const mending = repairPlace(place, portableRuntime, { health: step.value, options: {} })
  // What could not be mended is met again by whoever reads it.
  for await (const event of mending) if (event.kind === 'mended') console.warn(event.message)
}
