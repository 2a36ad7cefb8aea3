import { describe, expect, it } from 'vitest'

import { bytesOf, collect, latin1, pieces, readCuts, readerOf } from '../../test/support/hostile.ts'
import { concat } from '../bytes.ts'
import { parseOid } from '../oid.ts'
import {
  encodeSection,
  encodeSyncRequest,
  encodeSyncResponse,
  MAX_HEADER,
  readSection,
  readSyncRequest,
  readSyncResponse,
  type SyncRequest,
  type SyncResponse,
} from './sync.ts'

const a = parseOid('a'.repeat(40))
const b = parseOid('b'.repeat(40))

const request: SyncRequest = {
  id: '0123456789abcdef0123456789abcdef',
  repository: 'r1',
  known: 'v7',
  haves: [a],
  updates: [
    { name: 'refs/heads/main', from: a, to: b },
    { name: 'refs/heads/caf\udce9', from: undefined, to: b },
    { name: 'refs/heads/old', from: a, to: undefined },
  ],
  head: { from: { ref: 'refs/heads/main' }, to: { oid: a } },
  log: { who: 'Ada <ada@example.org>', why: 'sync' },
  wantPack: true,
  pack: 4,
}

const response: SyncResponse = {
  repository: 'r1',
  version: 'v8',
  head: { ref: 'refs/heads/main' },
  refs: [{ name: 'refs/heads/main', oid: b }],
  updates: [
    { name: 'refs/heads/main', outcome: 'done', reason: undefined, current: undefined },
    { name: 'refs/heads/old', outcome: 'lost', reason: 'moved', current: b },
  ],
  pack: 'chunked',
  index: 3,
}

describe('a sync request', () => {
  // Seen to fail when only what is left out is nothing.
  it('asks for all where what it says of parts is null', async () => {
    const plain = { id: request.id, haves: [], updates: [], log: request.log, wantPack: true }
    const said = { choice: null, held: null, parts: null, resume: null, objects: null }
    const json = JSON.stringify({ ...plain, pack: 0, ...said, head: null, known: null })
    const length = Uint8Array.of(0, 0, json.length >>> 8, json.length)
    const read = await readSyncRequest(readerOf(concat([bytesOf('DKS1'), length, bytesOf(json)])))
    const { choice, held, parts, resume, objects, head, known } = read
    expect([choice, held, parts, resume, objects, head, known]).toEqual(Array(7).fill(undefined))
  })

  it.each([1, 10_000])('is read back in pieces of %i, up to its pack', async (size) => {
    const reader = readerOf(concat([encodeSyncRequest(request), bytesOf('PACK')]), size)
    expect(await readSyncRequest(reader)).toEqual(request)
    expect(latin1(await collect(readSection(reader, request.pack)))).toBe('PACK')
    expect(await reader.atEnd()).toBe(true)
  })

  it('needs no more than what is known at first sight', async () => {
    const first = {
      ...request,
      repository: undefined,
      known: undefined,
      head: undefined,
      haves: [],
      updates: [],
    }
    expect(await readSyncRequest(readerOf(encodeSyncRequest(first)))).toEqual(first)
  })

  it('is refused wherever it is cut', async () => {
    expect(await readCuts(encodeSyncRequest(request), readSyncRequest)).toEqual([])
  })
})

describe('a sync answer', () => {
  it.each([1, 10_000])('is read back in pieces of %i, with both sections', async (size) => {
    const pack = await collect(encodeSection('chunked', pieces(bytesOf('PACK and more'), 5)))
    const index = await collect(encodeSection(3, pieces(bytesOf('IDX'), 2)))
    const reader = readerOf(concat([encodeSyncResponse(response), pack, index]), size)
    expect(await readSyncResponse(reader)).toEqual(response)
    expect(latin1(await collect(readSection(reader, response.pack)))).toBe('PACK and more')
    expect(latin1(await collect(readSection(reader, response.index)))).toBe('IDX')
    expect(await reader.atEnd()).toBe(true)
  })

  it('says that the refs are as they were by leaving them out', async () => {
    const same = { ...response, refs: undefined }
    expect(await readSyncResponse(readerOf(encodeSyncResponse(same)))).toEqual(same)
  })

  it('never passes a section that was cut for a whole one', async () => {
    for (const length of ['chunked', 13] as const) {
      const wire = await collect(encodeSection(length, pieces(bytesOf('PACK and more'), 5)))
      expect(await readCuts(wire, (reader) => collect(readSection(reader, length)))).toEqual([])
    }
  })

  it.each([12, 14])(
    'is not sent with a section that is not the %i bytes it announced',
    async (length) => {
      await expect(
        collect(encodeSection(length, pieces(bytesOf('PACK and more'), 5))),
      ).rejects.toThrow(RangeError)
    },
  )
})

describe('a hostile sync message', () => {
  const header = (json: string, length = json.length): Uint8Array =>
    concat([
      bytesOf('DKS1'),
      Uint8Array.of(length >>> 24, length >>> 16, length >>> 8, length),
      bytesOf(json),
    ])
  const fields = JSON.parse(latin1(encodeSyncRequest(request).subarray(8))) as Record<
    string,
    unknown
  >

  it('allocates nothing for a length that is a lie', async () => {
    await expect(readSyncRequest(readerOf(header('{}', MAX_HEADER + 1)))).rejects.toThrow(
      'more than 16777216',
    )
    await expect(readSyncRequest(readerOf(header('{}', 2 ** 32 - 1)))).rejects.toThrow(
      'Cannot read',
    )
    await expect(readSyncRequest(readerOf(header('{}', MAX_HEADER)))).rejects.toThrow('Cannot read')
  })

  it.each(['', '{', '[]', 'null', '1', '"x"', '{}', '{"__proto__":{"id":"x"}}', '\xff'])(
    'is refused as "%s"',
    async (json) => {
      await expect(readSyncRequest(readerOf(header(json)))).rejects.toThrow(
        'Cannot read a sync message',
      )
      await expect(readSyncResponse(readerOf(header(json)))).rejects.toThrow(
        'Cannot read a sync message',
      )
    },
  )

  it('is refused whichever field is something else', async () => {
    for (const name of ['id', 'repository', 'known', 'haves', 'updates', 'head', 'log', 'pack']) {
      for (const value of [7.5, -1, 'x', ['x'], [{}], true]) {
        if (name === 'repository' && value === 'x') continue
        const wire = header(JSON.stringify({ ...fields, [name]: value }))
        await expect(
          readSyncRequest(readerOf(wire)),
          `${name}: ${JSON.stringify(value)}`,
        ).rejects.toThrow('Cannot read')
      }
    }
  })

  it('cannot bring refs whose names are none', async () => {
    for (const name of ['refs/heads/../../x', 'refs/heads/a.lock', '']) {
      const wire = encodeSyncResponse({ ...response, refs: [{ name, oid: a }] })
      await expect(readSyncResponse(readerOf(wire))).rejects.toThrow('is no ref')
    }
  })

  it('takes null for what is left out', async () => {
    const wire = header(JSON.stringify({ ...fields, repository: null, head: null }))
    expect(await readSyncRequest(readerOf(wire))).toMatchObject({
      repository: undefined,
      head: undefined,
    })
  })
})
