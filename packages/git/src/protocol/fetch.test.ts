import { afterAll, describe, expect, it } from 'vitest'

import { exampleRepository, git, gitText, scratch } from '../../test/support/example.ts'
import { bytesOf, collect, latin1, readCuts, readerOf } from '../../test/support/hostile.ts'
import { parseOid, type Oid } from '../oid.ts'
import { readCommand } from './command.ts'
import {
  decodeFetch,
  acknowledgmentLines,
  encodeFetch,
  encodePackHeader,
  encodeSection,
  readFetchAnswer,
} from './fetch.ts'
import { readBands } from './sideband.ts'

const { path: root, remove } = scratch()
afterAll(remove)

const example = exampleRepository(root)
const main = parseOid(gitText(example, ['rev-parse', 'main']))
const first = parseOid(gitText(example, ['rev-parse', 'main~2']))
const stranger = parseOid('1'.repeat(40))

const plain = {
  wants: [main],
  haves: [],
  done: true,
  thinPack: false,
  quiet: true,
  includeTag: false,
  ofsDelta: true,
  waitForDone: false,
}

/** What a client of ours does not ask for. */
const rest = {
  shallow: [],
  deepen: undefined,
  wantedRefs: [],
  filter: undefined,
  sidebandAll: false,
  uriSchemes: [],
}

function acknowledge(common: readonly Oid[], ready: boolean): string {
  const options = { end: ready ? 'delimiter' : 'flush', sidebandAll: false } as const
  return latin1(encodeSection('acknowledgments', acknowledgmentLines({ common, ready }), options))
}

function ask(request: Uint8Array): Uint8Array {
  const env = { GIT_PROTOCOL: 'version=2' }
  return Uint8Array.from(
    git(example, ['upload-pack', '--stateless-rpc', '.'], { input: request, env }),
  )
}

// Sent by git 2.39.5 for a fetch.
const fetchRequest = bytesOf(
  '0011command=fetch0014agent=git/2.39.50016object-format=sha10001000dthin-pack000fno-progress000finclude-tag' +
    '000dofs-delta0032want 5ebac139897f4ef063244eb250301f322ad9aca8\n' +
    '0032have 66edf9bfe506dab880ed5873fe0998ce512a2f35\n0032have 2ff2a0353cae092f583f9be26ce41edeb46dc643\n0000',
)

describe('fetch', () => {
  it.each([1, 1000])("reads a stock client's request in pieces of %i", async (size) => {
    const command = await readCommand(readerOf(fetchRequest, size))
    expect(command?.name).toBe('fetch')
    expect(decodeFetch(command?.args ?? [])).toEqual({
      wants: ['5ebac139897f4ef063244eb250301f322ad9aca8'],
      haves: [
        '66edf9bfe506dab880ed5873fe0998ce512a2f35',
        '2ff2a0353cae092f583f9be26ce41edeb46dc643',
      ],
      done: false,
      thinPack: true,
      quiet: true,
      includeTag: true,
      ofsDelta: true,
      waitForDone: false,
      ...rest,
    })
    expect(await readCuts(fetchRequest, readCommand)).toEqual([0])
  })

  it('reads back what it writes', async () => {
    const request = {
      ...plain,
      haves: [first, stranger],
      thinPack: true,
      waitForDone: true,
      includeTag: true,
    }
    expect(decodeFetch((await readCommand(readerOf(encodeFetch(request))))?.args ?? [])).toEqual({
      ...request,
      ...rest,
    })
  })

  it('is answered by Git with a pack at once', async () => {
    const wire = ask(encodeFetch(plain))
    const reader = readerOf(wire, 1)
    expect(await readFetchAnswer(reader)).toEqual({
      acknowledgments: undefined,
      cuts: { shallow: [], unshallow: [] },
      pack: true,
    })
    const pack = await collect(readBands(reader, () => {}))
    expect(latin1(pack.subarray(0, 4))).toBe('PACK')
    expect(
      gitText(root, ['index-pack', '--stdin'], {
        input: pack,
        env: { GIT_DIR: `${example}/.git` },
      }),
    ).toMatch(/^pack\t/)
    expect(latin1(wire.subarray(0, 13))).toBe(latin1(encodePackHeader({ sidebandAll: false })))
    const readWhole = async (cut: typeof reader): Promise<void> => {
      await readFetchAnswer(cut)
      await collect(readBands(cut, () => {}))
    }
    expect(await readCuts(wire, readWhole)).toEqual([])
  })

  it('is answered by Git with acknowledgments, and with ready', async () => {
    const known = ask(encodeFetch({ ...plain, haves: [first, stranger], done: false }))
    const reader = readerOf(known, 1)
    expect(await readFetchAnswer(reader)).toEqual({
      acknowledgments: { common: [first], ready: true },
      cuts: { shallow: [], unshallow: [] },
      pack: true,
    })
    expect(latin1(known).startsWith(acknowledge([first], true))).toBe(true)
    const unknown = ask(encodeFetch({ ...plain, haves: [stranger], done: false }))
    expect(await readFetchAnswer(readerOf(unknown))).toEqual({
      acknowledgments: { common: [], ready: false },
      cuts: { shallow: [], unshallow: [] },
      pack: false,
    })
    expect(latin1(unknown)).toBe(acknowledge([], false))
    expect(await readCuts(unknown, readFetchAnswer)).toEqual([])
  })

  it('reads what is said of cuts, filters, and refs by name', () => {
    const args = [
      `shallow ${first}`,
      'deepen 3',
      'deepen-relative',
      'filter tree:1',
      'want-ref refs/heads/main',
      'sideband-all',
      'packfile-uris https',
    ]
    expect(decodeFetch(args)).toMatchObject({
      shallow: [first],
      deepen: { kind: 'depth', depth: 3, relative: true },
      filter: 'tree:1',
      wantedRefs: ['refs/heads/main'],
      sidebandAll: true,
      uriSchemes: ['https'],
    })
    const history = ['deepen-since 1700000000', 'deepen-not v1', 'deepen-not side']
    expect(decodeFetch(history).deepen).toEqual({
      kind: 'history',
      since: 1_700_000_000,
      not: ['v1', 'side'],
    })
  })

  it.each([
    [['deepen 0']],
    [['deepen -1']],
    [['deepen x']],
    [['deepen-since soon']],
    [['deepen 1', 'deepen-not v1']],
    [['filter blob:none', 'filter tree:0']],
    [['shallow HEAD']],
  ])('refuses %j', (args) => {
    expect(() => decodeFetch(args)).toThrow('Cannot read')
  })

  it.each(['want', 'want 123', 'have HEAD', 'deepened', ''])('refuses the argument "%s"', (arg) => {
    expect(() => decodeFetch([arg])).toThrow('Cannot read')
  })

  it.each(['0000', '0009hello0000', '0014acknowledgments\n0008ACK \n0000'])(
    'refuses the answer "%s"',
    async (wire) => {
      await expect(readFetchAnswer(readerOf(bytesOf(wire)))).rejects.toThrow('Cannot read')
    },
  )
})
