/**
 * Errors of one entry of a pack, with where it is: who sent ten thousand objects wants to know which is wrong.
 *
 * @module
 */
import { MalformedError, RefusedError } from '../error.ts'

/** The same error, saying of which object of the pack it is, counted from 0, and where that begins. */
export function errorOfEntry(error: unknown, entry: number, offset: number): unknown {
  const place = `object ${entry + 1}, at byte ${offset}`
  if (error instanceof MalformedError) {
    const problem = error.message.replace(/^Cannot read (?:a pack: )?/, '')
    return new MalformedError('a pack', `${place}: ${problem}`, { cause: error })
  }
  if (error instanceof RefusedError) {
    return new RefusedError(error.code, `${error.message} (${place})`, { cause: error })
  }
  return error
}
