/**
 * Matches: what comes again in a body, as deflate tells it.
 *
 * Places that begin with the same three bytes are chained, the nearest first. A match is put off if the next byte begins
 * a longer one.
 *
 * Every `as number` below is an index that its table covers: positions are compared with the end of the body first, and
 * those in tables are masked.
 *
 * @module
 */

/** The most that {@link MatchFinder.fill} may be asked for at once, in bytes. */
export const MAX_PIECE = 0xffff
/** How far back a match may begin. */
const WINDOW = 1 << 15
const MIN_MATCH = 3
const MAX_MATCH = 258
/** From this length on a match is not put off. */
const LONG_MATCH = 32
/** The shortest match costs more than three literals from this distance on. */
const FAR = 4096

// One set of tables serves every body: nothing is awaited between filling and using them.
/** What was found, in order: bytes as they are, and lengths of matches. */
export const values = new Uint16Array(MAX_PIECE)
/** For each of {@link values} the distance back to the match; 0 for bytes. */
export const distances = new Uint16Array(MAX_PIECE)
/** For each hash, one more than the last position that has it; 0 where there is none. */
const heads = new Int32Array(WINDOW)
/** For each position, by its lowest bits: the one before it in its chain, as in `heads`. */
const chains = new Int32Array(WINDOW)

/** Finds the matches of one body, front to back. */
export class MatchFinder {
  readonly body: Uint8Array
  readonly tries: number
  /** How far the hash of three bytes is shifted, so that a small body has a small table to be cleared. */
  readonly shift: number
  position = 0

  /** `tries` is how many places are looked at for each match. */
  constructor(body: Uint8Array, tries: number) {
    this.body = body
    this.tries = tries
    this.shift = Math.max(17, Math.clz32(body.length))
    heads.fill(0, 0, 2 ** (32 - this.shift))
  }

  /** Takes the next `length` bytes; tells how many of {@link values} and {@link distances} they became. */
  fill(length: number): number {
    const end = this.position + length
    let count = 0
    let match = this.longest(this.position, end)
    while (this.position < end) {
      this.enter(this.position)
      const next = match >> 16 < LONG_MATCH ? this.longest(this.position + 1, end) : 0
      const isMatch = match !== 0 && match >> 16 >= next >> 16
      const size = isMatch ? match >> 16 : 1
      values[count] = isMatch ? size : (this.body[this.position] as number)
      distances[count++] = isMatch ? match & 0xffff : 0
      for (let i = 1; i < size; i++) this.enter(this.position + i)
      this.position += size
      match = isMatch ? this.longest(this.position, end) : next
    }
    return count
  }

  /** The longest match for what begins at `at`, its length in the upper 16 bits and its distance below; 0 for none. */
  longest(at: number, end: number): number {
    const { body } = this
    const limit = Math.min(end - at, MAX_MATCH)
    if (limit < MIN_MATCH) return 0
    const first = Math.max(0, at - WINDOW)
    let best = MIN_MATCH - 1
    let distance = 0
    let from = (heads[this.hash(at)] as number) - 1
    for (let left = this.tries; from >= first && left > 0 && best < limit; left--) {
      if (body[from + best] === body[at + best]) {
        let length = 0
        while (length < limit && body[from + length] === body[at + length]) length++
        if (length > best) {
          best = length
          distance = at - from
        }
      }
      from = (chains[from & (WINDOW - 1)] as number) - 1
    }
    return distance === 0 || (best === MIN_MATCH && distance > FAR) ? 0 : (best << 16) | distance
  }

  /** Puts a position at the front of its chain. */
  enter(at: number): void {
    if (at + MIN_MATCH > this.body.length) return
    const hash = this.hash(at)
    chains[at & (WINDOW - 1)] = heads[hash] as number
    heads[hash] = at + 1
  }

  hash(at: number): number {
    const { body } = this
    const three =
      (body[at] as number) | ((body[at + 1] as number) << 8) | ((body[at + 2] as number) << 16)
    return Math.imul(three, 0x9e3779b1) >>> this.shift
  }
}
