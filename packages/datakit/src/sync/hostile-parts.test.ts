/**
 * What a client makes of a server that lies about a large pack in parts, or about the rest of a large answer: it gives up, or sends
 * the pack whole, after a few requests.
 */
import { broken, flow, html, JSON_TYPE, respond } from '../../test/hostile-answer.ts'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  encodeSyncResponse,
  PART_BYTES,
  SYNC_TYPE,
  type SyncRequest,
} from '@datakit/git/protocol/sync'
import { Network } from '../../test/network.ts'
import { SyncError } from '../error.ts'
import { goingOn } from './go-on.ts'
import { sendParts } from './send-parts.ts'
import { type Answer } from './sync-exchange.ts'

const MAIN = 'refs/heads/main'

describe('a server that lies about parts', () => {
  beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
  afterEach(() => vi.useRealTimers())

  const pack = new Uint8Array(2 * PART_BYTES + 1)
  const json = (value: unknown): Response => respond(200, JSON_TYPE, JSON.stringify(value))
  const request = { id: '1'.repeat(32), log: { who: 'Ada', why: 'sync' } } as SyncRequest

  /** Sends the parts of a pack; gives what came of it and the requests by their method. */
  async function send(
    there: () => Response,
    taken: () => Response = () => json({}),
  ): Promise<{ ended: unknown; methods: string }> {
    let methods = ''
    const { url } = new Network().options
    const fetch = async (_: string, { method = 'GET' }: RequestInit): Promise<Response> => {
      methods += method.slice(0, 1)
      return method === 'PUT' ? taken() : there()
    }
    const ended = sendParts({ url, fetch }, request, pack).catch((error: unknown) => error)
    await vi.runAllTimersAsync()
    return { ended: await ended, methods }
  }

  it.each([
    ['numbers that are none', [-1, 1e300, 0.5, '0', null, {}], 'GPPP'],
    ['one number, again and again', [1, 1, 1, 1], 'GPP'],
    ['all of them', [0, 1, 2], 'G'],
    ['more than there can be', Array.from({ length: 9000 }, (_, i) => i), 'G'],
    ['none', [], 'GPPP'],
  ])('and tells of %s is sent what it did not name', async (_, parts, expected) => {
    const { ended, methods } = await send(() => json({ parts }))
    expect(methods).toBe(expected)
    expect(ended).toHaveLength(1)
  })

  it.each([
    ['no list', () => json({ parts: 7 })],
    ['nothing', () => json(null)],
    ['no JSON', () => respond(200, JSON_TYPE, '{"parts":[0,')],
    ['a list without end', () => json({ parts: Array.from({ length: 99_999 }, (_, i) => i) })],
  ])('and answers with %s is sent the whole pack', async (_, there) => {
    const { ended, methods } = await send(there)
    expect(methods).toBe('G')
    expect(ended).toMatchObject([{}, { length: pack.length }])
  })

  // Seen to fail with the platform's own error when an answer that broke off is read without a look.
  it.each([
    ['the question is answered by a page', () => respond(200, 'text/html', html), undefined, 'G'],
    ['the question breaks off', () => respond(200, JSON_TYPE, broken()), undefined, 'GG'],
    ['a part is answered by a page', undefined, () => respond(200, 'text/html', html), 'GP'],
    ['a part breaks off', undefined, () => respond(200, JSON_TYPE, broken()), 'GPP'],
    ['a part is refused', undefined, () => respond(409, 'text/html', html), 'GP'],
    ['a part is for later', undefined, () => respond(503, 'text/html', html), 'GPPPP'],
  ])('gives up with an error of its own when %s', async (_, there, taken, expected) => {
    const { ended, methods } = await send(there ?? (() => json({ parts: [] })), taken)
    expect(ended).toBeInstanceOf(SyncError)
    expect(methods).toBe(expected)
  })
})

describe('a server that lies about the rest of an answer', () => {
  beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
  afterEach(() => vi.useRealTimers())

  const plan = 'the plan'
  const told = {
    repository: '1'.repeat(32),
    version: '1',
    head: { ref: MAIN },
    refs: [],
    updates: [],
    pack: 100,
    index: 0,
    resume: plan,
  }
  const request = { id: '1'.repeat(32), haves: [], updates: [] } as unknown as SyncRequest

  /** Reads an answer that is cut off after ten bytes, and all that there is then; gives how that ends, and the requests. */
  async function goOn(rest: () => Response): Promise<{ ended: unknown; count: number }> {
    let count = 0
    const { url } = new Network().options
    const fetch = async (): Promise<Response> => (count++, rest())
    async function* cut(): AsyncGenerator<Uint8Array, void, undefined> {
      yield new Uint8Array(10)
      throw new SyncError('cut-off', 'Cannot sync: the answer was cut off')
    }
    const first: Answer = { header: told, pack: cut(), index: flow([]), close: async () => {} }
    const read = async (): Promise<number> => {
      let bytes = 0
      for await (const piece of goingOn({ url, fetch }, request, first).pack) bytes += piece.length
      return bytes
    }
    const ended = read().catch((error: unknown) => error)
    await vi.runAllTimersAsync()
    return { ended: await ended, count }
  }

  function answer(lie: object, body: ReadableStream<Uint8Array>): Response {
    const header = encodeSyncResponse({ ...told, ...lie })
    const reader = body.getReader()
    let isFirst = true
    const joined = new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (isFirst) controller.enqueue(header)
        else {
          const { value, done } = await reader.read()
          if (done) controller.close()
          else controller.enqueue(value)
        }
        isFirst = false
      },
    })
    return respond(200, SYNC_TYPE, joined)
  }

  const gone = '{"error":{"code":"plan-gone","message":"gone"}}'
  it.each([
    ['is of another plan', () => answer({ resume: 'other' }, flow([])), 'plan-gone', 1],
    ['is of no plan', () => answer({ resume: undefined }, flow([])), 'plan-gone', 1],
    ['is gone for ever', () => respond(409, JSON_TYPE, gone), 'plan-gone', 1],
    ['is cut for ever', () => answer({ pack: 90 }, broken()), 'cut-off', 3],
    ['is a page', () => respond(200, 'text/html', html), 'not-datakit', 1],
  ])('that %s is given up', async (_, rest, code, requests) => {
    expect(await goOn(rest)).toMatchObject({ ended: { name: 'SyncError', code }, count: requests })
  })

  it('that is longer than what was left is handed on, for the trailer to tell', async () => {
    const rest = (): Response => answer({ pack: 1000 }, flow([new Uint8Array(1000)]))
    expect(await goOn(rest)).toEqual({ ended: 1010, count: 1 })
  })
})
