/** Lists of maps without an id: changes beside each other, as people make them. */
import { describe, expect, it } from 'vitest'
import { mergeLawfully } from '../test/merge.ts'
import { tomlDriver } from './toml.ts'
import { yamlDriver } from './yaml.ts'

const workflow = `jobs:
  test:
    steps:
      # The sources
      - uses: actions/checkout@v3

      - uses: actions/setup-node@v3 # the newest
        with:
          node-version: 18
      - run: npm ci
      - run: npm test
`

const edited = (text: string, from: string, to: string): string => {
  expect(text).toContain(from)
  return text.replace(from, to)
}
const yaml = (base: string, ours: string, theirs: string) =>
  mergeLawfully(yamlDriver(), { base, ours, theirs })

describe('steps beside each other', () => {
  it('may each be changed by another side', () => {
    const ours = edited(workflow, 'checkout@v3', 'checkout@v4')
    const theirs = edited(workflow, 'node-version: 18', 'node-version: 22')
    expect(yaml(workflow, ours, theirs).text).toBe(
      edited(ours, 'node-version: 18', 'node-version: 22'),
    )
  })

  it('may be added where another is changed', () => {
    const ours = edited(
      workflow,
      '- run: npm test\n',
      '- run: npm test\n      - run: npm run e2e # slow\n',
    )
    const theirs = edited(workflow, 'npm test', 'npm test -- --coverage')
    expect(yaml(workflow, ours, theirs).text).toBe(
      edited(ours, 'npm test', 'npm test -- --coverage'),
    )
  })

  it('are a conflict where both changed one, or one was taken away', () => {
    const ours = edited(workflow, 'setup-node@v3', 'setup-node@v4')
    const theirs = edited(workflow, 'node-version: 18', 'node-version: 22')
    expect(yaml(workflow, ours, theirs).keys.map(({ key }) => key)).toEqual([
      ['jobs', 'test', 'steps', 1],
    ])
    const gone = edited(workflow, '      - run: npm ci\n', '')
    const changed = edited(workflow, 'npm test', 'npm test -- --coverage')
    expect(yaml(workflow, gone, changed).keys).toHaveLength(1)
  })

  it('are a conflict where one was moved as it was changed', () => {
    const moved = edited(
      edited(workflow, '      - run: npm ci\n', ''),
      '- run: npm test\n',
      '- run: npm test\n      - run: npm ci --quiet\n',
    )
    const theirs = edited(workflow, '- run: npm ci', '- run: npm install')
    expect(yaml(workflow, moved, theirs).keys.length).toBeGreaterThan(0)
  })
})

it('leaves lists of texts and numbers to who reads them: beside each other they are in doubt', () => {
  const base = 'args:\n  - --quiet\n  - --port=80\n'
  const ours = edited(base, '--quiet', '--verbose')
  const theirs = edited(base, '80', '8080')
  expect(yaml(base, ours, theirs).keys).toHaveLength(1)
})

it('merges tables of an array beside each other, with the tables in them', () => {
  const base = `[[bin]]
path = "a.rs"

[bin.env]
level = 1

[[bin]]
path = "b.rs"
`
  const ours = edited(base, 'level = 1', 'level = 2')
  const theirs = edited(base, 'b.rs', 'c.rs')
  expect(mergeLawfully(tomlDriver(), { base, ours, theirs }).text).toBe(
    edited(theirs, 'level = 1', 'level = 2'),
  )
  // One that became two may have been another than it seems.
  const two = `${theirs}\n[[bin]]\npath = "d.rs"\n`
  expect(mergeLawfully(tomlDriver(), { base, ours, theirs: two }).keys).toHaveLength(1)
})
