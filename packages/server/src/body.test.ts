import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { RequestBody, startedStreamOf, streamOf } from './body.ts'

function post(body: Uint8Array, headers: Record<string, string> = {}): Request {
  return new Request('http://localhost/', { method: 'POST', body: Uint8Array.from(body), headers })
}

function readBody(request: Request, limit: number): AsyncGenerator<Uint8Array> {
  return new RequestBody(request).read(limit)
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = []
  for await (const piece of source) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}

it('reads a body as it is', async () => {
  for (const encoding of ['identity', '']) {
    const request = post(Buffer.from('0000'), { 'content-encoding': encoding })
    expect(await collect(readBody(request, 10))).toBe('0000')
  }
})

it('unpacks a body that Git compressed', async () => {
  const packed = gzipSync('want '.repeat(1000))
  expect(
    await collect(readBody(post(packed, { 'content-encoding': 'gzip' }), 10_000)),
  ).toHaveLength(5000)
})

it('stops a body that unpacks to more than the limit', async () => {
  const bomb = gzipSync(new Uint8Array(1_000_000))
  await expect(collect(readBody(post(bomb, { 'content-encoding': 'gzip' }), 1000))).rejects.toThrow(
    'larger than 1000 bytes',
  )
})

it('says which compression it reads', async () => {
  expect(() => readBody(post(Buffer.from('x'), { 'content-encoding': 'br' }), 10)).toThrow(
    'reads gzip',
  )
})

it('fails on a compressed body that is cut short', async () => {
  const cut = gzipSync('want '.repeat(1000)).subarray(0, 20)
  await expect(
    collect(readBody(post(cut, { 'content-encoding': 'gzip' }), 10_000)),
  ).rejects.toThrow('Cannot read the request: it breaks off')
})

it('throws what fails before the first piece of an answer, and goes on with the rest', async () => {
  const failing = readBody(post(Buffer.from('12')), 1)
  await expect(startedStreamOf(failing)).rejects.toThrow('larger than 1 bytes')
  async function* whole(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('one ')
    yield Buffer.from('two')
  }
  expect(await new Response(await startedStreamOf(whole())).text()).toBe('one two')
})

it('ends the source when the reader of an answer goes away', async () => {
  let ended = false
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield new Uint8Array(10)
    } finally {
      ended = true
    }
  }
  const reader = streamOf(endless()).getReader()
  await reader.read()
  await reader.cancel()
  expect(ended).toBe(true)
})

it('aborts an answer whose source fails, and never ends it as if it were whole', async () => {
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(10)
    throw new Error('the window is gone')
  }
  await expect(new Response(streamOf(failing())).arrayBuffer()).rejects.toThrow(
    'the window is gone',
  )
})

it('reads what nobody wanted, so that the client hears the answer', async () => {
  let sent = 0
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (sent === 5) controller.close()
      else controller.enqueue(new Uint8Array(++sent))
    },
  })
  const init = { method: 'POST', body: stream, duplex: 'half' }
  const body = new RequestBody(new Request('http://localhost/', init))
  await body.discard()
  expect(sent).toBe(5)
})

it('does not read rubbish for ever', async () => {
  let sent = 0
  let isCancelled = false
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(((sent += 1_000_000), 1_000_000))),
    cancel: () => void (isCancelled = true),
  })
  const init = { method: 'POST', body: stream, duplex: 'half' }
  await new RequestBody(new Request('http://localhost/', init)).discard()
  expect(sent).toBeLessThan(20_000_000)
  expect(isCancelled).toBe(true)
})
