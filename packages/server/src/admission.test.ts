import { expect, it } from 'vitest'
import { Admission, chargeOf } from './admission.ts'

const never = new AbortController().signal

/** Work that lasts until it is told to end. */
function lasting() {
  const { promise, resolve } = Promise.withResolvers<string>()
  let hasBegun = false
  const work = (): Promise<string> => {
    hasBegun = true
    return promise
  }
  return { work, end: () => resolve('done'), hasBegun: () => hasBegun }
}

it('charges what a pack may take, at most for the largest', () => {
  expect(chargeOf(0)).toBe(1 << 20)
  expect(chargeOf(1 << 20)).toBe(5 << 20)
  expect(chargeOf(1 << 30)).toBe(64 << 20)
  expect(chargeOf(undefined)).toBe(64 << 20)
})

it('lets in as many as fit, and the next when one has ended', async () => {
  const admission = new Admission(10, 60_000)
  const [a, b, c] = [lasting(), lasting(), lasting()]
  const runs = [a, b, c].map(({ work }) => admission.run(5, never, work))
  await Promise.resolve()
  expect([a, b, c].map(({ hasBegun }) => hasBegun())).toEqual([true, true, false])
  a.end()
  expect(await runs[0]).toBe('done')
  await expect.poll(() => c.hasBegun()).toBe(true)
  b.end()
  c.end()
  expect(await Promise.all(runs)).toEqual(['done', 'done', 'done'])
})

it('lets nobody pass by one that waits', async () => {
  const admission = new Admission(10, 60_000)
  const [first, large, small] = [lasting(), lasting(), lasting()]
  const runs = [
    admission.run(5, never, first.work),
    admission.run(10, never, large.work),
    admission.run(1, never, small.work),
  ]
  await Promise.resolve()
  expect(small.hasBegun()).toBe(false)
  first.end()
  await expect.poll(() => large.hasBegun()).toBe(true)
  expect(small.hasBegun()).toBe(false)
  large.end()
  small.end()
  await Promise.all(runs)
})

it('lets one in alone that is larger than everything', async () => {
  const admission = new Admission(10, 60_000)
  const huge = lasting()
  const run = admission.run(1000, never, huge.work)
  huge.end()
  expect(await run).toBe('done')
  expect(await admission.run(10, never, async () => 'after')).toBe('after')
})

it('sends away who waited for too long, and lets in who stood behind', async () => {
  const admission = new Admission(10, 20)
  const [first, small] = [lasting(), lasting()]
  const run = admission.run(8, never, first.work)
  const large = admission.run(10, never, async () => 'never')
  const behind = admission.run(2, never, small.work)
  await expect(large).rejects.toMatchObject({ code: 'busy', headers: { 'retry-after': '5' } })
  await expect.poll(() => small.hasBegun()).toBe(true)
  small.end()
  first.end()
  expect(await Promise.all([run, behind])).toEqual(['done', 'done'])
})

it('gives its room back when the work fails or the caller goes away', async () => {
  const admission = new Admission(10, 60_000)
  const failing = admission.run(10, never, () => Promise.reject(new Error('cut off')))
  await expect(failing).rejects.toThrow('cut off')
  const first = lasting()
  const run = admission.run(10, never, first.work)
  const leaving = new AbortController()
  const waiting = admission.run(10, leaving.signal, async () => 'never')
  leaving.abort(new Error('gone'))
  await expect(waiting).rejects.toThrow('gone')
  first.end()
  await run
  expect(await admission.run(10, never, async () => 'free')).toBe('free')
})
