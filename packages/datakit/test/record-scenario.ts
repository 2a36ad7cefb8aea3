/**
 * A configuration record from its first default to a watch, for the places that have no tests of their own for it.
 *
 * @module
 */
import { expect } from 'vitest'
import type { Repository } from '../src/repository.ts'
import { ConfigRecord } from '../src/records/config-record.ts'
import { bool, int, string } from '../src/records/field.ts'
import { commit, next } from './watch-contract.ts'

/** Two handles of one repository use one record. */
export async function useRecord(mine: Repository, theirs: Repository): Promise<void> {
  const options = {
    layers: ['user', 'defaults'],
    state: 'state',
    path: 'vm',
    fields: { memory: int(2048), debug: bool(false), 'proxy/http': string() },
  } as const
  const [record, other] = [
    await ConfigRecord.open(mine, options),
    await ConfigRecord.open(theirs, options),
  ]
  const memory = record.watch('memory')
  expect(await next(memory)).toMatchObject({ value: 2048, layer: 'defaults' })
  const pending = next(memory)
  await other.set({ memory: 4096, 'proxy/http': 'http://proxy' })
  expect(await pending).toMatchObject({ value: 4096, layer: 'user' })
  expect(await (await mine.branch('state').head())?.readText('vm/proxy/http')).toBe(
    'http://proxy\n',
  )
  await commit(theirs, { 'vm/memory': 'rubbish' }, 'user')
  expect(await next(memory)).toMatchObject({ value: 2048, problem: { layer: 'user' } })
  expect(await other.upgrade(2)).toBe(true)
  expect(await record.upgrade(2)).toBe(false)
  await memory.return?.()
}
