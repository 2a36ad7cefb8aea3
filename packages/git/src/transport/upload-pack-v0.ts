/**
 * upload-pack in versions 0 and 1, where a client agrees with the server in rounds, each of them a request of its own that
 * repeats what went before.
 *
 * Spec: https://git-scm.com/docs/gitprotocol-pack#_packfile_negotiation, https://git-scm.com/docs/gitprotocol-http
 *
 * @module
 */
import type { ByteReader } from '../byte-reader.ts'
import { concat } from '../bytes.ts'
import { MalformedError } from '../error.ts'
import type { Oid } from '../oid.ts'
import type { Capabilities } from '../protocol/capability.ts'
import { shallowInfo } from '../protocol/deepen.ts'
import {
  encodeAcknowledgment,
  readFetchV0,
  type Acknowledgment,
  type FetchV0Request,
} from '../protocol/fetch-v0.ts'
import { parseFilter, type ObjectFilter } from '../protocol/filter.ts'
import { encodeLine, FLUSH } from '../protocol/pkt-line.ts'
import { LARGE_FRAME, SMALL_FRAME } from '../protocol/sideband.ts'
import {
  answerPack,
  checkFormat,
  message,
  type Answer,
  type PackAbilities,
  type Serving,
} from './answer-pack.ts'
import { drawBoundary } from './boundary.ts'
import { checkWants, commonHaves, isReady } from './negotiate.ts'

/** Answers a request. @throws GitError for the client to be told, until the pack has begun */
export async function* answerV0(reader: ByteReader, serving: Serving): Answer {
  const request = await readFetchV0(reader)
  const { capabilities, wants } = request
  if (wants.length === 0) return
  const { objects, policy } = serving
  checkFormat(capabilities)
  const filter = filterOf(request, serving)
  await checkWants(objects, wants, policy)
  const boundary = await drawBoundary(objects, { ...request, readable: policy.readable })
  if (request.deepen !== undefined) {
    const lines = shallowInfo(boundary).map((line) => encodeLine(line))
    yield message(concat([...lines, FLUSH]))
  }
  const common = await commonHaves(objects, request.rounds.flat(), policy.readable)
  const isEnough = (count: number): Promise<boolean> =>
    isReady(objects, wants, common.slice(0, count), boundary.cuts)
  const talk = new Talk(request, { common, isEnough })
  const sendsPack = await talk.hold()
  for (const line of talk.lines) yield message(line)
  if (!sendsPack) return
  const abilities = abilitiesOf(capabilities)
  yield* answerPack(serving, { wants, common, boundary, filter, abilities })
}

function filterOf(request: FetchV0Request, { policy }: Serving): ObjectFilter | undefined {
  const { filter, capabilities } = request
  if (filter === undefined) return undefined
  if (policy.filters === undefined || !capabilities.has('filter'))
    throw new MalformedError('a fetch', 'filtering capability not negotiated')
  return parseFilter(filter, policy.filters)
}

function abilitiesOf(capabilities: Capabilities): PackAbilities {
  const frame = capabilities.has('side-band-64k')
    ? LARGE_FRAME
    : capabilities.has('side-band')
      ? SMALL_FRAME
      : 0
  return {
    thin: capabilities.has('thin-pack'),
    usesDistance: capabilities.has('ofs-delta'),
    includeTag: capabilities.has('include-tag'),
    quiet: capabilities.has('no-progress'),
    frame,
  }
}

type Mode = 'detailed' | 'multi' | 'single'

interface Judgement {
  /** The haves that count, in the order in which they were told. */
  readonly common: readonly Oid[]
  /** Whether the first so many of them are enough to send a pack. */
  readonly isEnough: (count: number) => Promise<boolean>
}

/** What is said to the haves of a request, as Git says it. */
class Talk {
  readonly lines: Uint8Array[] = []
  readonly #request: FetchV0Request
  readonly #mode: Mode
  readonly #common: ReadonlySet<Oid>
  readonly #isEnough: Judgement['isEnough']
  /** How many of the common haves were met. */
  #met = 0
  /** How many of them are enough; `undefined` until somebody asked. */
  #least: number | undefined
  #last: Oid | undefined
  #isReady = false

  constructor(request: FetchV0Request, { common, isEnough }: Judgement) {
    const { capabilities } = request
    this.#request = request
    this.#common = new Set(common)
    this.#isEnough = isEnough
    this.#mode = capabilities.has('multi_ack_detailed')
      ? 'detailed'
      : capabilities.has('multi_ack')
        ? 'multi'
        : 'single'
  }

  /** Goes through the rounds; tells whether the pack follows. */
  async hold(): Promise<boolean> {
    const { rounds, done } = this.#request
    for (const [i, round] of rounds.entries()) {
      const knowsAll = await this.#hear(round)
      if (done && i === rounds.length - 1) return this.#endWithDone()
      if (await this.#endRound(knowsAll && round.length > 0)) return true
    }
    return false
  }

  /** Answers a round of haves; tells whether all of them are common. */
  async #hear(round: readonly Oid[]): Promise<boolean> {
    let knowsAll = true
    for (const oid of round) {
      if (this.#common.has(oid)) this.#acknowledge(oid)
      else {
        knowsAll = false
        // Once enough is known, what we lack is answered too: the client need not look behind it.
        if (this.#mode !== 'single' && (await this.#hasEnough())) this.#sayReady(oid)
      }
    }
    return knowsAll
  }

  #acknowledge(oid: Oid): void {
    this.#met++
    const isFirst = this.#last === undefined
    this.#last = oid
    if (this.#mode === 'detailed') this.#say({ kind: 'ack', oid, how: 'common' })
    else if (this.#mode === 'multi') this.#say({ kind: 'ack', oid, how: 'continue' })
    else if (isFirst) this.#say({ kind: 'ack', oid, how: 'final' })
  }

  #sayReady(oid: Oid): void {
    this.#isReady = this.#mode === 'detailed'
    this.#say({ kind: 'ack', oid, how: this.#isReady ? 'ready' : 'continue' })
  }

  async #endRound(knowsAll: boolean): Promise<boolean> {
    const last = this.#last
    const isDetailed = this.#mode === 'detailed'
    if (isDetailed && knowsAll && last !== undefined && (await this.#hasEnough()))
      this.#sayReady(last)
    if (last === undefined || this.#mode !== 'single') this.#say({ kind: 'nak' })
    const isOver = this.#isReady && last !== undefined && this.#request.capabilities.has('no-done')
    if (isOver) this.#say({ kind: 'ack', oid: last, how: 'final' })
    return isOver
  }

  #endWithDone(): boolean {
    const last = this.#last
    if (last === undefined) this.#say({ kind: 'nak' })
    else if (this.#mode !== 'single') this.#say({ kind: 'ack', oid: last, how: 'final' })
    return true
  }

  #say(acknowledgment: Acknowledgment): void {
    this.lines.push(encodeAcknowledgment(acknowledgment))
  }

  /** Whether what was met is enough: more never is less, so that the least that is can be sought once. */
  async #hasEnough(): Promise<boolean> {
    this.#least ??= await this.#seekLeast()
    return this.#met >= this.#least
  }

  async #seekLeast(): Promise<number> {
    let [low, high] = [1, this.#common.size]
    if (high === 0 || !(await this.#isEnough(high))) return Infinity
    while (low < high) {
      const middle = (low + high) >> 1
      if (await this.#isEnough(middle)) high = middle
      else low = middle + 1
    }
    return low
  }
}
