/**
 * The driver `map`: lines of a key, `=` and a value (`.env`, simple `.properties`), merged by key, each value as a whole.
 *
 * A key that one side removed is out if the other left its value alone; else it is in conflict. For JSON there is `json`.
 *
 * @module
 */
import type { MergeDriver } from './driver.ts'
import { keysFormat } from './structured/lines-format.ts'
import { structuredDriver } from './structured/structured-driver.ts'

/** Merges the keys of a file. */
export const map: MergeDriver = structuredDriver(keysFormat, {})
