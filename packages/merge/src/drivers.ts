/**
 * The drivers that come with DataKit, by name, and which one merges a file of which nothing else is known.
 *
 * Those that know a format are loaded when a file is first merged by them.
 *
 * @module
 */
import { binary } from './binary.ts'
import type { MergeDriver } from './driver.ts'
import { ours, text, theirs, union } from './text.ts'

const DRIVERS: ReadonlyMap<string, () => Promise<MergeDriver>> = new Map([
  ['text', async () => text],
  ['union', async () => union],
  ['ours', async () => ours],
  ['theirs', async () => theirs],
  ['binary', async () => binary],
  ['json', async () => (await import('./json.ts')).jsonDriver()],
  ['jsonc', async () => (await import('./json.ts')).jsonDriver()],
  ['yaml', async () => (await import('./yaml.ts')).yamlDriver()],
  ['toml', async () => (await import('./toml.ts')).tomlDriver()],
  ['counter', async () => (await import('./counter.ts')).counter],
  ['set', async () => (await import('./set.ts')).set],
  ['map', async () => (await import('./map.ts')).map],
])

/** Names of drivers by the end of a file's name. */
const DEFAULTS: ReadonlyMap<string, string> = new Map([
  ['json', 'json'],
  ['jsonc', 'jsonc'],
  ['yaml', 'yaml'],
  ['yml', 'yaml'],
  ['toml', 'toml'],
])

/** A driver by the name that an attribute gives it; `undefined` when none is called so. */
export async function loadDriver(name: string): Promise<MergeDriver | undefined> {
  return DRIVERS.get(name)?.()
}

/** The driver for a file without an attribute: by the extension of its name, which is compared without case, else `text`. */
export function defaultDriver(path: string): string {
  const extension = /\.([^./]+)$/.exec(path)?.[1] ?? ''
  return DEFAULTS.get(extension.toLowerCase()) ?? 'text'
}

/** Whether a file with this attribute `merge` is merged also where both sides have the same bytes: both additions to a counter count. */
export function addsUp(attribute: boolean | string | undefined): boolean {
  return attribute === 'counter'
}
