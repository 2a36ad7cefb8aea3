import { MalformedError, NotHereError } from '@datakit/git/error'
import { parseOid } from '@datakit/git/oid'
import { PathError } from '@datakit/datakit/error'
import { expect, it } from 'vitest'
import type { ListedEntry } from './data.ts'
import { isOfPath, readUnder } from './under-drafts.ts'

const COMMIT = parseOid('1'.repeat(40))

function entry(path: string): ListedEntry {
  return { name: path, path, kind: 'file', mode: 0o100644, oid: parseOid('2'.repeat(40)) }
}

it('tells what is committed, what is not, and nothing of what was left with the server', async () => {
  const stat = async (_: unknown, path: string): Promise<ListedEntry | undefined> => {
    if (path === 'left') throw new NotHereError('1234', 'origin')
    return path === 'new' ? undefined : entry(path)
  }
  const found = await readUnder({ stat }, COMMIT, ['a', 'left', 'new'])
  expect([...found]).toEqual([
    ['a', entry('a')],
    ['new', undefined],
  ])
  expect([...(await readUnder({ stat }, undefined, ['left']))]).toEqual([['left', undefined]])
})

it('fails with what is damaged', async () => {
  const damaged = new MalformedError('a tree', 'it is cut off')
  const reading = readUnder({ stat: () => Promise.reject(damaged) }, COMMIT, ['a'])
  await expect(reading).rejects.toBe(damaged)
  expect(isOfPath(damaged)).toBe(false)
  expect(isOfPath(new NotHereError('1234', 'origin'))).toBe(true)
  expect(isOfPath(new PathError('bad-path', 'a//b', 'two slashes'))).toBe(true)
})
