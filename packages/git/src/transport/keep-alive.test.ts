import { setTimeout as wait } from 'node:timers/promises'
import { execFile } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { afterAll, describe, expect, it } from 'vitest'

import { memoryPlace } from '../../../storage/src/memory.ts'
import { exampleRepository, gitText, scratch } from '../../test/support/example.ts'
import { collect, latin1 } from '../../test/support/hostile.ts'
import { load } from '../../test/support/load.ts'
import { uploadPackServer } from '../../test/support/upload-pack-server.ts'
import { streamOf } from '../byte-reader.ts'
import { Objects } from '../objects.ts'
import { parseOid } from '../oid.ts'
import type { Place } from '../place.ts'
import { encodeCommand } from '../protocol/command.ts'
import { encodeFetchV0 } from '../protocol/fetch-v0.ts'
import { nodeRuntime } from '../runtime/node.ts'
import { OPEN_FETCH } from './fetch-policy.ts'
import { withSignsOfLife } from './keep-alive.ts'
import { uploadPack } from './upload-pack.ts'

const { path: root, remove } = scratch()
afterAll(remove)

async function gathered<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const piece of source) all.push(piece)
  return all
}

describe('signs of life', () => {
  async function* slow(): AsyncGenerator<string> {
    yield 'a'
    await wait(100)
    yield 'b'
  }

  it('come while there is nothing else, and never at the end', async () => {
    const all = await gathered(withSignsOfLife(slow(), 30, '.'))
    expect(all.join('')).toMatch(/^a\.{1,4}b$/)
    expect(await gathered(withSignsOfLife(slow(), 0, '.'))).toEqual(['a', 'b'])
  })

  it('let go of a source of which no more is wanted, and pass on how it fails', async () => {
    let isLeft = false
    const endless = async function* (): AsyncGenerator<string> {
      try {
        for (;;) yield 'a'
      } finally {
        isLeft = true
      }
    }
    for await (const piece of withSignsOfLife(endless(), 1000, '.')) if (piece === 'a') break
    expect(isLeft).toBe(true)
    const failing = async function* (): AsyncGenerator<string> {
      yield 'a'
      throw new Error('no more')
    }
    await expect(gathered(withSignsOfLife(failing(), 1000, '.'))).rejects.toThrow('no more')
  })
})

describe('a pack that takes its time', () => {
  /** A place whose packs come late, and its tip. */
  async function lateRepository(): Promise<{ place: Place; path: string }> {
    const path = exampleRepository(root)
    const place = memoryPlace()
    await load(place, path)
    return {
      path,
      place: {
        ...place,
        readPack: async (...span) => (await wait(150), place.readPack(...span)),
        async *streamPack(...span) {
          await wait(150)
          yield* place.streamPack(...span)
        },
      },
    }
  }

  async function answerOf(version: 0 | 2, keepAlive: number, isBanded = true): Promise<string> {
    const { place, path } = await lateRepository()
    const tip = parseOid(gitText(path, ['rev-parse', 'main']))
    const request =
      version === 2
        ? encodeCommand('fetch', [`want ${tip}`, 'done', 'ofs-delta'])
        : encodeFetchV0({
            wants: [tip],
            haves: [],
            capabilities: isBanded ? ['side-band-64k', 'ofs-delta'] : ['ofs-delta'],
            done: true,
          })
    const objects = await Objects.open(place, nodeRuntime)
    const policy = { ...OPEN_FETCH, keepAlive }
    return latin1(await collect(uploadPack(objects, streamOf(request), { version, policy })))
  }

  it.each([0, 2] as const)('has empty packets in front of it, version %i', async (version) => {
    expect(await answerOf(version, 40)).toMatch(/(0005\u0001)+[0-9a-f]{4}\u0001PACK/)
    expect(await answerOf(version, 0)).not.toContain('0005\u0001')
  })

  it('has none for a client that knows no bands', async () => {
    expect(await answerOf(0, 40, false)).not.toContain('0005\u0001')
  })

  it.each([0, 1, 2])('is taken by a stock client, version %i', async (version) => {
    const { place, path } = await lateRepository()
    const server = await uploadPackServer(place, { ...OPEN_FETCH, keepAlive: 20 })
    const clone = join(mkdtempSync(join(root, 'clone-')), 'r')
    const args = ['-c', `protocol.version=${version}`, 'clone', '-q', server.url, clone]
    await promisify(execFile)('git', args, {
      env: { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null' },
    })
    await server.close()
    expect(gitText(clone, ['rev-parse', 'HEAD'])).toBe(gitText(path, ['rev-parse', 'main']))
  })
})
