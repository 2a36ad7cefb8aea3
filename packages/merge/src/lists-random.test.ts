/**
 * Lists of maps without an id, as they are in real files, edited at random: what comes out clean has every item where it was changed;
 * the result of stock `git merge-file`, where that is clean, is mostly the same, and counted.
 */
import { isDeepStrictEqual } from 'node:util'
import { parseTOML, getStaticTOMLValue } from 'toml-eslint-parser'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { parse as parseYaml } from 'yaml'
import { cases, random, seed } from '../../git/test/seed.ts'
import { GitMerge } from '../test/git-merge.ts'
import { mergeLawfully } from '../test/merge.ts'
import type { MergeDriver } from './driver.ts'
import { jsonDriver } from './json.ts'
import { tomlDriver } from './toml.ts'
import { yamlDriver } from './yaml.ts'

/** An item with a few members, none of which tells it apart from all others. */
type Item = Readonly<Record<string, string | number>>

interface Kind {
  readonly driver: MergeDriver
  /** A document of these items. */
  write(items: readonly Item[]): string
  read(text: string): unknown
}

const workflow: Kind = {
  driver: yamlDriver(),
  write: (items) =>
    `on: push\njobs:\n  test:\n    # In order.\n    steps:\n${items
      .map(({ uses, run, shell, ...inputs }) => {
        const lines = Object.entries(inputs).map(([key, value]) => `          ${key}: ${value}\n`)
        return `      - uses: ${uses}\n        with:\n${lines.join('')}        run: ${run} # said by ${shell}\n        shell: ${shell}\n`
      })
      .join('')}    timeout-minutes: 5\n`,
  read: (text) => parseYaml(text) as unknown,
}

const tables: Kind = {
  driver: tomlDriver(),
  write: (items) =>
    `title = "x"\n\n${items
      .map(
        (item) =>
          `[[step]]\n${Object.entries(item)
            .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
            .join('')}\n`,
      )
      .join('')}[last]\nx = 1\n`,
  read: (text) => getStaticTOMLValue(parseTOML(text)) as unknown,
}

const objects: Kind = {
  driver: jsonDriver(),
  write: (items) => `${JSON.stringify({ version: 1, steps: items, last: true }, undefined, 2)}\n`,
  read: (text) => JSON.parse(text) as unknown,
}

let git: GitMerge
beforeAll(() => {
  git = new GitMerge()
})
afterAll(() => git.close())

const RUNS = 100

it.each([
  ['steps of a workflow (YAML)', workflow],
  ['an array of tables (TOML)', tables],
  ['objects (JSON)', objects],
])('merge as they were edited, and as Git merges them: %s', (_, kind) => {
  // Seen to fail when a side could put any number of items in the place of others.
  const runs = cases(RUNS)
  const next = random(seed)
  const counts = { clean: 0, git: 0, both: 0, gitWrong: 0 }
  let fresh = 0
  const item = (): Item => ({
    uses: `action-${Math.floor(next() * 3)}`,
    a: Math.floor(next() * 3),
    b: fresh++,
    c: Math.floor(next() * 2),
    run: `make ${Math.floor(next() * 3)}`,
    shell: next() < 0.5 ? 'sh' : 'bash',
  })
  const change = (old: Item): Item => {
    const keys = Object.keys(old)
    const key = keys[Math.floor(next() * keys.length)] ?? 'a'
    return { ...old, [key]: typeof old[key] === 'number' ? 100 + fresh++ : `new-${fresh++}` }
  }
  for (let run = 0; run < runs.numRuns; run++) {
    const base = Array.from({ length: 1 + Math.floor(next() * 5) }, item)
    const made = { ours: [] as Item[], theirs: [] as Item[], truth: [] as Item[] }
    let [isEither, lastGap] = [false, '']
    const add = (): void => {
      if (next() > 0.15) return
      const side = next() < 0.5 ? 'ours' : 'theirs'
      const added = item()
      made[side].push(added)
      made.truth.push(added)
      lastGap = side
    }
    for (const old of base) {
      add()
      const dice = next()
      const [a, b] = [
        dice < 0.35 ? change(old) : old,
        dice > 0.25 && dice < 0.6 ? change(old) : old,
      ]
      // Both change one item: a conflict, whatever else there is.
      isEither ||= a !== old && b !== old
      made.ours.push(a)
      made.theirs.push(b)
      made.truth.push(a === old ? b : a)
    }
    add()
    const texts = {
      base: kind.write(base),
      ours: kind.write(made.ours),
      theirs: kind.write(made.theirs),
    }
    const shown = `SEED=${seed} case ${run} ${lastGap}\n${texts.base}\n======= ours\n${texts.ours}\n======= theirs\n${texts.theirs}`
    const { text } = mergeLawfully(kind.driver, texts)
    const bytes = (each: string): Uint8Array => new TextEncoder().encode(each)
    const judged = git.mergeFile(
      { base: bytes(texts.base), ours: bytes(texts.ours), theirs: bytes(texts.theirs) },
      [],
    )
    if (judged.conflicts === 0) counts.git++
    if (isEither) {
      expect(text, shown).toBeUndefined()
      continue
    }
    if (text === undefined) continue
    counts.clean++
    const truth = kind.read(kind.write(made.truth))
    expect(kind.read(text), `${shown}\n======= merged\n${text}`).toEqual(truth)
    if (judged.conflicts > 0) continue
    // By lines alone, Git now and then gives a changed line to the item that was put in front of its own.
    const isGitRight = isDeepStrictEqual(kind.read(new TextDecoder().decode(judged.bytes)), truth)
    if (isGitRight) counts.both++
    else counts.gitWrong++
  }
  console.log(JSON.stringify(counts))
  expect(counts.clean).toBeGreaterThan(RUNS / 4)
  expect(counts.both).toBeGreaterThan(RUNS / 10)
  expect(counts.gitWrong).toBeLessThan(counts.both / 10)
})
