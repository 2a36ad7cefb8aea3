import { readdirSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs'

import { afterEach, beforeEach, expect, it, vi } from 'vitest'

import { temporaryDirectory } from '../../test/git-sample.ts'
import { request } from '../../test/samples.ts'
import { Journal } from './journal.ts'
import { planUpdate } from './make-update.ts'

let directory = ''

beforeEach(() => {
  directory = temporaryDirectory()
})

afterEach(() => {
  vi.useRealTimers()
  rmSync(directory, { recursive: true, force: true })
})

/** The one journal there is; `seconds` ago it gave its last sign of life. */
function onlyJournal(seconds: number): string {
  const root = `${directory}/datakit/journal`
  const path = `${root}/${readdirSync(root)[0] ?? ''}`
  const then = new Date(Date.now() - seconds * 1000)
  utimesSync(path, then, then)
  return path
}

/** Makes the only journal one of another container of this machine. */
function moveIntoContainer(path: string): string {
  const elsewhere = path.replace(/\d+$/, '1')
  renameSync(path, elsewhere)
  return elsewhere.slice(elsewhere.lastIndexOf('/') + 1)
}

it('gives signs of life for as long as its update takes', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const journal = await Journal.begin(directory, planUpdate(request([]), 0))
  const path = onlyJournal(600)
  vi.advanceTimersByTime(30_000)
  await vi.waitFor(() => expect(Date.now() - statSync(path).mtimeMs).toBeLessThan(60_000))
  await journal.end()
  expect(vi.getTimerCount()).toBe(0)
})

it('is taken from another container only when it gave no sign of life for a minute', async () => {
  const journal = await Journal.begin(directory, planUpdate(request([]), 0))
  const name = moveIntoContainer(onlyJournal(50))
  expect(await Journal.abandoned(directory)).toEqual([])
  onlyJournal(70)
  expect(await Journal.abandoned(directory)).toEqual([name])
  await journal.end()
})

it('is never taken from a process that lives, and at once from one that is gone', async () => {
  const journal = await Journal.begin(directory, planUpdate(request([]), 0))
  onlyJournal(600)
  expect(await Journal.abandoned(directory)).toEqual([])
  await journal.abandon()
  expect(await Journal.abandoned(directory)).toHaveLength(1)
})
