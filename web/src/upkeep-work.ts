/**
 * What upkeep does to a repository of this browser, in its worker or, where there is none, in the page.
 *
 * @module
 */
import type { Place } from '@datakit/git/place'
import { portableRuntime } from '@datakit/git/runtime/portable'
import { keepUp } from '@datakit/storage/upkeep'
import { verifyPacks } from '@datakit/storage/verify'
import type { UpkeepOrder } from './upkeep.ts'

/** Milliseconds that a page may still read a pack that was merged into another. */
const GRACE = 10 * 60_000

/** Does it, and gives what is wrong with what a server sent, a sentence for each. */
export async function keepPlaceUp(
  place: Place,
  does: UpkeepOrder['does'],
): Promise<readonly string[]> {
  // What is condemned goes first: the packs that others are merged into need room themselves.
  if (does === 'free') await place.sweep({ grace: 0 })
  if (does === 'repair') await repair(place)
  const { damaged } = await keepUp(place, portableRuntime, { grace: does === 'free' ? 0 : GRACE })
  return damaged.length === 0 ? [] : answerDamage(place)
}

/** Takes back what leads to packs that are not what they should be; what nothing leads to any more is written anew without it. */
async function answerDamage(place: Place): Promise<readonly string[]> {
  const { explainTakenBack, takeBack } = await import('@datakit/datakit/take-back')
  const { Repository } = await import('@datakit/datakit/repository')
  const taken = await takeBack(await Repository.open(place, { runtime: portableRuntime }))
  if (taken.length > 0) {
    // A person knows branches; the mirror of the server's goes back with them.
    const [branches, others] = [true, false].map((isBranch) =>
      taken.filter(({ ref }) => ref.startsWith('refs/heads/') === isBranch),
    )
    return [...(branches ?? []), ...(others ?? [])].map(explainTakenBack)
  }
  await repair(place)
  // What is whole by now, because it came again, is no news.
  const { damaged } = await verifyPacks(place, portableRuntime)
  return damaged.map(
    ({ problem }) =>
      `Something that the server sent is damaged, and is not passed on: ${problem}. It is asked for again when it is read; if this stays, the server's copy is damaged: have it checked`,
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
