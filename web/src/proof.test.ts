/** When the page has proved what came from a server, by the clock. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { MalformedError, MissingError } from '@datakit/git/error'
import { ProofWatch } from './proof.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A repository whose upkeep ends as it is told, one after the other. */
function watched() {
  const runs: PromiseWithResolvers<readonly string[]>[] = []
  const proof = new ProofWatch({
    keepUp() {
      const run = Promise.withResolvers<readonly string[]>()
      runs.push(run)
      return run.promise
    },
  })
  const end = async (index: number, damaged: readonly string[]): Promise<void> => {
    runs[index]?.resolve(damaged)
    await vi.advanceTimersByTimeAsync(0)
  }
  return { proof, runs, end }
}

// Seen to fail when only a sync starts the upkeep.
it('has proved what an earlier page left open, once', async () => {
  const { proof, runs, end } = watched()
  proof.note(false)
  proof.note(false)
  expect(proof.state.value).toBe('checking')
  expect(runs).toHaveLength(0)
  await vi.advanceTimersByTimeAsync(5000)
  expect(runs).toHaveLength(1)
  proof.note(true)
  await end(0, [])
  expect(proof.state.value).toBe('proved')
})

it('leaves alone what another worker has proved in a second', async () => {
  const { proof, runs } = watched()
  proof.note(false)
  await vi.advanceTimersByTimeAsync(500)
  proof.note(true)
  await vi.advanceTimersByTimeAsync(5000)
  expect(runs).toHaveLength(0)
  expect(proof.state.value).toBe('proved')
})

// Seen to fail when a request that comes meanwhile is dropped: what the second sync brought was never proved.
it('looks again when more came while it was at it', async () => {
  const { proof, runs, end } = watched()
  void proof.keepUp()
  void proof.keepUp()
  void proof.keepUp()
  expect(runs).toHaveLength(1)
  await end(0, [])
  expect(runs).toHaveLength(2)
  await end(1, [])
  expect(runs).toHaveLength(2)
})

it('says what is damaged until a run finds that it is not, and leaves it to the next sync', async () => {
  const { proof, runs, end } = watched()
  proof.note(false)
  void proof.keepUp()
  await end(0, ['main was taken back', 'and more'])
  expect(proof.damage.value).toBe('main was taken back')
  // All is proved that refs lead to, and still the server is not known to have it.
  proof.note(true)
  expect(proof.state.value).toBe('damaged')
  proof.note(false)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(runs).toHaveLength(1)
  void proof.beginSync()()
  expect(proof.state.value).toBe('damaged')
  await end(1, [])
  proof.note(true)
  expect([proof.state.value, proof.damage.value]).toEqual(['proved', undefined])
})

// Seen to fail when a run that finds nothing takes it back: what was damaged is gone from here, and has not come either.
it('says it also when all that is left is whole, until a sync has asked for it again', async () => {
  const { proof, end } = watched()
  const first = proof.beginSync()
  const second = proof.beginSync()
  void first()
  await end(0, ['main was taken back'])
  void second()
  await end(1, [])
  expect(proof.state.value).toBe('damaged')
  void proof.beginSync()()
  await end(2, [])
  expect(proof.state.value).toBe('proved')
})

it('says nothing better where the upkeep was broken off, and tries again', async () => {
  const warn = vi.spyOn(console, 'warn').mockReturnValue()
  const { proof, runs } = watched()
  proof.note(false)
  void proof.keepUp()
  runs[0]?.reject(new Error('the storage is full'))
  await vi.advanceTimersByTimeAsync(0)
  expect(proof.state.value).toBe('checking')
  expect(warn).toHaveBeenCalledOnce()
  proof.note(false)
  await vi.advanceTimersByTimeAsync(5000)
  expect(runs).toHaveLength(2)
  proof.stop()
  warn.mockRestore()
})

it('does nothing any more when it was stopped', async () => {
  const { proof, runs } = watched()
  proof.note(false)
  proof.stop()
  proof.note(false)
  await vi.advanceTimersByTimeAsync(5000)
  expect(runs).toHaveLength(0)
})

// Seen to fail when a damaged disk is told where the server is to blame, and the other way round.
it('explains why an object cannot be read as long as it is not proved, and nothing else', () => {
  const { proof } = watched()
  const failures = [
    new Error('Cannot show it', { cause: new MalformedError('pack 1', 'it is cut off') }),
    new MissingError('a tree', 'a'.repeat(40)),
    new DOMException('no room', 'QuotaExceededError'),
    undefined,
  ]
  const explained = () => failures.map((failure) => proof.explains(failure))
  expect(explained()).toEqual([false, false, false, false])
  proof.note(false)
  expect(explained()).toEqual([true, true, false, false])
  proof.note(true)
  expect(explained()).toEqual([false, false, false, false])
  proof.stop()
})
