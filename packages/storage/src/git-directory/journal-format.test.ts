import { utf8 } from '@datakit/git/bytes'
import { expect, it } from 'vitest'

import { oid, request } from '../../test/samples.ts'
import { decodeDecision, decodePlan, type Decision } from './journal-format.ts'
import { planUpdate } from './make-update.ts'

const MAIN = 'refs/heads/main'
const pack = { id: `pack-${'1'.repeat(40)}`, size: 1, objects: 1, verified: false }
const refs = [
  { name: MAIN, from: undefined, to: oid(1), peeled: undefined },
  { name: 'refs/tags/v1', from: oid(1), to: undefined, peeled: undefined },
]
const plan = planUpdate(
  request(refs, {
    addPacks: [pack],
    removePacks: ['pack-2'],
    head: { from: { ref: MAIN }, to: { oid: oid(1) } },
    shallow: { add: [oid(1)], remove: [] },
  }),
  1_700_000_000_000,
)
const decision: Decision = {
  replace: [{ file: 'state', path: 'datakit/state' }],
  unlink: ['refs/tags/v1'],
  publish: [{ lock: 1, path: MAIN }],
  reflogs: [{ ref: MAIN, lines: 'line\n', ends: false, size: 7 }],
}

function cuts(text: string): Uint8Array[] {
  return Array.from(utf8(text), (_, end) => utf8(text).subarray(0, end))
}

it('is read as it was written', () => {
  expect(decodePlan(utf8(JSON.stringify(plan)))).toEqual(plan)
  expect(decodeDecision(utf8(JSON.stringify(decision)))).toEqual(decision)
})

it('takes a plan that is cut for none, at every length', () => {
  for (const bytes of cuts(JSON.stringify(plan))) expect(decodePlan(bytes)).toBeUndefined()
})

it('refuses a decision that is cut, at every length', () => {
  for (const bytes of cuts(JSON.stringify(decision)))
    expect(() => decodeDecision(bytes)).toThrow('Cannot read the decision of an update')
})

it.each([
  '{}',
  '[]',
  'null',
  JSON.stringify({ ...plan, format: 2 }),
  JSON.stringify({ ...plan, refs: [{ name: MAIN, to: 'x' }] }),
  JSON.stringify({ ...plan, refs: {} }),
  JSON.stringify({ ...plan, head: { from: {}, to: {} } }),
  JSON.stringify({ ...plan, locks: [1] }),
  JSON.stringify({ ...plan, log: null }),
])('refuses a plan that is none: %s', (text) => {
  expect(() => decodePlan(utf8(text))).toThrow('Cannot read the plan of an update')
})

it.each([
  '{}',
  '[]',
  JSON.stringify({ ...decision, replace: [[]] }),
  JSON.stringify({ ...decision, replace: undefined }),
  JSON.stringify({ ...decision, publish: [{ lock: -1, path: MAIN }] }),
  JSON.stringify({ ...decision, publish: [{ lock: 0 }] }),
  JSON.stringify({ ...decision, reflogs: [{ ref: MAIN, lines: 7, ends: false, size: 0 }] }),
])('refuses a decision that is none: %s', (text) => {
  expect(() => decodeDecision(utf8(text))).toThrow('Cannot read the decision of an update')
})
