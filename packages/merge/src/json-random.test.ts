import { describe, expect, it } from 'vitest'
import { cases, random, seed } from '../../git/test/seed.ts'
import { packageJson, settings, tsconfig } from '../test/json-documents.ts'
import { expectUntouched, mergeLawfully, mergeTexts, type Texts } from '../test/merge.ts'
import { editLines, integer, type Random } from '../test/random-edits.ts'
import { CONFLICT, canonical, matches, mergePlain, type Plain } from '../test/reference.ts'
import { jsonDriver } from './json.ts'

const driver = jsonDriver()

/** JSONC by a way of its own: comments and trailing commas taken out, and the rest left to the platform. */
function parseJsonc(text: string): Plain {
  const plain = text.replaceAll(
    /("(?:[^"\\\n]|\\.)*")|\/\/[^\r\n]*|\/\*[^]*?\*\//g,
    (_, string?: string) => string ?? ' ',
  )
  return JSON.parse(
    plain.replaceAll(/("(?:[^"\\\n]|\\.)*")|,(?=\s*[\]}])/g, (_, string?: string) => string ?? ' '),
  ) as Plain
}

function isJsonc(text: string): boolean {
  try {
    parseJsonc(text)
    return true
  } catch {
    return false
  }
}

describe('random edits of real documents', () => {
  it.each([
    ['package.json', packageJson],
    ['tsconfig.json', tsconfig],
    ['settings.json', settings],
  ])('have the value of the reference: %s', (_, document) => {
    const runs = cases(500)
    const next = random(seed)
    let clean = 0
    for (let run = 0; run < runs.numRuns; run++) {
      const format = { comment: '//', isValid: isJsonc }
      const start = editLines(document, format, next)
      const texts = {
        base: start,
        ours: editLines(start, format, next),
        theirs: editLines(start, format, next),
      }
      const label = `SEED=${seed} case ${run}`
      const merged = checkValue(texts, label)
      if (merged === undefined) continue
      clean++
      expectUntouched(texts, merged, `${label}\n${JSON.stringify({ ...texts, merged })}`)
    }
    console.log(`${clean} of ${runs.numRuns} merges are clean`)
    expect(clean).toBeGreaterThan(runs.numRuns / 4)
  })

  it('have the value of the reference: values made at random, written in several ways', () => {
    const runs = cases(1500)
    const next = random(seed)
    let clean = 0
    for (let run = 0; run < runs.numRuns; run++) {
      const value = randomValue(next, 4)
      const write = (value: Plain): string =>
        JSON.stringify(value, undefined, integer(next, 5)) ?? 'null'
      const texts = {
        base: write(value),
        ours: write(editValue(value, next)),
        theirs: write(editValue(value, next)),
      }
      if (checkValue(texts, `SEED=${seed} case ${run}`) !== undefined) clean++
    }
    console.log(`${clean} of ${runs.numRuns} merges are clean`)
    expect(clean).toBeGreaterThan(runs.numRuns / 4)
  })
})

/** The merge if it is clean; it then has the value of the reference, and JSON stays JSON. */
function checkValue(texts: Texts, label: string): string | undefined {
  const { text, keys, reason } = mergeLawfully(driver, texts)
  if (text === undefined) {
    expect(keys.length > 0 || reason !== undefined, label).toBe(true)
    return undefined
  }
  const [base, ours, theirs] = [texts.base ?? 'null', texts.ours, texts.theirs].map(parseJsonc)
  const expected = mergePlain(base, ours, theirs)
  const shown = `${label}\n${JSON.stringify({ ...texts, merged: text }, undefined, 1)}`
  expect(expected === CONFLICT, shown).toBe(false)
  expect(matches(parseJsonc(text), expected), `${shown}\n${canonical(expected)}`).toBe(true)
  if ([texts.base ?? '1', texts.ours, texts.theirs].every(isPlainJson))
    expect(isPlainJson(text), shown).toBe(true)
  return text
}

function isPlainJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function randomValue(next: Random, depth: number): Plain {
  const kind = integer(next, depth > 0 ? 8 : 4)
  if (kind === 0) return integer(next, 5)
  if (kind === 1) return ['x', 'y', 'long "quoted" text', 'é\n'][integer(next, 4)]
  if (kind === 2) return [true, false, null][integer(next, 3)]
  if (kind === 3) return {}
  const size = integer(next, 5)
  if (kind === 4) return Array.from({ length: size }, () => randomValue(next, depth - 1))
  if (kind === 5)
    return Array.from({ length: size }, (_, id) => ({ id, v: randomValue(next, depth - 1) }))
  const members: [string, Plain][] = Array.from({ length: size + 1 }, () => [
    `k${integer(next, 9)}`,
    randomValue(next, depth - 1),
  ])
  return Object.fromEntries(members)
}

/** The value with something else in it. */
function editValue(value: Plain, next: Random): Plain {
  if (typeof value !== 'object' || value === null || next() < 0.1) return randomValue(next, 1)
  const entries = Object.entries(value)
  const at = integer(next, entries.length + 1)
  const entry = entries[at]
  const kind = integer(next, 4)
  if (entry === undefined)
    entries.splice(integer(next, at + 1), 0, [`k${integer(next, 9)}`, randomValue(next, 1)])
  else if (kind === 0) entries.splice(at, 1)
  else if (kind === 1) entries.unshift(...entries.splice(at, 1))
  else entry[1] = editValue(entry[1], next)
  if (Array.isArray(value)) return entries.map(([, item]) => item)
  return next() < 0.4 ? editValue(Object.fromEntries(entries), next) : Object.fromEntries(entries)
}

describe('cost', () => {
  it('merges a megabyte with ten changes on each side', () => {
    const records = Array.from({ length: 9000 }, (_, id) => ({
      id,
      name: `record ${id}`,
      tags: ['a', 'b'],
      limits: { low: id, high: id * 2, ratio: 0.5 },
    }))
    const write = (from: number): string =>
      JSON.stringify(
        {
          records: records.map((record, i) =>
            i % 900 === from ? { ...record, name: 'changed' } : record,
          ),
        },
        undefined,
        1,
      )
    const texts = { base: write(-1), ours: write(10), theirs: write(20) }
    // Other tests run at the same time: what counts is the processor's time.
    const start = process.cpuUsage()
    const { text } = mergeTexts(driver, texts)
    const { user, system } = process.cpuUsage(start)
    const milliseconds = (user + system) / 1000
    console.log(`${texts.base.length} characters merged in ${milliseconds.toFixed(0)} ms`)
    expect(
      JSON.parse(text ?? 'null').records.filter(({ name }: { name: string }) => name === 'changed'),
    ).toHaveLength(20)
    // Some times what it takes when it is warm: the order of magnitude is held here.
    expect(milliseconds).toBeLessThan(2000)
  })
})
