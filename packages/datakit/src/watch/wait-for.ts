/**
 * Waiting until a path of a branch is as it should be.
 *
 * @module
 */
import { action, check, checkOptions, count } from '../argument.ts'
import { DataKitError } from '../error.ts'
import type { Repository } from '../repository.ts'
import { watchPath, type BranchPath, type PathValue } from './watch-path.ts'
import type { WatchOptions } from './watch.ts'

/** How long is waited. */
export interface WaitOptions extends WatchOptions {
  /** Milliseconds after which the wait is given up; for ever when left out. */
  readonly timeout?: number | undefined
}

/** What was waited for did not come in time. */
export class TimeoutError extends DataKitError {
  override readonly name = 'TimeoutError'
  override readonly code = 'timeout'
}

/**
 * The first value of a path that `predicate` takes: the current one is asked about first, then each newer one. It is never
 * asked about two at once; values that follow each other quickly may be passed over, the last one is not.
 *
 * @throws TimeoutError after `timeout`; the signal's reason when it is aborted; what the predicate throws
 */
export async function waitFor(
  repository: Repository,
  at: BranchPath,
  predicate: (value: PathValue) => boolean | Promise<boolean>,
  options: WaitOptions = {},
): Promise<PathValue> {
  checkOptions(options, { timeout: count })
  check('predicate', predicate, action)
  const { signal, timeout } = options
  signal?.throwIfAborted()
  const ended = new AbortController()
  const stop = (): void => ended.abort(signal?.reason)
  signal?.addEventListener('abort', stop)
  const giveUp = (): void => ended.abort(late(at, timeout))
  const timer = timeout === undefined ? undefined : setTimeout(giveUp, timeout)
  // Whoever waits hears at once that it is over, even in the middle of a predicate that takes its time.
  const over = new Promise<never>((_, reject) => {
    ended.signal.addEventListener('abort', () => reject(ended.signal.reason))
  })
  try {
    const search = find(watchPath(repository, at, { ...options, signal: ended.signal }), predicate)
    return await Promise.race([over, search])
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', stop)
    ended.abort(new DOMException('The wait is over', 'AbortError'))
    // Nobody is left to hear it.
    over.catch(() => undefined)
  }
}

async function find(
  values: AsyncIterable<PathValue>,
  predicate: (value: PathValue) => boolean | Promise<boolean>,
): Promise<PathValue> {
  for await (const value of values) if (await predicate(value)) return value
  // It ended by its signal, and the other side of the race tells why.
  return new Promise<never>(() => {})
}

function late({ branch, path }: BranchPath, timeout = 0): TimeoutError {
  return new TimeoutError(
    `Cannot wait any longer for "${path}" on "${branch}": nothing fitting came in ${timeout} ms; wait longer, or look at what is there`,
  )
}
