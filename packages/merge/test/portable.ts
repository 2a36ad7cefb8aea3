/**
 * What every runtime must do: load each driver that merges by key or as a value, with its library, and merge.
 *
 * @module
 */
import { expect, it } from 'vitest'
import { loadDriver } from '../src/drivers.ts'
import { mergeLawfully } from './merge.ts'

const cases = [
  ['json', '{"a":1,"b":2}', '{"a":3,"b":2}', '{"a":1,"b":4}', '{"a":3,"b":4}'],
  ['jsonc', '[1, 2] // x\n', '[0, 1, 2] // x\n', '[1, 2,] // x\n', '[0, 1, 2,] // x\n'],
  [
    'yaml',
    'a: &x 1\nb: *x\n',
    'a: &x 2\nb: *x\n',
    'a: &x 1\nb: *x\nc: |\n  d\n',
    'a: &x 2\nb: *x\nc: |\n  d\n',
  ],
  [
    'toml',
    'a = 1\n[b]\nc = 1\n',
    'a = 2\n[b]\nc = 1\n',
    'a = 1\n[b]\nc = 3\n',
    'a = 2\n[b]\nc = 3\n',
  ],
  ['set', 'a\n', 'a\nb\n', 'a\nc\n', 'a\nb\nc\n'],
  ['map', 'a=1\nb=1\n', 'a=2\nb=1\n', 'a=1\nb=2\n', 'a=2\nb=2\n'],
] as const

/** Declares the tests. */
export function portableDrivers(): void {
  it.each(cases)('merges %s', async (...[name, base, ours, theirs, merged]) => {
    const driver = await loadDriver(name)
    expect(driver).toBeDefined()
    if (driver) expect(mergeLawfully(driver, { base, ours, theirs }).text).toBe(merged)
  })

  it.each(['json', 'yaml', 'toml'])('refuses what is too deep: %s', async (name) => {
    const driver = await loadDriver(name)
    const theirs = name === 'toml' ? `a = ${'['.repeat(50_000)}` : '['.repeat(50_000)
    const texts = {
      base: name === 'json' ? '0' : '',
      ours: name === 'json' ? '1' : 'a = 1',
      theirs,
    }
    if (driver) expect(mergeLawfully(driver, texts).reason).toContain('levels')
  })
}
