/** Updates that come together, through a coordinator that gathers them. */
import { describe, expect, it } from 'vitest'
import { faultyBucket, type Faults } from '../../test/faulty-bucket.ts'
import { overR2 } from '../../../../worker/test/r2-modes.ts'
import { blob, collect, move, oid, request, settle, stage } from '../../test/samples.ts'
import { randomId } from '../update.ts'
import { r2Coordinator, type CoordinatedUpdate, type Coordinator } from './coordinator.ts'
import { r2Depot } from './depot.ts'

const WRITERS = 40

overR2(({ bucket }) => {
  /** Places of as many isolates as are asked for, over one coordinator, and what the bucket was asked. */
  function isolates(
    faults: Faults,
    wrap: (coordinator: Coordinator) => Coordinator = (coordinator) => coordinator,
  ) {
    const throttled = faultyBucket(bucket, faults)
    const coordinator = wrap(r2Coordinator(throttled, { patience: 20_000 }))
    const name = `coordinated/${randomId()}`
    return {
      open: () => r2Depot(throttled, { coordinator: () => coordinator }).open(name),
      rootWrites: () => throttled.calls.filter((call) => call.startsWith('put root/')).length,
    }
  }

  describe('updates that come together', () => {
    it(`of ${WRITERS} isolates on as many refs are a handful of roots, each as if it were alone`, async () => {
      const { open, rootWrites } = isolates({ writeInterval: 1000, delay: 1 })
      const writes = Array.from({ length: WRITERS }, async (_, i) => {
        const place = await open()
        const object = blob(`content ${i}`)
        const addPacks = [await stage(place, [object])]
        const wish = request([move(`refs/heads/b${i}`, undefined, object.oid)], { addPacks })
        return { place, wish, object, outcome: await settle(place, wish) }
      })
      const written = await Promise.all(writes)
      expect(rootWrites()).toBeLessThan(6)
      const place = await open()
      const state = await place.read()
      const refs = new Map((await collect(state.refs())).map((ref) => [ref.name, ref.oid]))
      for (const [i, { wish, object, outcome }] of written.entries()) {
        expect(outcome.state).toBe('done')
        expect(refs.get(`refs/heads/b${i}`)).toBe(object.oid)
        expect(await state.receipt(wish.id)).toMatchObject({ outcome: 'done' })
        expect(await collect(place.log(`refs/heads/b${i}`))).toHaveLength(1)
        // Asked once more, it is answered and not done once more.
        expect(await place.update(wish)).toEqual(outcome)
      }
      expect(
        new Set(written.map(({ outcome }) => 'version' in outcome && outcome.version)).size,
      ).toBe(WRITERS)
    }, 60_000)

    it('on one ref have one winner, and a refused one takes no other with it', async () => {
      const { open } = isolates({ writeInterval: 200, delay: 1 })
      const place = await open()
      expect((await settle(place, request([move('refs/heads/a', undefined, oid(1))]))).state).toBe(
        'done',
      )
      const wishes = [
        ...Array.from({ length: 10 }, (_, i) => move('refs/heads/main', undefined, oid(i + 10))),
        move('refs/heads/a/below', undefined, oid(2)),
        move('refs/heads/b', undefined, oid(3)),
        move('refs/heads/b/below', undefined, oid(4)),
        move('refs/heads/c', undefined, oid(5)),
      ]
      const outcomes = await Promise.all(
        wishes.map(async (wish) =>
          settle(await open(), request([wish])).then(
            ({ state }) => state,
            (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
          ),
        ),
      )
      expect(outcomes.slice(0, 10).toSorted()).toEqual(['done', ...Array<string>(9).fill('lost')])
      expect(outcomes.slice(10)).toEqual(['ref-conflict', 'done', 'ref-conflict', 'done'])
      const refs = await collect((await place.read()).refs())
      expect(refs.map(({ name }) => name)).toEqual([
        'refs/heads/a',
        'refs/heads/b',
        'refs/heads/c',
        'refs/heads/main',
      ])
    }, 60_000)

    it('are told nothing that a lost answer of the bucket has not settled', async () => {
      let puts = 0
      const fault = (method: string, key: string) =>
        method === 'put' && key.startsWith('root/') && puts++ % 3 === 1 ? 'lose-answer' : 'none'
      const { open } = isolates({ delay: 1, fault })
      const outcomes = await Promise.all(
        Array.from({ length: 30 }, async (_, i) => {
          const place = await open()
          await new Promise((resolve) => setTimeout(resolve, i * 3))
          return settle(place, request([move(`refs/heads/b${i}`, undefined, oid(i))]))
        }),
      )
      expect(outcomes.map(({ state }) => state)).toEqual(Array<string>(30).fill('done'))
      const place = await open()
      expect(await collect((await place.read()).refs())).toHaveLength(30)
      for (let i = 0; i < 30; i++)
        expect(await collect(place.log(`refs/heads/b${i}`))).toHaveLength(1)
    }, 60_000)
  })

  describe('a coordinator that does not answer', () => {
    it.each([
      ['before it has done anything', false],
      ['when it has done everything', true],
    ])('%s leaves one update behind', async (_, isDone) => {
      const { open } = isolates({ delay: 1 }, (coordinator) => ({
        async update(update: CoordinatedUpdate) {
          if (isDone) await coordinator.update(update)
          throw new Error('Network connection lost.')
        },
      }))
      const place = await open()
      const wish = request([move('refs/heads/main', undefined, oid(1))], { isFirst: true })
      expect((await settle(place, wish)).state).toBe('done')
      expect(await collect(place.log('refs/heads/main'))).toHaveLength(1)
      expect(await collect((await place.read()).refs())).toEqual([
        { name: 'refs/heads/main', oid: oid(1), peeled: undefined },
      ])
    })
  })
})
