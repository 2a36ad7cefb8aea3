import { MalformedError, NotHereError, UnavailableError } from '@datakit/git/error'
import { expect, it } from 'vitest'
import { explainProblem } from './status.ts'
import { troubleOf } from './trouble.ts'

it('is told by the reason of the store, whatever wraps it', () => {
  const reason = 'storage-gone'
  const error = new UnavailableError('Cannot use "datakit:a": it was deleted', { reason })
  expect(troubleOf(new Error('Cannot commit', { cause: error }))).toBe('gone')
  expect(explainProblem(error)).toBe('this browser has deleted what was kept here')
})

it('is told by the errors of the browser', () => {
  const full = new DOMException('no room', 'QuotaExceededError')
  expect(troubleOf(full)).toBe('full')
  expect(troubleOf(new UnavailableError('Cannot use it', { cause: full }))).toBe('full')
  expect(troubleOf(new DOMException('lost', 'UnknownError'))).toBe('broken')
})

it('leaves what is damaged to its own words', () => {
  const error = new MalformedError('the repository', 'its root row is missing')
  expect(troubleOf(error)).toBe('damaged')
  expect(explainProblem(error)).toContain('its root row is missing')
})

it('has nothing to say of what is no trouble', () => {
  expect(troubleOf(new UnavailableError('Cannot reach it'))).toBeUndefined()
  expect(troubleOf(new Error('Cannot merge'))).toBeUndefined()
  expect(troubleOf('no')).toBeUndefined()
})

it('takes nothing for damaged here that was left with the server and came as something else', () => {
  const answer = new MalformedError('an answer to sync', 'it ends too early')
  const cause = new UnavailableError(answer.message, { cause: answer })
  expect(troubleOf(new NotHereError('1234', 'origin', { cause }))).toBeUndefined()
  const full = new UnavailableError('Cannot write', { reason: 'storage-full' })
  expect(troubleOf(new NotHereError('1234', 'origin', { cause: full }))).toBe('full')
})
