/**
 * What a transaction refuses, in words; that it does is found out where it is cheap.
 *
 * @module
 */
import { action, ArgumentError, check, checkOptions, count, text, type Rule } from '../argument.ts'
import type { CommitOptions } from './land.ts'

/** What can be in a file. */
export const content: Rule = {
  fits: (value) => typeof value === 'string' || ArrayBuffer.isView(value),
  wanted: 'a text or a Uint8Array',
}

/** The content and the mode of a file. @throws ArgumentError when these are no bytes, RangeError for the mode */
export function checkWritable(bytes: unknown, mode: number): void {
  check('body', bytes, content)
  if ([0o100644, 0o100755, 0o120000].includes(mode)) return
  throw new RangeError(
    `Not the mode of a file: ${typeof mode === 'number' ? mode.toString(8) : String(mode)}, expected 100644, 100755 or 120000`,
  )
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
