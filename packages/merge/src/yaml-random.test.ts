import { expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { cases, random, seed } from '../../git/test/seed.ts'
import { expectUntouched, mergeLawfully, type Texts } from '../test/merge.ts'
import { editLines } from '../test/random-edits.ts'
import {
  CONFLICT,
  canonical,
  matches,
  MergedList,
  mergePlain,
  type Plain,
} from '../test/reference.ts'
import { compose, manifests, workflow } from '../test/yaml-documents.ts'
import { yamlDriver } from './yaml.ts'

const driver = yamlDriver()
const format = { comment: '#', isValid: (text: string): boolean => parseStream(text) !== undefined }

/** The documents as the library gives them, with aliases resolved; `undefined` when there is an error. */
function parseStream(text: string): Plain[] | undefined {
  const documents = parseAllDocuments(text)
  if (!Array.isArray(documents) || documents.some(({ errors }) => errors.length > 0))
    return undefined
  try {
    return documents.map((document): Plain => document.toJS())
  } catch {
    return undefined
  }
}

it.each([
  ['compose.yaml', compose],
  ['manifests.yaml', manifests],
  ['workflow.yaml', workflow],
])('random edits have the value of the reference: %s', (_, document) => {
  const runs = cases(200)
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

/** The documents with aliases as they are written: that an anchor changes all that refer to it is what it is for. */
function parseByReference(text: string): Plain[] | undefined {
  return parseStream(text.replaceAll(/\*logging\b/g, '"$&"'))
}

/** As many documents in all versions are merged one by one, others by kind and name. */
function mergeStreams(base: Plain[], ours: Plain[], theirs: Plain[]): Plain {
  if (base.length === ours.length && base.length === theirs.length) {
    const merged = base.map((document, i) => mergePlain(document, ours[i], theirs[i]))
    return merged.includes(CONFLICT) ? CONFLICT : new MergedList(merged)
  }
  // Documents of one name, such as empty ones, are the first of it, the second and so on.
  const byName = (stream: Plain[]): Plain => {
    const names = stream.map(nameOf)
    return Object.fromEntries(
      names.map((name, i) => [
        `${name} ${names.slice(0, i).filter((other) => other === name).length}`,
        stream[i],
      ]),
    )
  }
  const merged = mergePlain(byName(base), byName(ours), byName(theirs))
  return merged === CONFLICT ? CONFLICT : new MergedList(Object.values(merged as object))
}

function nameOf(document: Plain): string {
  const { kind, metadata } = (document ?? {}) as { kind?: string; metadata?: { name?: string } }
  return `${kind}/${metadata?.name}`
}

function checkValue(texts: Texts, label: string): boolean {
  const { text, keys, reason } = mergeLawfully(driver, texts)
  if (text === undefined) {
    expect(keys.length > 0 || reason !== undefined, label).toBe(true)
    return false
  }
  const [base, ours, theirs] = [texts.base ?? '', texts.ours, texts.theirs].map(parseByReference)
  const expected = mergeStreams(base ?? [], ours ?? [], theirs ?? [])
  const shown = `${label}\n${texts.base}\n======= ours\n${texts.ours}\n======= theirs\n${texts.theirs}\n======= merged\n${text}`
  expect(expected === CONFLICT, shown).toBe(false)
  expectUntouched(texts, text, shown)
  expect(matches(parseByReference(text), expected), `${shown}\n${canonical(expected)}`).toBe(true)
  return true
}
