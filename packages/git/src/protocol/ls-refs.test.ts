import { afterAll, describe, expect, it } from 'vitest'

import { exampleRepository, git, gitText, scratch } from '../../test/support/example.ts'
import { bytesOf, latin1, readCuts, readerOf } from '../../test/support/hostile.ts'
import { readCommand } from './command.ts'
import { decodeLsRefs, encodeLsRefs, encodeRefList, readRefList } from './ls-refs.ts'

const { path: root, remove } = scratch()
afterAll(remove)

const example = exampleRepository(root)
const everything = { prefixes: [], peel: true, symrefs: true, unborn: true }

function ask(path: string, request: Uint8Array): Uint8Array {
  const env = { GIT_PROTOCOL: 'version=2' }
  return Uint8Array.from(
    git(path, ['upload-pack', '--stateless-rpc', '.'], { input: request, env }),
  )
}

// Sent by git 2.39.5 for a clone.
const cloneRequest = bytesOf(
  '0014command=ls-refs\n0014agent=git/2.39.50016object-format=sha100010009peel\n000csymrefs\n000bunborn\n' +
    '0014ref-prefix HEAD\n001bref-prefix refs/heads/\n001aref-prefix refs/tags/\n0000',
)

describe('ls-refs', () => {
  it.each([1, 4, 1000])("reads a stock client's request in pieces of %i", async (size) => {
    const command = await readCommand(readerOf(cloneRequest, size))
    expect(command?.name).toBe('ls-refs')
    expect(command?.capabilities.get('agent')).toEqual(['git/2.39.5'])
    expect(decodeLsRefs(command?.args ?? [])).toEqual({
      ...everything,
      prefixes: ['HEAD', 'refs/heads/', 'refs/tags/'],
    })
  })

  it('knows a request that was cut short', async () => {
    expect(await readCuts(cloneRequest, readCommand)).toEqual([0])
  })

  it('is answered by Git with refs, symrefs and what tags lead to', async () => {
    const answer = ask(example, encodeLsRefs({ ...everything, unborn: false }))
    const main = gitText(example, ['rev-parse', 'main'])
    const tag = gitText(example, ['rev-parse', 'v1'])
    const refs = await readRefList(readerOf(answer, 1))
    expect(refs).toEqual([
      { name: 'HEAD', oid: main, peeled: undefined, symref: 'refs/heads/main' },
      { name: 'refs/heads/main', oid: main, peeled: undefined, symref: undefined },
      { name: 'refs/tags/v1', oid: tag, peeled: main, symref: undefined },
    ])
    expect(latin1(encodeRefList(everything, refs))).toBe(latin1(answer))
    expect(await readCuts(answer, readRefList)).toEqual([])
  })

  it.each([['refs/tags/'], ['HEAD', 'refs/heads/m'], ['refs/heads/nothing']])(
    'gives the refs under %s as Git does',
    async (...prefixes) => {
      const all = await readRefList(readerOf(ask(example, encodeLsRefs(everything))))
      const request = { ...everything, prefixes, peel: false }
      expect(latin1(encodeRefList(request, all))).toBe(latin1(ask(example, encodeLsRefs(request))))
    },
  )

  it('tells of a HEAD that has no commit yet', async () => {
    const empty = `${root}/empty.git`
    git(root, ['init', '-q', '--bare', empty])
    const answer = ask(empty, encodeLsRefs(everything))
    const refs = await readRefList(readerOf(answer))
    expect(refs).toEqual([
      { name: 'HEAD', oid: undefined, peeled: undefined, symref: 'refs/heads/main' },
    ])
    expect(latin1(encodeRefList(everything, refs))).toBe(latin1(answer))
    expect(latin1(encodeRefList({ ...everything, unborn: false }, refs))).toBe('0000')
  })

  it('refuses what it does not know', () => {
    expect(() => decodeLsRefs(['peel', 'polish'])).toThrow('"polish" is no argument of ls-refs')
  })

  it.each([
    '0008abcd0000',
    '0036unborn0000',
    '003dAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA refs/heads/main0000',
  ])('refuses the answer "%s"', async (wire) => {
    await expect(readRefList(readerOf(bytesOf(wire)))).rejects.toThrow('Cannot read')
  })
})
