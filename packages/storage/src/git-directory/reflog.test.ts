import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

import { decodeName } from '@datakit/git/bytes'
import { ZERO_OID, type Oid } from '@datakit/git/oid'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { cases } from '../../../git/test/seed.ts'
import {
  commitObject,
  emptyTree,
  git,
  stageObjects,
  temporaryDirectory,
} from '../../test/git-sample.ts'
import { done, oid, request } from '../../test/samples.ts'
import { openGitDirectory } from './depot.ts'
import { appendReflog, endOfReflog, formatReflogLine, readReflog, sizeOfReflog } from './reflog.ts'

const MAIN = 'refs/heads/main'
const who = 'Ada <ada@example.org>'

let directory = ''

beforeEach(() => {
  directory = temporaryDirectory()
})

afterEach(() => rmSync(directory, { recursive: true, force: true }))

function lineOf(to: Oid, why: string, ref = MAIN): string {
  return formatReflogLine({ ref, from: oid(1), to, who, why, at: 1_700_000_000_000 })
}

/** Appends as an update does that dies behind it and is finished once more, after `meanwhile`. */
async function appendTwice(
  entry: { ref: string; lines: string; ends: boolean },
  meanwhile: () => void = () => {},
): Promise<void> {
  const decided = { ...entry, size: await sizeOfReflog(directory, entry.ref, entry.ends) }
  await appendReflog(directory, decided)
  meanwhile()
  await appendReflog(directory, decided)
}

async function whys(ref = MAIN): Promise<string[]> {
  return (await readReflog(directory, ref)).map(({ why }) => why)
}

it('gives git a line that it reads to its end, whatever is in it', () => {
  expect(lineOf(oid(2), 'commit: a\0b\r\nc\td ')).toMatch(/^[^\0\n\r\t]+\tcommit: a b c d\n$/)
})

describe('a line is there once however often its update is finished', () => {
  const odd = decodeName(Uint8Array.of(0x63, 0xe9, 0xff))
  it.each([
    ['of many bytes', 'x'.repeat(20_000)],
    ['that is not UTF-8', odd],
    ['that is empty', ''],
  ])('one %s', async (_, why) => {
    for (const to of [oid(2), oid(3)])
      await appendTwice({ ref: MAIN, lines: lineOf(to, why), ends: false })
    expect(await whys()).toEqual([why, why])
    expect(await endOfReflog(directory, MAIN)).toBe(oid(3))
  })

  it('one behind which others have written', async () => {
    const theirs = lineOf(oid(9), 'theirs')
    await appendTwice({ ref: MAIN, lines: lineOf(oid(2), 'ours'), ends: false }, () =>
      appendFileSync(`${directory}/logs/${MAIN}`, theirs),
    )
    expect(await whys()).toEqual(['ours', 'theirs'])
  })

  it('one in a log that git has shortened', async () => {
    await appendTwice({ ref: MAIN, lines: lineOf(oid(2), 'old '.repeat(100)), ends: false })
    await appendTwice({ ref: MAIN, lines: lineOf(oid(3), 'ours'), ends: false }, () =>
      writeFileSync(`${directory}/logs/${MAIN}`, lineOf(oid(3), 'ours')),
    )
    expect(await whys()).toEqual(['ours'])
  })

  it('one of a ref that ends, whose log is put away', async () => {
    const why = 'x'.repeat(20_000)
    await appendTwice({ ref: MAIN, lines: lineOf(oid(2), why), ends: false })
    await appendTwice({ ref: MAIN, lines: lineOf(oid(3), odd), ends: true })
    expect(await whys()).toEqual([why, odd])
  })

  it('but twice if it came twice', async () => {
    for (let i = 0; i < 2; i++)
      await appendTwice({ ref: MAIN, lines: lineOf(oid(2), 'again'), ends: false })
    expect(await whys()).toEqual(['again', 'again'])
  })
})

it('is read up to its last whole line, cut at every length', async () => {
  const lines = [lineOf(oid(2), 'one'), lineOf(oid(3), 'two: é'), lineOf(oid(4), '')]
  const whole = Buffer.from(lines.join(''))
  mkdirSync(`${directory}/logs/refs/heads`, { recursive: true })
  for (let end = 0; end < whole.length; end++) {
    const cut = whole.subarray(0, end)
    writeFileSync(`${directory}/logs/${MAIN}`, cut)
    const complete = cut.toString('latin1').split('\n').length - 1
    expect(await whys()).toEqual(['one', 'two: é', ''].slice(0, complete))
    expect(await endOfReflog(directory, MAIN)).toBe([undefined, oid(2), oid(3)][complete])
  }
})

it('goes on behind a line that was cut', async () => {
  mkdirSync(`${directory}/logs/refs/heads`, { recursive: true })
  writeFileSync(
    `${directory}/logs/${MAIN}`,
    lineOf(oid(2), 'one') + lineOf(oid(3), 'cut').slice(0, 60),
  )
  await appendTwice({ ref: MAIN, lines: lineOf(oid(4), 'ours'), ends: false })
  expect(await whys()).toEqual(['one', 'ours'])
})

it('passes over lines that are none', async () => {
  mkdirSync(`${directory}/logs/refs/heads`, { recursive: true })
  const bytes = fc.uint8Array({ maxLength: 200 })
  await fc.assert(
    fc.asyncProperty(bytes, async (garbage) => {
      const line = Buffer.from(lineOf(oid(2), 'one'))
      const body = Buffer.concat([line, garbage, Buffer.from('\n'), line])
      writeFileSync(`${directory}/logs/${MAIN}`, body)
      const read = await whys()
      expect([read[0], read.at(-1)]).toEqual(['one', 'one'])
      expect(await endOfReflog(directory, MAIN)).toBe(oid(2))
    }),
    cases(200),
  )
})

it('reads what git wrote, and git what is written here', { timeout: 60_000 }, async () => {
  git(directory, 'init', '-q', '--bare', '-b', 'main')
  const place = await openGitDirectory(directory)
  const commits = Array.from({ length: 8 }, (_, i) => commitObject(`${i}`))
  let from: Oid | undefined
  const said: string[] = []
  const addPacks = [await stageObjects(place, [...commits, emptyTree])]
  await done(place, request([], { addPacks }))
  const texts = fc.sample(fc.string({ unit: 'grapheme', maxLength: 60 }), {
    ...cases(8),
    numRuns: 8,
  })
  for (const [i, { oid: to }] of commits.entries()) {
    const why = `${i} ${texts[i] ?? ''}`.replaceAll('\0', '')
    if (i % 2 === 0) await done(place, request([{ name: MAIN, from, to }], { log: { who, why } }))
    else git(directory, 'update-ref', '--create-reflog', '-m', why, MAIN, to, from ?? ZERO_OID)
    from = to
    said.push(git(directory, 'reflog', 'show', '-1', '--format=%H %gs', MAIN))
  }
  const read = (await readReflog(directory, MAIN)).map(({ to, why }) => `${to} ${why}`.trimEnd())
  expect(read).toEqual(said)
  expect(readFileSync(`${directory}/logs/${MAIN}`, 'utf8').split('\n')).toHaveLength(9)
  await place.close()
})
