/**
 * The driver `json`, which is `jsonc`, too: objects are merged by key, lists by identity.
 *
 * Files that are called JSON often have comments and trailing commas (`tsconfig.json`), so they are read wherever they are;
 * the result has none that no version has.
 *
 * @module
 */
import type { MergeDriver } from './driver.ts'
import { jsonFormat } from './structured/json-format.ts'
import type { ListOptions } from './structured/list-rules.ts'
import { structuredDriver } from './structured/structured-driver.ts'

export type { ListOptions, ListRule } from './structured/list-rules.ts'

/** A driver for JSON and JSONC. */
export function jsonDriver(options: ListOptions = {}): MergeDriver {
  return structuredDriver(jsonFormat, options)
}
