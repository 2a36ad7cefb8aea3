/**
 * Fetch as versions 0 and 1 ask over HTTP, where every request repeats what was agreed on.
 *
 * A request is wants (capabilities behind the first) with what is said of cuts and filters, a flush, then haves, with flushes between, and `done` at the end
 * of the last. The answer says `ACK` for haves that the server has too and `NAK` where a flush ends a round in vain.
 *
 * Spec: https://git-scm.com/docs/gitprotocol-pack#_packfile_negotiation, https://git-scm.com/docs/gitprotocol-http
 *
 * @module
 */
import type { ByteReader } from '../byte-reader.ts'
import { concat } from '../bytes.ts'
import { MalformedError } from '../error.ts'
import { parseOid, type Oid } from '../oid.ts'
import { parseCapabilities, type Capabilities } from './capability.ts'
import {
  deepenLines,
  parseShallowInfo,
  ShallowLines,
  type ShallowChange,
  type ShallowWish,
} from './deepen.ts'
import { onlyFilter, type PartialWish } from './fetch.ts'
import {
  encodeLine,
  encodeLines,
  expectPacket,
  FLUSH,
  lineText,
  readLines,
  readPacket,
} from './pkt-line.ts'

/** A request of version 0 or 1. */
export interface FetchV0Request extends ShallowWish {
  readonly wants: readonly Oid[]
  readonly capabilities: Capabilities
  /** What is left out, as it was written, see `filter.ts`. */
  readonly filter: string | undefined
  /**
   * What the client has, round after round; a flush ended each but the one before `done`. None from a client that first
   * wants to hear where its history is cut.
   */
  readonly rounds: readonly (readonly Oid[])[]
  readonly done: boolean
}

/** One line of the answer. `how` is `final` for the bare `ACK` in front of the pack. */
export type Acknowledgment =
  | { readonly kind: 'nak' }
  | {
      readonly kind: 'ack'
      readonly oid: Oid
      readonly how: 'common' | 'ready' | 'continue' | 'final'
    }

const MOST_LINES = 250_000

/** The bytes of a request with one round of haves. */
export function encodeFetchV0(
  request: {
    readonly wants: readonly Oid[]
    readonly capabilities: readonly string[]
    readonly haves: readonly Oid[]
    readonly done: boolean
  } & PartialWish,
): Uint8Array<ArrayBuffer> {
  const { cut, filter } = request
  const wants = request.wants.map(
    (oid, i) => `want ${oid}${i === 0 ? ` ${request.capabilities.join(' ')}` : ''}`,
  )
  const haves = request.haves.map((oid) => `have ${oid}`)
  const end = request.done ? encodeLine('done\n') : FLUSH
  const partial = [
    ...(cut === undefined ? [] : deepenLines(cut)),
    ...(filter === undefined ? [] : [`filter ${filter}`]),
  ]
  return concat([encodeLines(wants), encodeLines(partial), FLUSH, encodeLines(haves), end])
}

/**
 * A request; without wants for a client that only looked, or sent the lone flush that tries whether it may.
 *
 * @throws MalformedError when it is none or cut short
 */
export async function readFetchV0(reader: ByteReader): Promise<FetchV0Request> {
  const wants: Oid[] = []
  const shallow = new ShallowLines()
  let capabilities: Capabilities = new Map()
  let filter: string | undefined
  for (let count = 0; ; count++) {
    const packet = await readPacket(reader)
    if (packet === undefined && count > 0) throw malformed('it ends within the wants')
    if (packet === undefined || packet.kind !== 'line') break
    if (count === MOST_LINES) throw malformed(`it has more than ${MOST_LINES} wants`)
    const line = lineText(packet.payload)
    if (shallow.take(line)) continue
    if (line.startsWith('filter ')) {
      filter = onlyFilter(filter, line.slice(7))
      continue
    }
    const want = parseWant(line)
    if (wants.length === 0) capabilities = want.capabilities
    wants.push(want.oid)
  }
  const wish = shallow.wish(capabilities.has('deepen-relative'))
  const request = { ...wish, wants, capabilities, filter }
  if (wants.length === 0) return { ...request, rounds: [], done: false }
  return { ...request, ...(await readRounds(reader)) }
}

function parseWant(line: string): { oid: Oid; capabilities: Capabilities } {
  if (!line.startsWith('want ') || (line.length > 45 && line[45] !== ' ')) {
    throw malformed(`found "${line.slice(0, 80)}", expected a want`)
  }
  return { oid: parseOid(line.slice(5, 45)), capabilities: parseCapabilities(line.slice(46)) }
}

async function readRounds(reader: ByteReader): Promise<{ rounds: Oid[][]; done: boolean }> {
  const rounds: Oid[][] = []
  let round: Oid[] = []
  for (let count = 0; count < MOST_LINES; count++) {
    const packet = await readPacket(reader)
    if (packet === undefined) {
      if (round.length > 0) throw malformed('it ends within a round of haves')
      return { rounds, done: false }
    }
    const line = packet.kind === 'line' ? lineText(packet.payload) : undefined
    if (line === undefined || line === 'done') {
      rounds.push(round)
      round = []
      if (line === 'done') return { rounds, done: true }
    } else if (line.startsWith('have ')) round.push(parseOid(line.slice(5)))
    else throw malformed(`found "${line.slice(0, 80)}", expected a have`)
  }
  throw malformed(`it has more than ${MOST_LINES} haves`)
}

/** One line of the answer. */
export function encodeAcknowledgment(acknowledgment: Acknowledgment): Uint8Array<ArrayBuffer> {
  if (acknowledgment.kind === 'nak') return encodeLine('NAK\n')
  const { oid, how } = acknowledgment
  return encodeLine(how === 'final' ? `ACK ${oid}\n` : `ACK ${oid} ${how}\n`)
}

/**
 * One line of the answer.
 *
 * @throws MalformedError when it is none
 * @throws RefusedError `remote` when the server answers with `ERR`
 */
export async function readAcknowledgment(reader: ByteReader): Promise<Acknowledgment> {
  const packet = await expectPacket(reader, 'an acknowledgment')
  const line = packet.kind === 'line' ? lineText(packet.payload) : ''
  if (line === 'NAK') return { kind: 'nak' }
  const [word, oid = '', how = 'final', ...more] = line.split(' ')
  const known = how === 'common' || how === 'ready' || how === 'continue' || how === 'final'
  if (word !== 'ACK' || !known || more.length > 0) {
    throw new MalformedError('an acknowledgment', `found "${line.slice(0, 80)}"`)
  }
  return { kind: 'ack', oid: parseOid(oid), how }
}

/** Where history is cut off from now on, as the answer to a request with a depth begins. @throws MalformedError */
export async function readCuts(reader: ByteReader): Promise<ShallowChange> {
  const lines: string[] = []
  for await (const line of readLines(reader, 'an answer to fetch')) lines.push(line)
  return parseShallowInfo(lines)
}

function malformed(problem: string): MalformedError {
  return new MalformedError('a fetch', problem)
}
