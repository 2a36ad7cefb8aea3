/**
 * Collisions of SHA-1: whether a message is one of two that were made to have the same name.
 *
 * Every known attack ends in blocks whose differences follow one of a few *disturbance vectors*. A block of one message
 * is enough: add the differences, compute the other one back and forth from the middle of it, where the two states are
 * equal, and see whether both lead to the same state. That is tried for the vectors alone of which the block meets all
 * *unavoidable conditions*: pairs of bits of its expanded words that must be equal, or must differ. One block in twenty
 * meets those of any.
 *
 * Specs: FIPS 180-4, section 6.1; M. Stevens, "Counter-cryptanalysis" (CRYPTO 2013); M. Stevens, D. Shumow, "Speeding up
 * detection of SHA-1 collision attacks using unavoidable attack conditions" (USENIX Security 2017), whose conditions and
 * vectors these are
 *
 * @module
 */
import { compress, INITIAL_STATE } from './sha1.ts'

const BLOCK = 64
const ROUNDS = 80

/** A disturbance vector: its type, the first of the sixteen words that define it, and how far those are rotated. */
interface Vector {
  readonly type: 1 | 2
  readonly first: number
  readonly rotation: number
}

/** The 32 vectors; the bits of the masks below stand for them, lowest first. */
const VECTORS: readonly Vector[] = [
  ...vectorsOf(
    1,
    '43.0 44.0 45.0 46.0 46.2 47.0 47.2 48.0 48.2 49.0 49.2 50.0 50.2 51.0 51.2 52.0',
  ),
  ...vectorsOf(
    2,
    '45.0 46.0 46.2 47.0 48.0 49.0 49.2 50.0 50.2 51.0 51.2 52.0 53.0 54.0 55.0 56.0',
  ),
]

/** `44.29=45.29:MASK`: for the vectors in the mask, bit 29 of word 44 is that of word 45; `!`: it is not. */
const CONDITIONS = `
44.29=45.29:283a080 49.29=50.29:c2810008 48.29=49.29:60a08004 47.4=50.29:82012220 47.29=48.29:30302002
46.4=49.29:40808888 46.29=47.29:18180801 45.4=48.29:20202224 45.29=46.29:a0a8200 44.4=47.29:1010088a
43.4=46.29:8080225 43.29=44.29:a12820 42.4=45.29:202808a 41.4=44.29:812025 40.29=41.29:800a00a2 54.29=55.29:c0882000
53.29=54.29:60220800 52.29=53.29:30110200 50.4=53.29:20128800 50.29=51.29:8a020020 49.4=52.29:10092200
48.4=51.29:8028880 42.29=43.29:300a08 41.29=42.29:180284 40.4=43.29:8020080a 39.4=42.29:40100205 38.4=41.29:a0080082
37.4=40.29:50020021 55.29=56.29:82108000 52.4=55.29:80908000 51.4=54.29:40282000 51.29=52.29:18080080
36.4=40.29:110208 53.29!56.29:308000 51.29!54.29:a0800 50.29!52.29:12200 49.29!51.29:8880 48.29!50.29:2220
47.29!49.29:888 46.29!48.29:224 45.6=47.6:4440 45.29!47.29:8a 44.6=46.6:1110 44.29!46.29:25 41.1!42.6:4040100
40.1!41.6:1004040 40.4!42.4:8000000a 39.1!40.6:401010 39.4!41.4:40000005 38.4!40.4:a0000002 37.4!39.4:50000001
36.1!37.6:41040 35.4=39.29:80084 63.0!64.5:100080 63.1!64.6:10004 62.0!63.5:80020 61.0!62.5:20008 61.2!62.7:40010
60.0!61.5:10004 58.29=59.29:22000000 57.29=58.29:10800000 56.4=59.29:28000000 56.29!59.29:a000000
56.29=57.29:8200000 55.4=58.29:12000000 54.4=57.29:8800000 53.4=56.29:2200000 51.1=50.6:41000 48.6=50.6:41000
48.29!55.29:a000 47.6=49.6:4400 48.1=47.6:4000040 46.6=48.6:1100 47.1=46.6:1000010 44.1!45.6:404000 43.6=45.6:440
42.6=44.6:110 43.1=42.6:4040000 42.1=41.6:1004000 41.1=40.6:401000 39.4=43.29:2008000 38.4=42.29:802000
37.1!38.6:4100 37.4=41.29:200800 36.4!38.4:28000000 35.1!36.6:410 35.3=39.28:82000 61.1!62.6:1 59.5=63.30:1
58.0!63.30:1 62.1!63.6:2 60.5=64.30:2 59.0!64.30:2 40.6=42.6:10 62.2!63.7:40 41.6=43.6:40 63.2!64.7:100
48.6=49.1:100 49.6=50.1:400 42.1!50.1:400 39.6=40.1:400 38.1!40.1:400 36.4!37.4:800 43.1!51.1:1000 37.4!38.4:2000
51.6=52.1:4000 49.6=51.6:4000 37.1=37.6:4000 35.5=39.30:4000 38.4!39.4:8000 47.1!51.1:40000 36.3=40.28:100000
35.30!40.28:100000 37.3=41.28:200000 36.30!41.28:200000 53.6=54.1:400000 51.6=53.6:400000 50.1!54.1:400000
45.6=46.1:400000 37.5=41.30:400000 36.0!41.30:400000 55.29!58.29:800000 38.3=42.28:800000 37.30!42.28:800000
54.6=55.1:1000000 52.6=54.6:1000000 51.1!55.1:1000000 45.1!47.1:1000000 38.5=42.30:1000000 37.0!42.30:1000000
39.3=43.28:2000000 38.30!43.28:2000000 55.6=56.1:4000000 53.6=55.6:4000000 52.1!56.1:4000000 46.1!48.1:4000000
39.5=43.30:4000000 38.0!43.30:4000000 59.29=60.29:8000000 40.3=44.28:8000000 40.4=44.29:8000000 39.30!44.28:8000000
58.29!61.29:10000000 57.4=61.29:10000000 41.3=45.28:10000000 41.4=45.29:10000000 58.4=62.29:20000000
42.3=46.28:20000000 42.4=46.29:20000000 59.4=63.29:40000000 57.4=59.29:40000000 43.3=47.28:40000000
43.4=47.29:40000000 60.4=64.29:80000000 44.3=48.28:80000000 44.4=48.29:80000000
`

