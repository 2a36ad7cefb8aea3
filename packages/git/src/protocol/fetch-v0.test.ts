import { afterAll, describe, expect, it } from 'vitest'

import { exampleRepository, git, gitText, scratch } from '../../test/support/example.ts'
import { bytesOf, collect, latin1, readCuts, readerOf } from '../../test/support/hostile.ts'
import { concat } from '../bytes.ts'
import { parseOid } from '../oid.ts'
import { encodeAcknowledgment, encodeFetchV0, readAcknowledgment, readFetchV0 } from './fetch-v0.ts'
import { FLUSH } from './pkt-line.ts'
import { readBands } from './sideband.ts'

const { path: root, remove } = scratch()
afterAll(remove)

const example = exampleRepository(root)
const main = parseOid(gitText(example, ['rev-parse', 'main']))
const first = parseOid(gitText(example, ['rev-parse', 'main~2']))
const stranger = parseOid('1'.repeat(40))
const capabilities = ['multi_ack_detailed', 'side-band-64k', 'ofs-delta', 'no-progress']

function ask(request: Uint8Array): Uint8Array {
  return Uint8Array.from(git(example, ['upload-pack', '--stateless-rpc', '.'], { input: request }))
}

// Sent by git 2.39.5 for a fetch.
const fetchRequest = bytesOf(
  '00b0want 71751d21daf4582456f86ca59868a98e1593ed5e multi_ack_detailed no-done side-band-64k thin-pack no-progress ' +
    'include-tag ofs-delta deepen-since deepen-not agent=git/2.39.5\n0000' +
    '0032have 2ff2a0353cae092f583f9be26ce41edeb46dc643\n0032have 42b8761f3751d7c4517e07b344240ef3ab8d5906\n0009done\n',
)

describe('fetch in version 0', () => {
  it.each([1, 1000])("reads a stock client's request in pieces of %i", async (size) => {
    const request = await readFetchV0(readerOf(fetchRequest, size))
    expect(request.wants).toEqual(['71751d21daf4582456f86ca59868a98e1593ed5e'])
    expect(request.rounds).toEqual([
      ['2ff2a0353cae092f583f9be26ce41edeb46dc643', '42b8761f3751d7c4517e07b344240ef3ab8d5906'],
    ])
    expect(request.done).toBe(true)
    expect(request.capabilities.has('no-done')).toBe(true)
    expect(request.capabilities.get('agent')).toEqual(['git/2.39.5'])
  })

  it('knows a request that was cut short', async () => {
    // Behind the wants a client may stop: it wants to know about none of its haves.
    expect(await readCuts(fetchRequest, readFetchV0)).toEqual([0, 180])
  })

  it('reads rounds that a flush ends, and a client that wants nothing', async () => {
    const wants = encodeFetchV0({ wants: [main, first], capabilities, haves: [first], done: false })
    const more = bytesOf(`0032have ${stranger}\n0000`)
    const request = await readFetchV0(readerOf(concat([wants, more])))
    expect([request.wants, request.rounds, request.done]).toEqual([
      [main, first],
      [[first], [stranger]],
      false,
    ])
    expect((await readFetchV0(readerOf(FLUSH))).wants).toEqual([])
  })

  it('is answered by Git with acknowledgments and a pack', async () => {
    const wire = ask(
      encodeFetchV0({ wants: [main], capabilities, haves: [stranger, first], done: true }),
    )
    const reader = readerOf(wire, 1)
    const common = await readAcknowledgment(reader)
    expect(common).toEqual({ kind: 'ack', oid: first, how: 'common' })
    const final = await readAcknowledgment(reader)
    expect(final).toEqual({ kind: 'ack', oid: first, how: 'final' })
    expect(latin1(await collect(readBands(reader, () => {}))).slice(0, 4)).toBe('PACK')
    expect(
      latin1(wire).startsWith(
        latin1(concat([encodeAcknowledgment(common), encodeAcknowledgment(final)])),
      ),
    ).toBe(true)
  })

  it('is answered by Git with NAK when nothing is in common', async () => {
    const wire = ask(encodeFetchV0({ wants: [main], capabilities, haves: [stranger], done: false }))
    expect(await readAcknowledgment(readerOf(wire))).toEqual({ kind: 'nak' })
    expect(latin1(wire)).toBe(latin1(encodeAcknowledgment({ kind: 'nak' })))
    expect(await readCuts(wire, readAcknowledgment)).toEqual([])
  })

  it('reads what is said of cuts and filters', async () => {
    const line = (text: string): string =>
      `${(text.length + 4).toString(16).padStart(4, '0')}${text}`
    const asked = [
      `want ${main} deepen-relative filter`,
      `shallow ${first}`,
      'deepen 2',
      'filter blob:none',
    ]
    const wire = bytesOf(`${asked.map(line).join('')}0000`)
    expect(await readFetchV0(readerOf(wire))).toMatchObject({
      wants: [main],
      shallow: [first],
      deepen: { kind: 'depth', depth: 2, relative: true },
      filter: 'blob:none',
      rounds: [],
      done: false,
    })
  })

  it.each(['0008have', `0033want ${main}xx`, '000bwant abc', `0032want ${main}\n00000008help0000`])(
    'refuses "%s"',
    async (wire) => {
      await expect(readFetchV0(readerOf(bytesOf(wire)))).rejects.toThrow('Cannot read')
    },
  )
})
