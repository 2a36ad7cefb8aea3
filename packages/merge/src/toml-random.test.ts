import { expect, it } from 'vitest'
import { getStaticTOMLValue, parseTOML } from 'toml-eslint-parser'
import { cases, random, seed } from '../../git/test/seed.ts'
import { expectUntouched, mergeLawfully, type Texts } from '../test/merge.ts'
import { editLines } from '../test/random-edits.ts'
import {
  CONFLICT,
  canonical,
  matches,
  mergePlain,
  withoutEmpty,
  type Plain,
} from '../test/reference.ts'
import { cargo, pyproject, service } from '../test/toml-documents.ts'
import { tomlDriver } from './toml.ts'

const driver = tomlDriver()
const format = { comment: '#', isValid: (text: string): boolean => parse(text) !== undefined }

/** The value as the library nests it, which the driver does not use; `undefined` when there is an error. */
function parse(text: string): Plain {
  try {
    return getStaticTOMLValue(parseTOML(text))
  } catch {
    return undefined
  }
}

it.each([
  ['Cargo.toml', cargo],
  ['pyproject.toml', pyproject],
  ['service.toml', service],
])('random edits have the value of the reference: %s', (_, document) => {
  const runs = cases(300)
  const next = random(seed)
  let clean = 0
  for (let run = 0; run < runs.numRuns; run++) {
    const base = editLines(document, format, next)
    const texts = {
      base,
      ours: editLines(base, format, next),
      theirs: editLines(base, format, next),
    }
    if (checkValue(texts, `SEED=${seed} case ${run}`)) clean++
  }
  console.log(`${clean} of ${runs.numRuns} merges are clean`)
  expect(clean).toBeGreaterThan(runs.numRuns / 3)
})

function checkValue(texts: Texts, label: string): boolean {
  const { text, keys, reason } = mergeLawfully(driver, texts)
  if (text === undefined) {
    expect(keys.length > 0 || reason !== undefined, label).toBe(true)
    return false
  }
  const [base, ours, theirs] = [texts.base ?? '', texts.ours, texts.theirs].map(parse)
  const expected = mergePlain(base, ours, theirs)
  const shown = `${label}\n${texts.base}\n======= ours\n${texts.ours}\n======= theirs\n${texts.theirs}\n======= merged\n${text}`
  expect(expected === CONFLICT, shown).toBe(false)
  expectUntouched(texts, text, shown)
  expect(
    matches(withoutEmpty(parse(text)), withoutEmpty(expected)),
    `${shown}\n${canonical(expected)}`,
  ).toBe(true)
  return true
}