/** Conditions in the order in which they are checked: what most vectors need comes first. */
const conditions = CONDITIONS.trim().split(/\s+/).map(parseCondition)
/** Where each looks: words, bits, and whether they differ, in one number. */
const looks = Int32Array.from(conditions, ({ look }) => look)
/** Vectors that do not need it. */
const others = Int32Array.from(conditions, ({ mask }) => ~mask)
/** Conditions that are checked before it is asked whether a vector is left: a branch costs more than a few of them. */
const RUN = 12

/** The differences of the expanded words, for each vector. */
const differences = VECTORS.map(differencesOf)

// One schedule serves every block: nothing is awaited between filling it and using it up.
const words = new Int32Array(ROUNDS)

/** Whether the message that the two parts make is one of a collision. `head` is shorter than a block. */
export function isCollision(head: Uint8Array, body: Uint8Array): boolean {
  const count = Math.floor((head.length + body.length) / BLOCK)
  if (count < 2) return false
  const first = new Uint8Array(BLOCK)
  first.set(head)
  first.set(body.subarray(0, BLOCK - head.length), head.length)
  const state = INITIAL_STATE.slice()
  for (let block = 0, hashed = 0; block < count; block++) {
    const mask = block === 0 ? vectorsMet(first, 0) : vectorsMet(body, block * BLOCK - head.length)
    if (mask === 0) continue
    for (; hashed < block; hashed++) {
      if (hashed === 0) compress(state, first, 0)
      else compress(state, body, hashed * BLOCK - head.length)
    }
    if (leadsToCollision(state, mask)) return true
  }
  return false
}

