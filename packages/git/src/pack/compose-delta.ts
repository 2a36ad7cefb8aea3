/**
 * Composing deltas: one that makes of a base what two make of it, one after the other, without the base at hand.
 *
 * @module
 */
import { MalformedError } from '../error.ts'
import {
  DeltaWriter,
  readDeltaSizes,
  readInstruction,
  SHORTEST_DELTA,
  type Instruction,
} from './delta.ts'

/** Bytes that a delta may be longer than what it makes: its sizes, and an instruction for nothing. */
const HEADROOM = 32

/**
 * The delta that does what `first` does and then `second`. Both were applied before, or might have been. `undefined` when it
 * is longer than what it makes (many copies of many small pieces can be a thousand times as long as both deltas), and when
 * it is shorter than Git reads, as one that makes nothing of little.
 *
 * @throws MalformedError when `second` is not for what `first` makes
 */
export function composeDeltas(
  first: Uint8Array,
  second: Uint8Array,
): Uint8Array<ArrayBuffer> | undefined {
  const [under, over] = [readDeltaSizes(first), readDeltaSizes(second)]
  const middle = new Middle(first, under.start)
  if (middle.size !== under.target || over.base !== under.target)
    throw new MalformedError('a delta', 'what it is for is not what the one before it makes')
  const writer = new DeltaWriter(under.base, over.target)
  for (let at = over.start; at < second.length;) {
    const { isCopy, from, size, next } = readInstruction(second, at)
    if (isCopy) middle.write(writer, from, from + size)
    else writer.insert(second.subarray(from, from + size))
    if (writer.length > over.target + HEADROOM) return undefined
    at = next
  }
  return writer.length < SHORTEST_DELTA ? undefined : writer.finish()
}

/** What a delta makes, told by its instructions. */
class Middle {
  readonly #delta: Uint8Array
  readonly #instructions: Instruction[] = []
  /** Where what each instruction makes begins. */
  readonly #starts: number[] = []
  readonly size: number

  constructor(delta: Uint8Array, start: number) {
    this.#delta = delta
    let made = 0
    for (let at = start; at < delta.length;) {
      const instruction = readInstruction(delta, at)
      this.#instructions.push(instruction)
      this.#starts.push(made)
      made += instruction.size
      at = instruction.next
    }
    this.size = made
  }

  /** Writes how the bytes from `start` up to `end` are made. */
  write(writer: DeltaWriter, start: number, end: number): void {
    if (end > this.size)
      throw new MalformedError('a delta', 'an instruction reaches behind its end')
    for (let i = this.#find(start), at = start; at < end; i++) {
      const instruction = this.#instructions[i]
      if (instruction === undefined) return
      const skipped = at - (this.#starts[i] ?? 0)
      const from = instruction.from + skipped
      const size = Math.min(instruction.size - skipped, end - at)
      if (instruction.isCopy) writer.copy(from, size)
      else writer.insert(this.#delta.subarray(from, from + size))
      at += size
    }
  }

  /** The last instruction that begins at `position` or before. */
  #find(position: number): number {
    let [low, high] = [0, this.#starts.length - 1]
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((this.#starts[middle] ?? 0) <= position) low = middle
      else high = middle - 1
    }
    return low
  }
}
