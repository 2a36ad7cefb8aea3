/**
 * Fetch as versions 0 and 1 ask over HTTP, where every request repeats what was agreed on.
 *
 * A request is wants (capabilities behind the first), a flush, then haves, with flushes between, and `done` at the end
 * of the last. The answer says `ACK` for haves that the server has too and `NAK` where a flush ends a round in vain.
 *
 * Spec: https://git-scm.com/docs/gitprotocol-pack#_packfile_negotiation, https://git-scm.com/docs/gitprotocol-http
 *
 * @module
 */
import type { ByteReader } from '../byte-reader.ts'
import { concat } from '../bytes.ts'
import { MalformedError, RefusedError } from '../error.ts'
import { parseOid, type Oid } from '../oid.ts'
import { parseCapabilities, type Capabilities } from './capability.ts'
import { encodeLine, encodeLines, expectPacket, FLUSH, lineText, readPacket } from './pkt-line.ts'

/** A request of version 0 or 1. */
export interface FetchV0Request {
  readonly wants: readonly Oid[]
  readonly capabilities: Capabilities
  /** What the client has, round after round; a flush ended each but the one before `done`. */
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
export function encodeFetchV0(request: {
  readonly wants: readonly Oid[]
  readonly capabilities: readonly string[]
  readonly haves: readonly Oid[]
  readonly done: boolean
}): Uint8Array<ArrayBuffer> {
  const wants = request.wants.map(
    (oid, i) => `want ${oid}${i === 0 ? ` ${request.capabilities.join(' ')}` : ''}`,
  )
  const haves = request.haves.map((oid) => `have ${oid}`)
  const end = request.done ? encodeLine('done\n') : FLUSH
  return concat([encodeLines(wants), FLUSH, encodeLines(haves), end])
}

/**
 * A request; without wants for a client that only looked, or sent the lone flush that tries whether it may.
 *
 * @throws RefusedError `unsupported` for shallow and partial fetches
 * @throws MalformedError when it is none or cut short
 */
export async function readFetchV0(reader: ByteReader): Promise<FetchV0Request> {
  const wants: Oid[] = []
  let capabilities: Capabilities = new Map()
  for (;;) {
    const packet = await readPacket(reader)
    if (packet === undefined && wants.length > 0) throw malformed('it ends within the wants')
    if (packet === undefined || packet.kind !== 'line') break
    const want = parseWant(lineText(packet.payload))
    if (wants.length === 0) capabilities = want.capabilities
    if (wants.push(want.oid) > MOST_LINES) throw malformed(`it has more than ${MOST_LINES} wants`)
  }
  if (wants.length === 0) return { wants, capabilities, rounds: [], done: false }
  return { wants, capabilities, ...(await readRounds(reader)) }
}

function parseWant(line: string): { oid: Oid; capabilities: Capabilities } {
  if (/^(shallow|deepen|deepen-since|deepen-not|deepen-relative|filter) /.test(line)) {
    throw new RefusedError(
      'unsupported',
      `upload-pack: "${line.split(' ', 1).join('')}" is not offered by this server`,
    )
  }
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

function malformed(problem: string): MalformedError {
  return new MalformedError('a fetch', problem)
}
