import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { patientFetch, SILENCE } from './patient-fetch.ts'

/** The network: what a test says, until the request is given up. */
let answer: (signal: AbortSignal) => Promise<Response>

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('fetch', (_input: string, init: { readonly signal: AbortSignal }) =>
    Promise.race([answer(init.signal), failure(init.signal)]),
  )
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

/** Rejects when the signal says so, as a browser does. */
function failure(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason)),
  )
}

/** An answer whose body sends these pieces and then nothing more. */
function stalling(pieces: readonly string[], signal: AbortSignal): Response {
  const left = [...pieces]
  const body = new ReadableStream({
    pull(controller) {
      const piece = left.shift()
      if (piece !== undefined) controller.enqueue(new TextEncoder().encode(piece))
      return piece === undefined ? failure(signal) : undefined
    },
  })
  return new Response(body, { status: 207, headers: { 'x-kept': 'yes' } })
}

it('gives up when nobody answers', async () => {
  answer = () => new Promise(() => {})
  const asked = expect(patientFetch('/sync', {})).rejects.toThrow('Nothing was heard')
  await vi.advanceTimersByTimeAsync(SILENCE)
  await asked
})

it('waits longer for the answer to a long request', async () => {
  answer = () => new Promise(() => {})
  const ended = vi.fn()
  const body = new Uint8Array(800_000)
  const asked = patientFetch('/sync', { method: 'POST', body }).catch(ended)
  await vi.advanceTimersByTimeAsync(SILENCE + 99_000)
  expect(ended).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(1_000)
  await asked
  expect(ended).toHaveBeenCalled()
})

it('gives up in the middle of a body, while somebody waits for more', async () => {
  answer = async (signal) => stalling(['one'], signal)
  const response = await patientFetch('/sync', {})
  expect([response.status, response.headers.get('x-kept')]).toEqual([207, 'yes'])
  const reader = response.body?.getReader()
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('one')
  // Who is slow himself has not lost the server.
  await vi.advanceTimersByTimeAsync(10 * SILENCE)
  const next = expect(reader?.read()).rejects.toThrow('Nothing was heard')
  await vi.advanceTimersByTimeAsync(SILENCE)
  await next
})

it('ends with the signal of the caller', async () => {
  answer = () => new Promise(() => {})
  const stopping = new AbortController()
  const asked = patientFetch('/sync', { signal: stopping.signal })
  stopping.abort(new Error('The page is closed'))
  await expect(asked).rejects.toThrow('The page is closed')
})
