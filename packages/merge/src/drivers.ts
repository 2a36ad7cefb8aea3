/**
 * The drivers that come with DataKit, by name, and which one merges a file of which nothing else is known.
 *
 * A driver is loaded when a file is first merged by it.
 *
 * @module
 */
import type { MergeDriver } from './driver.ts'

const DRIVERS: ReadonlyMap<string, () => Promise<MergeDriver>> = new Map([
  ['text', async () => (await import('./text.ts')).text],
  ['union', async () => (await import('./text.ts')).union],
  ['ours', async () => (await import('./text.ts')).ours],
  ['theirs', async () => (await import('./text.ts')).theirs],
  ['binary', async () => (await import('./binary.ts')).binary],
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
