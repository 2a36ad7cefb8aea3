/**
 * Keep-alive: signs of life while a pack is made or looked at, so that no proxy takes the connection for dead.
 *
 * Spec: https://git-scm.com/docs/git-config#Documentation/git-config.txt-uploadpackkeepAlive
 *
 * @module
 */
import { utf8 } from '../bytes.ts'

/** An empty packet on the band of the pack, or of the report, as Git sends it. */
export const KEEP_ALIVE: Uint8Array = utf8('0005\u0001')

/**
 * The pieces of a source, and `sign` whenever none came for so many milliseconds; 0 for never. The source is asked for a
 * piece when that is wanted and not before, so that it may use its memory again.
 */
export async function* withSignsOfLife<T>(
  source: AsyncIterable<T>,
  milliseconds: number,
  sign: T,
): AsyncGenerator<T, void, undefined> {
  if (milliseconds <= 0) return yield* source
  const pieces = source[Symbol.asyncIterator]()
  let hasEnded = false
  try {
    for (;;) {
      const next = pieces.next()
      while (!(await settlesWithin(next, milliseconds))) yield sign
      const { done, value } = await next
      hasEnded = done === true
      if (hasEnded) return
      yield value
    }
  } catch (error) {
    hasEnded = true
    throw error
  } finally {
    if (!hasEnded) await pieces.return?.()
  }
}

/** Whether a promise is settled in this time. */
export async function settlesWithin(
  promise: Promise<unknown>,
  milliseconds: number,
): Promise<boolean> {
  const { promise: timeout, resolve } = Promise.withResolvers<boolean>()
  const timer = setTimeout(() => resolve(false), milliseconds)
  const settled = promise.then(
    () => true,
    () => true,
  )
  try {
    return await Promise.race([settled, timeout])
  } finally {
    clearTimeout(timer)
  }
}
