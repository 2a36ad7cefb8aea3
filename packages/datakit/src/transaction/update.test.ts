import { UnavailableError } from '@datakit/git/error'
import { parseOid } from '@datakit/git/oid'
import type { Place, UpdateOutcome } from '@datakit/git/place'
import { memoryPlace } from '@datakit/storage/memory'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { publish } from './update.ts'

const MAIN = 'refs/heads/main'
const FIRST = parseOid('1'.repeat(40))
const wish = {
  refs: [{ name: MAIN, from: undefined, to: FIRST }],
  log: { who: 'Ada <ada@example.org>', why: 'commit: edit' },
}

// No waiting between two attempts.
beforeEach(() => void vi.spyOn(Math, 'random').mockReturnValue(0))
afterEach(() => void vi.restoreAllMocks())

type Fate = 'loses the answer' | 'does nothing' | 'fails' | 'answers'

/** A place that does what it is told to, update by update, and answers in the end. */
function placeWith(fates: readonly Fate[]): Place {
  const place = memoryPlace()
  const rest = [...fates]
  return {
    ...place,
    async update(request): Promise<UpdateOutcome> {
      const fate = rest.length > 1 ? rest.shift() : rest[0]
      if (fate === 'fails') throw new UnavailableError('The database is gone')
      if (fate === 'answers') return place.update(request)
      if (fate === 'loses the answer') await place.update(request)
      return { state: 'unknown', cause: new Error('cut off') }
    },
  }
}

it.each<Fate>(['loses the answer', 'does nothing'])(
  'asks a place that %s again, and updates once',
  async (fate) => {
    const place = placeWith([fate, 'answers'])
    expect((await publish(place, wish)).state).toBe('done')
    const lines = []
    for await (const line of place.log(MAIN)) lines.push(line)
    expect(lines).toHaveLength(1)
  },
)

it('asks on when a place fails after an answer was lost: nobody knows yet', async () => {
  const place = placeWith(['loses the answer', 'fails', 'fails', 'answers'])
  expect((await publish(place, wish)).state).toBe('done')
})

it('passes on at once that nothing has happened', async () => {
  const place = placeWith(['fails', 'answers'])
  await expect(publish(place, wish)).rejects.toThrow('The database is gone')
  expect(await (await place.read()).ref(MAIN)).toBeUndefined()
})

it('says that the update may have been made when the place never answers', async () => {
  const place = placeWith(['loses the answer', 'fails'])
  const failure = { code: 'unavailable', message: expect.stringContaining('may have been made') }
  await expect(publish(place, wish)).rejects.toMatchObject(failure)
})
