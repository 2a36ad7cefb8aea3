import { expect, it } from 'vitest'

import { parseOid } from '../oid.ts'
import type { RefUpdate } from '../place.ts'
import { resolveAliases } from './aliases.ts'

const [one, two] = [parseOid('1'.repeat(40)), parseOid('2'.repeat(40))]
const aliases = new Map([['refs/heads/master', 'refs/heads/main']])

function move(name: string, to = one): RefUpdate {
  return { name: `refs/heads/${name}`, from: undefined, to }
}

it('changes nothing about refs that are none', () => {
  const asked = [move('main'), move('other', two)]
  expect(resolveAliases(asked, aliases).updates).toBe(asked)
  expect(resolveAliases(asked, undefined).updates).toBe(asked)
})

it('moves a ref once that is asked for under two names, and tells of both', () => {
  const { updates, outcomes } = resolveAliases([move('master'), move('main')], aliases)
  expect(updates).toEqual([move('main')])
  const told = outcomes([{ name: 'refs/heads/main', state: 'lost', current: two }])
  expect(told.map(({ name, state }) => [name, state])).toEqual([
    ['refs/heads/master', 'lost'],
    ['refs/heads/main', 'lost'],
  ])
})

it('moves no ref that is to lead elsewhere under each of its names', () => {
  const { updates, outcomes } = resolveAliases(
    [move('master'), move('main', two), move('c')],
    aliases,
  )
  expect(updates).toEqual([move('c')])
  expect(outcomes([{ name: 'refs/heads/c', state: 'done' }])).toEqual([
    { name: 'refs/heads/master', state: 'refused', reason: 'inconsistent aliased update' },
    { name: 'refs/heads/main', state: 'refused', reason: 'inconsistent aliased update' },
    { name: 'refs/heads/c', state: 'done' },
  ])
})

it('deletes nothing by another name', () => {
  const asked = [{ name: 'refs/heads/master', from: one, to: undefined }]
  expect(resolveAliases(asked, aliases).updates).toBe(asked)
})
