import { describe, expect, it } from 'vitest'
import { utf8 } from '../bytes.ts'
import { parseOid } from '../oid.ts'
import { encodeComment, encodeRetry, readEventStream, type StreamItem } from './event-stream.ts'
import { decodeWatchMessage, encodeWatchMessage, type WatchMessage } from './watch.ts'

async function read(text: string | Uint8Array, step = Infinity): Promise<StreamItem[]> {
  const bytes = typeof text === 'string' ? utf8(text) : text
  async function* pieces() {
    for (let i = 0; i < bytes.length; i += step)
      yield bytes.subarray(i, Math.min(i + step, bytes.length))
  }
  const items: StreamItem[] = []
  for await (const item of readEventStream(pieces())) items.push(item)
  return items
}

describe('an event stream', () => {
  it.each([1, 2, 3, 7, Infinity])(
    'is read in pieces of %d bytes, with any line ends',
    async (step) => {
      const text =
        '\uFEFFevent: a\r\nid: 1\ndata: one\rdata: zwölf\n\n: still here\r\n\r\ndata:  x\n\nid\ndata\n\ndata: cut off\n'
      expect(await read(text, step)).toEqual([
        { kind: 'event', type: 'a', data: 'one\nzwölf', id: '1' },
        { kind: 'comment' },
        { kind: 'event', type: 'message', data: ' x', id: '1' },
        { kind: 'event', type: 'message', data: '', id: '' },
      ])
    },
  )

  it('says how long to wait, and passes over what it does not know', async () => {
    const text = 'retry: 250\nretry: soon\nfoo: bar\nid: a\0b\nevent: lonely\n\ndata: x\n\n'
    expect(await read(text)).toEqual([
      { kind: 'retry', milliseconds: 250 },
      { kind: 'event', type: 'message', data: 'x', id: '' },
    ])
    expect(await read(encodeRetry(7))).toEqual([{ kind: 'retry', milliseconds: 7 }])
    expect(await read(encodeComment('on'))).toEqual([{ kind: 'comment' }])
  })
})

describe('a message of a watch', () => {
  const [a, b] = [parseOid('a'.repeat(40)), parseOid('b'.repeat(40))]
  const entry = { mode: 0o40000, oid: a }
  const moves = [
    { name: 'refs/heads/main', from: a, to: b, paths: [{ path: 'x', from: undefined, to: entry }] },
    // A name that is not UTF-8 is text with lone surrogates.
    { name: 'refs/heads/\udcff', from: b, to: undefined, paths: [] },
  ]

  it.each<WatchMessage>([
    { kind: 'snapshot', id: 'r:v', repository: 'r', refs: [] },
    { kind: 'change', id: 'r:w', refs: moves },
    { kind: 'end', code: 'unauthorised', message: 'The token\nis another one' },
  ])('comes back as it was: $kind', async (message) => {
    for (const step of [1, Infinity]) {
      const bytes = Buffer.concat([...encodeWatchMessage(message)])
      const [item] = await read(new Uint8Array(bytes), step)
      if (item?.kind !== 'event') throw new Error('No event')
      expect(decodeWatchMessage(item)).toEqual(message)
    }
  })

  it('is sent in pieces where there are many refs', async () => {
    const refs = Array.from({ length: 1000 }, (_, i) => {
      return { name: `refs/heads/${i}`, from: undefined, to: a, paths: [] }
    })
    const pieces = [...encodeWatchMessage({ kind: 'change', id: 'i', refs })]
    expect(pieces).toHaveLength(4)
    const [item] = await read(new Uint8Array(Buffer.concat(pieces)))
    if (item?.kind !== 'event') throw new Error('No event')
    expect(decodeWatchMessage(item)).toEqual({ kind: 'change', id: 'i', refs })
  })

  it.each([
    '',
    '{',
    '[]x',
    'null',
    '{"refs":1}',
    '{"refs":[{"name":1}]}',
    '{"refs":[{"name":"a","to":"b"}]}',
  ])('is refused when it is "%s"', (data) => {
    const item = { kind: 'event', type: 'change', data, id: '' } as const
    expect(() => decodeWatchMessage(item)).toThrow(/Cannot read an event of a watch/)
  })

  it('is passed over when it is of a kind that came later', () => {
    expect(
      decodeWatchMessage({ kind: 'event', type: 'presence', data: '{}', id: '' }),
    ).toBeUndefined()
  })
})
