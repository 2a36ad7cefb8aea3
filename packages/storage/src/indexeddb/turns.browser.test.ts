import type { UpdateOutcome } from '@datakit/git/place'
import { afterEach, expect, it, vi } from 'vitest'
import { deletePlaces, openPlace } from '../../test/indexeddb-places.ts'
import { move, oid, request } from '../../test/samples.ts'
import { crowd, PATIENCE, type Crowd } from './turns.ts'

const DONE: UpdateOutcome = { state: 'done', version: 'r.1' }
const LOST: UpdateOutcome = { state: 'lost', refs: new Map(), head: undefined, packs: [] }
const MAIN = 'refs/heads/main'

const channels: BroadcastChannel[] = []
afterEach(async () => {
  for (const channel of channels.splice(0)) channel.close()
  vi.restoreAllMocks()
  await deletePlaces()
})

/** A place of which another has just been faster. */
function crowded(name: string): Crowd {
  const channel = new BroadcastChannel(name)
  channels.push(channel)
  const place: Crowd = { channel, inTurn: (update) => update() }
  crowd(place)
  return place
}

/** An update that is under way until it is told how it ends. */
function slow() {
  const begun = Promise.withResolvers<void>()
  const { promise, resolve: end } = Promise.withResolvers<UpdateOutcome>()
  const update = (): Promise<UpdateOutcome> => {
    begun.resolve()
    return promise
  }
  return { begun: begun.promise, update, end }
}

// Seen to fail when nobody waits, and when who loses lets go.
it('lets whoever loses try again before those who came later', async () => {
  const [first, second] = [crowded('turns-kept'), crowded('turns-kept')]
  const order: string[] = []
  const { begun, update, end } = slow()
  const losing = first.inTurn(update)
  await begun
  const later = second.inTurn(async () => {
    order.push('later')
    return DONE
  })
  end(LOST)
  expect(await losing).toEqual(LOST)
  await first.inTurn(async () => {
    order.push('again')
    return DONE
  })
  await later
  expect(order).toEqual(['again', 'later'])
})

it('goes on when whoever lost does not come again', async () => {
  const [first, second] = [crowded('turns-gone'), crowded('turns-gone')]
  expect(await first.inTurn(async () => LOST)).toEqual(LOST)
  const started = performance.now()
  expect(await second.inTurn(async () => DONE)).toEqual(DONE)
  expect(performance.now() - started).toBeLessThan(PATIENCE)
})

it('goes on when an update rejects', async () => {
  const [first, second] = [crowded('turns-rejected'), crowded('turns-rejected')]
  const failing = first.inTurn(async () => {
    throw new Error('the disk')
  })
  await expect(failing).rejects.toThrow('the disk')
  expect(await second.inTurn(async () => DONE)).toEqual(DONE)
})

// Seen to fail when it waits without an end.
it('takes the turn from who does not move, as a frozen page, and gives it back to nobody', async () => {
  const [frozen, second, third] = ['a', 'b', 'c'].map(() => crowded('turns-frozen'))
  const { begun, update, end } = slow()
  const holding = frozen?.inTurn(update)
  await begun
  const started = performance.now()
  expect(await second?.inTurn(async () => DONE)).toEqual(DONE)
  expect(performance.now() - started).toBeGreaterThan(PATIENCE / 2)
  end(DONE)
  expect(await holding).toEqual(DONE)
  expect(await third?.inTurn(async () => DONE)).toEqual(DONE)
})

it('goes without where the browser has no locks', async () => {
  vi.spyOn(navigator, 'locks', 'get').mockImplementation(() => {
    throw new DOMException('No', 'SecurityError')
  })
  expect(await crowded('turns-none').inTurn(async () => DONE)).toEqual(DONE)
})

// Seen to fail when a place tells nobody of what it lost.
it('is taken by all who have a repository open, once one of them has lost', async () => {
  const asked = vi.spyOn(navigator.locks, 'request')
  const one = await openPlace()
  const other = await openPlace(one.name)
  await one.update(request([move(MAIN, undefined, oid(1))]))
  expect(asked).not.toHaveBeenCalled()
  const lost = await other.update(request([move(MAIN, undefined, oid(2))]))
  expect(lost.state).toBe('lost')
  await expect
    .poll(async () => {
      await one.update(request([move('refs/heads/more', undefined, undefined)]))
      return asked.mock.calls.length
    })
    .toBeGreaterThan(0)
})
