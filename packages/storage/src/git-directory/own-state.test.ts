import { readFileSync, rmSync, writeFileSync } from 'node:fs'

import { utf8 } from '@datakit/git/bytes'
import { expect, it } from 'vitest'

import { git, temporaryDirectory } from '../../test/git-sample.ts'
import { openGitDirectory } from './depot.ts'
import { decodeOwnState, encodeOwnState, type OwnState } from './own-state.ts'

const state: OwnState = {
  format: 1,
  repository: 'ab'.repeat(16),
  condemned: { [`pack-${'1'.repeat(40)}`]: 1_700_000_000_000 },
  unverified: [`pack-${'2'.repeat(40)}`],
  promised: { ['3'.repeat(40)]: 'origin' },
}
const body = encodeOwnState(state)

it('is read as it was written', () => {
  expect(decodeOwnState(utf8(body))).toEqual(state)
})

it('is refused when it is cut short, at every length', () => {
  // The last byte is a line feed, without which nothing is missing.
  for (let end = 0; end < body.length - 1; end++)
    expect(() => decodeOwnState(utf8(body.slice(0, end)))).toThrow('Cannot read datakit/state')
})

it.each([
  ['[]', 'malformed'],
  ['null', 'malformed'],
  ['{}', 'unsupported'],
  [body.replace('"format":1', '"format":2'), 'unsupported'],
  [body.replace(/"repository":"[^"]*"/, '"repository":7'), 'malformed'],
  [body.replace(/"unverified":\[[^\]]*\]/, '"unverified":{"p":1}'), 'malformed'],
  [body.replace(/"unverified":\[[^\]]*\]/, '"unverified":[1]'), 'malformed'],
  [body.replace('1700000000000', '"yesterday"'), 'malformed'],
  [body.replace('3'.repeat(40), 'x'), 'malformed'],
  [body.replace('"origin"', '{}'), 'malformed'],
  [body.replace(/"condemned":\{[^}]*\}/, '"condemned":null'), 'malformed'],
])('refuses %s', (text, code) => {
  expect(() => decodeOwnState(utf8(text))).toThrow(expect.objectContaining({ code }))
})

it('is not taken for empty when a repository is opened', async () => {
  const directory = temporaryDirectory()
  try {
    git(directory, 'init', '-q', '--bare')
    await (await openGitDirectory(directory)).close()
    const path = `${directory}/datakit/state`
    const whole = readFileSync(path)
    writeFileSync(path, whole.subarray(0, 20))
    await expect(openGitDirectory(directory)).rejects.toThrow('datakit/state')
    writeFileSync(path, whole)
    await (await openGitDirectory(directory)).close()
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
