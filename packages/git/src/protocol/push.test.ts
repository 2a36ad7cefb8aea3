import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'

import { afterAll, describe, expect, it } from 'vitest'

import { exampleRepository, git, gitText, scratch } from '../../test/support/example.ts'
import { bytesOf, collect, latin1, readCuts, readerOf } from '../../test/support/hostile.ts'
import { concat } from '../bytes.ts'
import { parseOid, ZERO_OID } from '../oid.ts'
import { encodePush, encodeReport, readPush, readReport } from './push.ts'
import { readBands } from './sideband.ts'

const { path: root, remove } = scratch()
afterAll(remove)

const example = exampleRepository(root)
const main = parseOid(gitText(example, ['rev-parse', 'main']))

// Sent by git 2.39.5 for a push of a new branch.
const pushRequest = bytesOf(
  '00ae0000000000000000000000000000000000000000 2ff2a0353cae092f583f9be26ce41edeb46dc643 refs/heads/own\0 report-status-v2 ' +
    'side-band-64k quiet object-format=sha1 agent=git/2.39.50000PACK',
)

function push(request: Uint8Array): Uint8Array {
  const target = mkdtempSync(join(root, 'target-'))
  git(target, ['init', '-q', '--bare'])
  return Uint8Array.from(git(target, ['receive-pack', '--stateless-rpc', '.'], { input: request }))
}

describe('a push', () => {
  it.each([1, 1000])(
    "reads a stock client's commands in pieces of %i, up to the pack",
    async (size) => {
      const reader = readerOf(pushRequest, size)
      const request = await readPush(reader)
      expect(request.updates).toEqual([
        { name: 'refs/heads/own', from: undefined, to: '2ff2a0353cae092f583f9be26ce41edeb46dc643' },
      ])
      expect([...request.capabilities.keys()]).toEqual([
        'report-status-v2',
        'side-band-64k',
        'quiet',
        'object-format',
        'agent',
      ])
      expect(latin1(await collect(reader.rest()))).toBe('PACK')
    },
  )

  it('knows commands that were cut short', async () => {
    const commands = pushRequest.subarray(0, -4)
    expect(await readCuts(commands, readPush)).toEqual([0])
  })

  it('reads options behind the commands', async () => {
    const commands = encodePush(
      [{ name: 'refs/heads/a', from: main, to: undefined }],
      ['push-options'],
    )
    const request = await readPush(
      readerOf(concat([commands, bytesOf('0009one=10007two0000PACK')])),
    )
    expect(request.updates).toEqual([{ name: 'refs/heads/a', from: main, to: undefined }])
    expect(request.options).toEqual(['one=1', 'two'])
  })

  it('has no updates when a client only tries the door', async () => {
    expect((await readPush(readerOf(bytesOf('0000')))).updates).toEqual([])
  })

  it('is taken by Git, which reports on each ref', async () => {
    const pack = git(example, ['pack-objects', '--stdout', '--revs'], {
      input: bytesOf(`${main}\n`),
    })
    const updates = [
      { name: 'refs/heads/main', from: undefined, to: main },
      { name: 'refs/heads/bad..name', from: undefined, to: main },
    ]
    const wire = push(concat([encodePush(updates, ['report-status', 'side-band-64k']), pack]))
    const bands = readerOf(await collect(readBands(readerOf(wire, 1), () => {})))
    expect(await readReport(bands)).toEqual({
      unpack: undefined,
      refs: [
        { name: 'refs/heads/main', problem: undefined },
        { name: 'refs/heads/bad..name', problem: 'funny refname' },
      ],
    })
  })

  it('gets a report that is read back, line by line', async () => {
    const report = {
      unpack: 'index-pack failed',
      refs: [{ name: 'refs/heads/a', problem: 'not yours' }],
    }
    const wire = encodeReport({
      ...report,
      refs: [{ name: 'refs/heads/a', problem: 'not\nyours' }],
    })
    expect(latin1(wire)).toBe('001dunpack index-pack failed\n001eng refs/heads/a not yours\n0000')
    expect(await readReport(readerOf(wire, 1))).toEqual(report)
    expect(await readCuts(wire, readReport)).toEqual([])
  })

  it('passes over what a report of version 2 adds', async () => {
    const wire = bytesOf(
      '000eunpack ok\n0012ok refs/for/a\n0024option refname refs/heads/other\n0000',
    )
    const { refs } = await readReport(readerOf(wire))
    expect(refs).toEqual([{ name: 'refs/for/a', problem: undefined }])
  })

  it('says what was made instead of a wish, in version 2 alone', () => {
    const rewrites = [
      { name: 'refs/heads/other', from: ZERO_OID, to: main, isForced: true },
      { name: 'refs/heads/more' },
    ]
    const refs = [
      { name: 'refs/for/a', problem: undefined, rewrites },
      { name: 'refs/for/b', problem: 'no', rewrites },
      { name: 'refs/for/c', problem: undefined, rewrites: [] },
    ]
    const others = '0015ng refs/for/b no\n0012ok refs/for/c\n0000'
    expect(latin1(encodeReport({ unpack: undefined, refs }))).toBe(
      `000eunpack ok\n0012ok refs/for/a\n${others}`,
    )
    expect(latin1(encodeReport({ unpack: undefined, refs }, 2))).toBe(
      '000eunpack ok\n0012ok refs/for/a\n0024option refname refs/heads/other\n' +
        `003coption old-oid ${ZERO_OID}\n003coption new-oid ${main}\n0019option forced-update\n` +
        `0012ok refs/for/a\n0023option refname refs/heads/more\n${others}`,
    )
  })

  it('says plainly that it takes no signed push', async () => {
    const wire = bytesOf('000fpush-cert\0 a0000')
    await expect(readPush(readerOf(wire))).rejects.toThrow('is not offered by this server')
  })

  it('tells the boundaries of a shallow clone', async () => {
    const boundary = `0034shallow ${'1'.repeat(40)}`
    const wire = bytesOf(
      `${boundary}${boundary}0069${'0'.repeat(40)} ${'2'.repeat(40)} refs/heads/a\0 quiet0000`,
    )
    const { updates, capabilities, shallow } = await readPush(readerOf(wire))
    expect(updates).toEqual([{ name: 'refs/heads/a', from: undefined, to: '2'.repeat(40) }])
    expect(capabilities.has('quiet')).toBe(true)
    expect(shallow).toEqual(['1'.repeat(40), '1'.repeat(40)])
  })

  it('says plainly that it names objects by SHA-1 alone', async () => {
    const command = `${'0'.repeat(64)} ${'2'.repeat(64)} refs/heads/a\0 object-format=sha256`
    const wire = bytesOf(`${(command.length + 4).toString(16).padStart(4, '0')}${command}0000`)
    await expect(readPush(readerOf(wire))).rejects.toThrow('named by sha1 here, not by "sha256"')
  })

  it.each(['0001', '0002', `0068${'0'.repeat(40)} ${'2'.repeat(40)} refs/heads/a\0quiet0001`])(
    'refuses the mark in "%s"',
    async (wire) => {
      await expect(readPush(readerOf(bytesOf(wire)))).rejects.toThrow('among its commands')
    },
  )

  it.each(['0009hello0000', `005b${main} ${'x'.repeat(40)} a0000`, `0056${main} ${main} 0000`])(
    'refuses "%s"',
    async (wire) => {
      await expect(readPush(readerOf(bytesOf(wire)))).rejects.toThrow('Cannot read')
    },
  )
})
