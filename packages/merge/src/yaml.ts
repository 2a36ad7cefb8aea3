/**
 * The driver `yaml`: maps are merged by key, lists by identity, streams document by document.
 *
 * @module
 */
import type { MergeDriver } from './driver.ts'
import type { ListOptions } from './structured/list-rules.ts'
import { structuredDriver } from './structured/structured-driver.ts'
import { yamlFormat } from './structured/yaml-format.ts'

/** A driver for YAML. */
export function yamlDriver(options: ListOptions = {}): MergeDriver {
  return structuredDriver(yamlFormat, options)
}
