/**
 * The driver `set`: what either side added is in, what either side removed is out, and nothing is in conflict.
 *
 * A file that begins with a bracket in all versions is a JSON array, else each line that is not blank is an item. The order is kept
 * as far as it is there, but means nothing; equal items are one.
 *
 * @module
 */
import type { MergeInput, MergeOutcome } from './driver.ts'
import { jsonFormat } from './structured/json-format.ts'
import { linesFormat } from './structured/lines-format.ts'
import type { ListOptions } from './structured/list-rules.ts'
import { structuredDriver } from './structured/structured-driver.ts'

const BRACKET = 0x5b
const rules: ListOptions = { listRule: () => 'set' }
const ofJson = structuredDriver(jsonFormat, rules)
const ofLines = structuredDriver(linesFormat, rules)

/** Merges the items of a file as a set. */
export function set(input: MergeInput): MergeOutcome {
  return isJson(input) ? ofJson(input) : ofLines(input)
}

function isJson({ base, ours, theirs }: MergeInput): boolean {
  const firsts = [base, ours, theirs].map((bytes) => bytes?.find((byte) => byte > 0x20))
  return firsts.includes(BRACKET) && firsts.every((byte) => byte === BRACKET || byte === undefined)
}
