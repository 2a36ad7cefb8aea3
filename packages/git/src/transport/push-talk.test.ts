import { describe, expect, it } from 'vitest'

import { text, utf8 } from '../bytes.ts'
import { UnavailableError } from '../error.ts'
import { PushTalk, type TalkOptions } from './push-talk.ts'

/** Talk that is open, of a client that hears it. */
function openTalk(options: TalkOptions = {}): PushTalk {
  const talk = new PushTalk({ step: 1, ...options })
  talk.hasSideBand = true
  talk.open()
  return talk
}

describe('while a push is taken', () => {
  it('the client is sent a sign of life when there is nothing to tell', async () => {
    const { promise, resolve } = Promise.withResolvers<Uint8Array>()
    const answer = openTalk({ keepAlive: 2 }).answer(promise)
    for (let i = 0; i < 3; i++)
      expect(text((await answer.next()).value ?? utf8(''))).toBe('0005\u0001')
    resolve(utf8('report'))
    const rest: string[] = []
    for await (const piece of answer) rest.push(text(piece))
    expect(rest.at(-1)).toBe('report')
  })

  it('what hooks say goes out before the report', async () => {
    const { promise, resolve } = Promise.withResolvers<Uint8Array>()
    const talk = openTalk()
    talk.say(utf8('checking\n'))
    const answer = talk.answer(promise)
    expect(text((await answer.next()).value ?? utf8(''))).toBe('000e\u0002checking\n')
    resolve(utf8('report'))
    expect(text((await answer.next()).value ?? utf8(''))).toBe('report')
  })

  it('progress goes out once each time it is news, and never to the quiet', async () => {
    const { promise, resolve } = Promise.withResolvers<Uint8Array>()
    const talk = openTalk({ keepAlive: 0 })
    talk.progress(50, 200)
    const answer = talk.answer(promise)
    expect(text((await answer.next()).value ?? utf8(''))).toBe(
      '0025\u0002Checking objects:  25% (50/200)\r',
    )
    talk.progress(200, 200)
    expect(text(talk.take(true))).toContain('100% (200/200), done.\n')
    resolve(utf8('report'))
    expect(text((await answer.next()).value ?? utf8(''))).toBe('report')
    const quiet = openTalk()
    quiet.quieten()
    quiet.progress(200, 200)
    expect(quiet.take(true)).toHaveLength(0)
  })

  it('nothing goes out before the push has come in, or without a side band', async () => {
    for (const open of [
      (talk: PushTalk) => (talk.hasSideBand = true),
      (talk: PushTalk) => talk.open(),
    ]) {
      const talk = new PushTalk({ step: 1, keepAlive: 1 })
      open(talk)
      talk.say(utf8('words'))
      let waited = 0
      const { promise, resolve } = Promise.withResolvers<Uint8Array>()
      const timer = setInterval(() => ++waited > 20 && resolve(utf8('report')), 1)
      const pieces: string[] = []
      for await (const piece of talk.answer(promise)) pieces.push(text(piece))
      clearInterval(timer)
      expect(pieces).toEqual(['report'])
    }
  })

  it('an error before the first word is thrown, and after it ends the answer', async () => {
    const problem = new UnavailableError('The disk is full')
    await expect(openTalk().answer(Promise.reject(problem)).next()).rejects.toBe(problem)
    const { promise, reject } = Promise.withResolvers<Uint8Array>()
    const late: unknown[] = []
    const answer = openTalk({ keepAlive: 1 }).answer(promise, (error) => late.push(error))
    await answer.next()
    reject(problem)
    let last = ''
    for await (const piece of answer) last = text(piece)
    expect(last).toBe('0016\u0003The disk is full\n0000')
    expect(late).toEqual([problem])
  })
})
