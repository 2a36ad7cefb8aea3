/**
 * What a transaction refuses, in words; that it does is found out where it is cheap.
 *
 * @module
 */
import { action, ArgumentError, check, checkOptions, count, text, type Rule } from '../argument.ts'
import type { CommitOptions } from './land.ts'
import { isWritable } from './transaction-work.ts'

/** What can be in a file. */
export const content: Rule = {
  fits: (value) => typeof value === 'string' || ArrayBuffer.isView(value),
  wanted: 'a text or a Uint8Array',
}

/** A file that cannot be written. @throws ArgumentError when these are no bytes, RangeError for the mode */
export function refuseWrite(bytes: unknown, mode: number): never {
  check('body', bytes, content)
  throw new RangeError(
    `Not the mode of a file: ${typeof mode === 'number' ? mode.toString(8) : String(mode)}, expected 100644, 100755 or 120000`,
  )
}

/** The content and the mode of a file. @throws as {@link refuseWrite} */
export function checkWritable(bytes: Uint8Array, mode: number): void {
  if (!isWritable(bytes, mode)) refuseWrite(bytes, mode)
}

/** A commit that cannot be made. @throws ArgumentError */
export function refuseCommit(options: CommitOptions): never {
  checkOptions(options, { retries: count })
  check('message', options.message, text)
  throw new ArgumentError('message', options.message, 'one without zero bytes: Git keeps none')
}

/** What is no function that changes files. @throws ArgumentError */
export function refuseChange(change: unknown): never {
  throw new ArgumentError('change', change, action.wanted)
}

/** A repository that cannot be opened with these. @throws ArgumentError */
export function refuseOpening(place: unknown, options: unknown): never {
  if (options instanceof Object && 'runtime' in options)
    throw new ArgumentError('place', place, 'what `memoryPlace()` or another place gives')
  throw new ArgumentError('options', options, 'an object with a `runtime`, as `nodeRuntime`')
}
