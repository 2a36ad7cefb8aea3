import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'

import { afterAll, describe, expect, it } from 'vitest'

import { exampleRepository, git, gitText, scratch } from '../../test/support/example.ts'
import { bytesOf, latin1, readCuts, readerOf } from '../../test/support/hostile.ts'
import { concat } from '../bytes.ts'
import {
  encodeCapabilityAdvertisement,
  encodeRefsAdvertisement,
  readAdvertisement,
} from './advertisement.ts'
import { capabilityWords } from './capability.ts'
import { encodeLine, FLUSH } from './pkt-line.ts'

const { path: root, remove } = scratch()
afterAll(remove)

const example = exampleRepository(root)
const main = gitText(example, ['rev-parse', 'main'])
const tag = gitText(example, ['rev-parse', 'v1'])

function advertised(path: string, service: string, version = ''): Uint8Array {
  const wire = git(path, [service.slice(4), '--http-backend-info-refs', '.'], {
    env: { GIT_PROTOCOL: version },
  })
  return Uint8Array.from(wire)
}

describe("Git's advertisement", () => {
  it.each([1, 3, 10_000])('is read in version 0, in pieces of %i', async (size) => {
    const { version, refs, capabilities } = await readAdvertisement(
      readerOf(advertised(example, 'git-upload-pack'), size),
    )
    expect(version).toBe(0)
    expect(refs).toEqual([
      { name: 'HEAD', oid: main, peeled: undefined, symref: 'refs/heads/main' },
      { name: 'refs/heads/main', oid: main, peeled: undefined, symref: undefined },
      { name: 'refs/tags/v1', oid: tag, peeled: main, symref: undefined },
    ])
    expect(capabilities.has('multi_ack_detailed')).toBe(true)
    expect(capabilities.get('object-format')).toEqual(['sha1'])
  })

  it('is read in version 1', async () => {
    const { version, refs } = await readAdvertisement(
      readerOf(advertised(example, 'git-upload-pack', 'version=1')),
    )
    expect([version, refs.length]).toEqual([1, 3])
  })

  it('is read in version 2', async () => {
    const { version, refs, capabilities } = await readAdvertisement(
      readerOf(advertised(example, 'git-upload-pack', 'version=2'), 1),
    )
    expect([version, refs]).toEqual([2, []])
    expect(capabilityWords(capabilities, 'ls-refs')).toEqual(new Set(['unborn']))
    expect(capabilityWords(capabilities, 'fetch')).toEqual(new Set(['shallow', 'wait-for-done']))
  })

  it('is read for a push, behind the name of the service', async () => {
    const wire = concat([
      encodeLine('# service=git-receive-pack\n'),
      FLUSH,
      advertised(example, 'git-receive-pack'),
    ])
    const { refs, capabilities } = await readAdvertisement(readerOf(wire))
    expect(refs.map(({ name }) => name)).toEqual(['refs/heads/main', 'refs/tags/v1'])
    expect(capabilities.has('report-status-v2')).toBe(true)
  })

  it.each(['git-upload-pack', 'git-receive-pack'])(
    'of %s is read where there are no refs',
    async (service) => {
      const empty = mkdtempSync(join(root, 'empty-'))
      git(empty, ['init', '-q', '--bare'])
      const { refs, capabilities } = await readAdvertisement(readerOf(advertised(empty, service)))
      expect(refs).toEqual([])
      // `git upload-pack` says nothing at all then, not even what it can do.
      expect(capabilities.has('side-band-64k')).toBe(service === 'git-receive-pack')
    },
  )

  it.each(['', 'version=1', 'version=2'])('is refused wherever it is cut (%s)', async (version) => {
    expect(
      await readCuts(advertised(example, 'git-upload-pack', version), readAdvertisement),
    ).toEqual([])
  })

  it('is written back byte for byte', async () => {
    const wire = advertised(example, 'git-upload-pack')
    const { refs, capabilities } = await readAdvertisement(readerOf(wire))
    const words = [...capabilities].flatMap(([name, values]) =>
      values.map((value) => (value === '' ? name : `${name}=${value}`)),
    )
    const own = encodeRefsAdvertisement('git-upload-pack', {
      version: 0,
      capabilities: words,
      refs,
    })
    // Git itself leaves out the service when it is asked like this; `http-backend` puts it in front.
    expect(latin1(own)).toBe(`001e# service=git-upload-pack\n0000${latin1(wire)}`)
  })
})

describe('our advertisement', () => {
  it('of a repository without refs carries the capabilities alone', () => {
    const unborn = { name: 'HEAD', oid: undefined, peeled: undefined, symref: 'refs/heads/main' }
    const wire = encodeRefsAdvertisement('git-upload-pack', {
      version: 0,
      capabilities: ['a', 'b=c'],
      refs: [unborn],
    })
    const zero = '0'.repeat(40)
    expect(latin1(wire)).toBe(
      `001e# service=git-upload-pack\n0000${`0043${zero} capabilities^{}\0a b=c\n`}0000`,
    )
  })

  it('of version 2 is a list of capabilities', () => {
    expect(latin1(encodeCapabilityAdvertisement(['agent=x', 'fetch']))).toBe(
      '000eversion 2\n000cagent=x\n000afetch\n0000',
    )
  })

  it.each([
    '0009hello0000',
    '0000',
    '0032' + 'x'.repeat(46),
    `0035${'0'.repeat(40)} a^{}\0cap0000`,
  ])('is not confused by "%s"', async (wire) => {
    const outcome = await readAdvertisement(readerOf(bytesOf(wire))).catch(
      (error: Error) => error.message,
    )
    expect(outcome).toEqual(
      wire === '0000'
        ? { version: 0, capabilities: new Map(), refs: [], shallow: [] }
        : expect.stringContaining('Cannot read'),
    )
  })
})