/** Fills the schedule as far as conditions look; the vectors of which the block meets them all. The casts hold by length. */
function vectorsMet(bytes: Uint8Array, offset: number): number {
  const w = words
  for (let i = 0, at = offset; i < 16; i++, at += 4) {
    w[i] =
      ((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)
  }
  expand(w, 16, 65)
  let mask = -1
  for (let from = 0; mask !== 0 && from < looks.length; from += RUN) {
    for (let i = from; i < from + RUN; i++) {
      const look = looks[i] as number
      const one = (w[look & 127] as number) >>> ((look >> 7) & 31)
      const other = (w[(look >> 12) & 127] as number) >>> ((look >> 19) & 31)
      // All ones where the condition is met.
      mask &= (((one ^ other ^ (look >> 24)) & 1) - 1) | (others[i] as number)
    }
  }
  return mask
}

function expand(w: Int32Array, from: number, to: number): void {
  for (let i = from; i < to; i++) {
    const x =
      (w[i - 3] as number) ^ (w[i - 8] as number) ^ (w[i - 14] as number) ^ (w[i - 16] as number)
    w[i] = (x << 1) | (x >>> 31)
  }
}

/** Whether the block in the schedule, and another one that differs by a vector of the mask, lead to the same state. */
function leadsToCollision(before: Int32Array, mask: number): boolean {
  expand(words, 65, ROUNDS)
  for (let vector = 0; vector < VECTORS.length; vector++) {
    if (((mask >>> vector) & 1) === 0) continue
    const middle = middleOf(vector)
    middleState.set(before)
    run(middleState, words, 0, middle)
    end.set(middleState)
    run(end, words, middle, ROUNDS)
    const difference = differences[vector] as Int32Array
    for (let i = 0; i < ROUNDS; i++)
      otherWords[i] = (words[i] as number) ^ (difference[i] as number)
    otherEnd.set(middleState)
    run(otherEnd, otherWords, middle, ROUNDS)
    runBack(middleState, otherWords, middle)
    if (leadTogether(before)) return true
  }
  return false
}

// As the schedule: of one block at a time.
const middleState = new Int32Array(5)
const end = new Int32Array(5)
const otherEnd = new Int32Array(5)
const otherWords = new Int32Array(ROUNDS)

/** Whether both ends, added to what they began from, are the same. `middleState` was run back to the other beginning. */
function leadTogether(before: Int32Array): boolean {
  return end.every(
    (word, i) =>
      ((word + (before[i] ?? 0)) | 0) === (((otherEnd[i] ?? 0) + (middleState[i] ?? 0)) | 0),
  )
}

/** The round before which the states of both messages are equal. */
function middleOf(vector: number): number {
  return (VECTORS[vector]?.first ?? 0) < 50 ? 58 : 65
}

/** Rounds forward, on the state in place. The casts hold: a state has five words. */
function run(state: Int32Array, w: Int32Array, from: number, to: number): void {
  let a = state[0] as number
  let b = state[1] as number
  let c = state[2] as number
  let d = state[3] as number
  let e = state[4] as number
  for (let i = from; i < to; i++) {
    const next = (rotate(a, 5) + mix(i, b, c, d) + e + (w[i] as number)) | 0
    e = d
    d = c
    c = rotate(b, 30)
    b = a
    a = next
  }
  setState(state, a, b, c, d, e)
}

/** Rounds backward, down to the first one. */
function runBack(state: Int32Array, w: Int32Array, from: number): void {
  let a = state[0] as number
  let b = state[1] as number
  let c = state[2] as number
  let d = state[3] as number
  let e = state[4] as number
  for (let i = from - 1; i >= 0; i--) {
    const before = rotate(c, 2)
    const last = (a - rotate(b, 5) - mix(i, before, d, e) - (w[i] as number)) | 0
    a = b
    b = before
    c = d
    d = e
    e = last
  }
  setState(state, a, b, c, d, e)
}

function setState(state: Int32Array, a: number, b: number, c: number, d: number, e: number): void {
  state[0] = a
  state[1] = b
  state[2] = c
  state[3] = d
  state[4] = e
}

function rotate(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by))
}

/** Function and constant of a round. */
function mix(round: number, b: number, c: number, d: number): number {
  if (round < 20) return ((d ^ (b & (c ^ d))) + 0x5a827999) | 0
  if (round < 40) return ((b ^ c ^ d) + 0x6ed9eba1) | 0
  if (round < 60) return (((b & c) | (d & (b | c))) + 0x8f1bbcdc) | 0
  return ((b ^ c ^ d) + 0xca62c1d6) | 0
}

function vectorsOf(type: 1 | 2, list: string): Vector[] {
  return list.split(' ').map((each) => {
    const [first = 0, rotation = 0] = each.split('.').map(Number)
    return { type, first, rotation }
  })
}

/**
 * The differences of the words: where the vector has a bit a local collision begins, whose difference is undone by those of
 * the next five words. The vector itself obeys the expansion, in both directions, from the sixteen words that define it.
 */
function differencesOf({ type, first, rotation }: Vector): Int32Array {
  const vector = new Map<number, number>()
  const at = (i: number): number => vector.get(i) ?? 0
  vector.set(first + 15, 1 << rotation)
  if (type === 2) for (const i of [1, 3]) vector.set(first + i, rotate(1 << 31, rotation))
  for (let i = first + 16; i < ROUNDS; i++)
    vector.set(i, rotate(at(i - 3) ^ at(i - 8) ^ at(i - 14) ^ at(i - 16), 1))
  for (let i = first - 1; i >= -5; i--)
    vector.set(i, rotate(at(i + 16), 31) ^ at(i + 13) ^ at(i + 8) ^ at(i + 2))
  return Int32Array.from({ length: ROUNDS }, (_, i) => {
    const late = rotate(at(i - 3) ^ at(i - 4) ^ at(i - 5), 30)
    return at(i) ^ rotate(at(i - 1), 5) ^ at(i - 2) ^ late
  })
}

interface Condition {
  readonly look: number
  readonly mask: number
}

function parseCondition(text: string): Condition {
  const [, word, bit, sign, otherWord, otherBit, mask = ''] =
    /^(\d+)\.(\d+)([=!])(\d+)\.(\d+):([0-9a-f]+)$/.exec(text) ?? []
  const differs = sign === '!' ? 1 : 0
  const one = Number(word) | (Number(bit) << 7)
  const other = (Number(otherWord) << 12) | (Number(otherBit) << 19)
  return { look: one | other | (differs << 24), mask: Number.parseInt(mask, 16) | 0 }
}
