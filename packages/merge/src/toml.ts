/**
 * The driver `toml`: tables are merged by key, arrays and arrays of tables by identity.
 *
 * @module
 */
import type { MergeDriver } from './driver.ts'
import type { ListOptions } from './structured/list-rules.ts'
import { structuredDriver } from './structured/structured-driver.ts'
import { tomlFormat } from './structured/toml-format.ts'

/** A driver for TOML. */
export function tomlDriver(options: ListOptions = {}): MergeDriver {
  return structuredDriver(tomlFormat, options)
}
