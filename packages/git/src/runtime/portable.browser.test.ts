import { expect, it } from 'vitest'

import { toHex, utf8 } from '../bytes.ts'
import { portableRuntime as runtime } from './portable.ts'

const ABC = 'a9993e364706816aba3e25717850c26c9cd0d89d'

it('hashes in a browser', async () => {
  expect(toHex(runtime.sha1(utf8('a'), utf8('bc')))).toBe(ABC)
  const large = new Uint8Array(100_000).fill(0x61)
  expect(toHex(await runtime.digest(large))).toBe(toHex(runtime.sha1(large)))
})

it('reads what the browser compressed, and the browser what it compressed', async () => {
  const body = utf8('{"name":"value"}\n'.repeat(5000))
  const stream = new Blob([body]).stream().pipeThrough(new CompressionStream('deflate'))
  const theirs = new Uint8Array(await new Response(stream).arrayBuffer())
  const bytes = Uint8Array.of(...theirs, 1, 2, 3)
  expect(runtime.inflateOpen(bytes, 0, body.length)).toEqual({ body, used: theirs.length })
  const ours = new Blob([await runtime.deflate(body)])
    .stream()
    .pipeThrough(new DecompressionStream('deflate'))
  expect(new Uint8Array(await new Response(ours).arrayBuffer())).toEqual(body)
})
