/**
 * The driver `counter`: a whole number, to which both sides have added.
 *
 * Both additions count, also where they are the same: two sides that took 1 to 2 make 3. So this driver must be asked even where both
 * sides have the same bytes, see `addsUp`; who merges as Git does, and takes these without asking, counts them once.
 *
 * @module
 */
import type { MergeInput, MergeOutcome } from './driver.ts'
import { UnreadableError, type Versions } from './structured/document.ts'
import { mergeText } from './structured/merge-text.ts'
import { decodeVersion } from './structured/structured-driver.ts'

/** A number with the blanks around it. */
interface Counter {
  readonly before: string
  readonly value: bigint
  readonly after: string
}

const NUMBER = /^(\s*)(0|-?[1-9][0-9]*)(\s*)$/

/** Adds what both sides have added, in numbers of any size. Without a base, and where it is empty, both began with 0. */
export function counter(input: MergeInput): MergeOutcome {
  try {
    return { state: 'merged', bytes: new TextEncoder().encode(mergeCounters(readCounters(input))) }
  } catch (error) {
    if (error instanceof UnreadableError) return { state: 'conflict', reason: error.message }
    throw error
  }
}

function mergeCounters({ base, ours, theirs }: Versions<Counter>): string {
  const value = ours.value + theirs.value - (base?.value ?? 0n)
  const blanks = (where: 'before' | 'after'): string =>
    mergeText({ base: base?.[where], ours: ours[where], theirs: theirs[where] }) ?? ''
  return `${blanks('before')}${value}${blanks('after')}`
}

function readCounters({ base, ours, theirs }: MergeInput): Versions<Counter> {
  const started = base === undefined ? '' : decodeVersion(base, 'base')
  return {
    base: started.trim() === '' ? undefined : readCounter(started, 'base'),
    ours: readCounter(decodeVersion(ours, 'ours'), 'ours'),
    theirs: readCounter(decodeVersion(theirs, 'theirs'), 'theirs'),
  }
}

function readCounter(text: string, whose: string): Counter {
  const [, before = '', digits, after = ''] = NUMBER.exec(text) ?? []
  if (digits === undefined)
    throw new UnreadableError(`Cannot count: ${whose} is not a whole number in decimal digits`)
  return { before, value: BigInt(digits), after }
}
