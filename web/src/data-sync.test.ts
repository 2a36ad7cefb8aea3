import { SyncError } from '@datakit/datakit/error'
import { MalformedError } from '@datakit/git/error'
import { expect, it } from 'vitest'
import { describeFailure } from './data-sync.ts'

function failed(code: string, status = 0, retryAfter = 0): SyncError {
  return new SyncError(code, 'Cannot sync: no', { status, retryAfter })
}

it.each([
  ['nobody answers', failed('offline')],
  ['the answer is cut off', failed('cut-off')],
  ['the login page of a network answers', failed('not-datakit', 200)],
  ['a proxy says no', failed('not-datakit', 403)],
  ['the server fails', failed('internal', 500)],
  ['it is asked too often', failed('busy', 429)],
  ['it is silent for too long', new DOMException('Too long', 'TimeoutError')],
])('waits for the network when %s', (_what, error) => {
  expect(describeFailure(error).state).toBe('offline')
})

it.each([
  ['the server says no', failed('forbidden', 403)],
  ['it is too much for the server', failed('too-large', 413)],
  ['the answer is nonsense', failed('malformed')],
  ['something else is wrong', new Error('No')],
])('says so when %s', (_what, error) => {
  expect(describeFailure(error)).toMatchObject({ state: 'failed', message: expect.any(String) })
})

it('asks for a token, and leaves a server alone for as long as it asks', () => {
  expect(describeFailure(failed('unauthorised', 401)).state).toBe('unauthorized')
  expect(describeFailure(failed('busy', 503, 8000)).retryAfter).toBe(8000)
})

it('names what answered in place of the server', () => {
  expect(describeFailure(failed('not-datakit', 200)).message).toContain('login page of a network')
})

// Seen to fail when the answer's error is taken for one of this device.
it('blames the server for an answer that cannot be, and not this device', () => {
  const cause = new MalformedError('the pack of an answer', 'its trailer is not its SHA-1')
  const message = `Cannot sync with https://example.org/a.git: ${cause.message}`
  const told = describeFailure(new SyncError('malformed', message, { cause }))
  expect(told.trouble).toBeUndefined()
  expect(told.state).toBe('failed')
  for (const words of ['answer is wrong', 'Nothing was changed', 'asked again later', message])
    expect(told.message).toContain(words)
  expect(describeFailure(failed('malformed', 400)).message).not.toContain('answer is wrong')
  expect(describeFailure(cause).trouble).toBe('damaged')
})
