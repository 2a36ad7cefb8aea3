import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'

import { utf8 } from '@datakit/git/bytes'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, it } from 'vitest'

import { cases } from '../../../git/test/seed.ts'
import { temporaryDirectory } from '../../test/git-sample.ts'
import type { KeptReceipt } from '../update.ts'
import { Receipts } from './receipts.ts'

const DAY = 24 * 60 * 60 * 1000

let directory = ''

beforeEach(() => {
  directory = temporaryDirectory()
})

afterEach(() => rmSync(directory, { recursive: true, force: true }))

function receipt(number: number, more: Partial<KeptReceipt> = {}): KeptReceipt {
  const id = number.toString(16).padStart(32, '0')
  const digest = 'd'.repeat(40)
  return { id, digest, at: number, outcome: 'done', version: 'e'.repeat(40), ...more }
}

function lineOf({ id, digest, at, outcome, version }: KeptReceipt): string {
  return `\n${id} ${digest} ${at} ${outcome} ${version}\n`
}

it('is read as it was written', async () => {
  const receipts = new Receipts(directory)
  const all = [receipt(1), receipt(2, { outcome: 'lost' }), receipt(3)]
  for (const each of all) await receipts.add(each)
  await receipts.add(receipt(1, { outcome: 'lost' }))
  for (const each of all) expect(new Receipts(directory).find(each.id)).toEqual(each)
  expect(receipts.find(receipt(4).id)).toBeUndefined()
})

it('passes over a line that a crash cut, at every length, and goes on behind it', async () => {
  const [first, cut, next] = [receipt(1), receipt(2), receipt(3)]
  const line = lineOf(cut)
  for (let end = 0; end < line.length - 1; end++) {
    writeFileSync(`${directory}/receipts`, lineOf(first) + line.slice(0, end))
    const receipts = new Receipts(directory)
    expect(receipts.find(cut.id)).toBeUndefined()
    await receipts.add(next)
    for (const each of [first, next]) expect(new Receipts(directory).find(each.id)).toEqual(each)
    expect(new Receipts(directory).find(cut.id)).toBeUndefined()
    rmSync(`${directory}/receipts`)
  }
})

it('finds every receipt between lines that are none', () => {
  const all = [receipt(1), receipt(2)]
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (garbage) => {
      const parts = [
        utf8(lineOf(all[0] ?? receipt(0))),
        garbage,
        utf8(lineOf(all[1] ?? receipt(0))),
      ]
      writeFileSync(`${directory}/receipts`, Buffer.concat(parts))
      for (const each of all) expect(new Receipts(directory).find(each.id)).toEqual(each)
    }),
    cases(200),
  )
})

it('sets a large file aside, and forgets it when all of it may be forgotten', async () => {
  const old = Array.from({ length: 9000 }, (_, i) => receipt(i + 1))
  writeFileSync(`${directory}/receipts`, old.map(lineOf).join(''))
  expect(statSync(`${directory}/receipts`).size).toBeGreaterThan(1 << 20)
  const receipts = new Receipts(directory)
  await receipts.rotate(10_000)
  expect(existsSync(`${directory}/receipts`)).toBe(false)
  expect(receipts.find(old[0]?.id ?? '')).toEqual(old[0])
  const newer = Array.from({ length: 9000 }, (_, i) => receipt(i + 10_000, { at: 40 * DAY }))
  writeFileSync(`${directory}/receipts`, newer.map(lineOf).join(''))
  await receipts.rotate(40 * DAY)
  expect(readdirSync(directory)).toEqual([`receipts.${40 * DAY}`])
  expect(receipts.find(old[0]?.id ?? '')).toBeUndefined()
  expect(receipts.find(newer[0]?.id ?? '')).toEqual(newer[0])
})
