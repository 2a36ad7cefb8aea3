/**
 * upload-pack: the server of fetches, as `POST git-upload-pack` asks it: every request holds all that it needs.
 *
 * A request that cannot be answered is answered with `ERR` and the reason, which Git shows to its user. Once the pack has
 * begun, a failure is told on side-band 3 and the stream breaks off: no client takes that for an end.
 *
 * Spec: https://git-scm.com/docs/gitprotocol-v2, https://git-scm.com/docs/gitprotocol-pack,
 * https://git-scm.com/docs/gitprotocol-http
 *
 * @module
 */
import { ByteReader } from '../byte-reader.ts'
import { GitError, MalformedError } from '../error.ts'
import type { Objects } from '../objects.ts'
import type { Oid } from '../oid.ts'
import type { Capabilities } from '../protocol/capability.ts'
import { readCommand, type Command } from '../protocol/command.ts'
import { decodeFetch, encodeAcknowledgments, encodePackHeader } from '../protocol/fetch.ts'
import { encodeAcknowledgment, readFetchV0, type FetchV0Request } from '../protocol/fetch-v0.ts'
import { decodeLsRefs, encodeRefList } from '../protocol/ls-refs.ts'
import { encodeError, FLUSH } from '../protocol/pkt-line.ts'
import {
  bandFrames,
  BANDS,
  encodeBand,
  encodeProgress,
  LARGE_FRAME,
  SMALL_FRAME,
} from '../protocol/sideband.ts'
import { utf8 } from '../bytes.ts'
import { checkWants, commonHaves, isReady } from './negotiate.ts'
import { ALL_REFS, type Readable } from './reach.ts'
import { wireRefs, type ProtocolVersion } from './refs.ts'
import { selectObjects } from './select.ts'
import { streamPack } from './serve.ts'

/** How fetches are served. */
export interface UploadPackOptions {
  /** What the client asked for, see `protocolVersion`. */
  readonly version: ProtocolVersion
  /** Which refs the caller may read; all when left out. */
  readonly readable?: Readable | undefined
  readonly signal?: AbortSignal | undefined
}

interface Serving {
  readonly objects: Objects
  readonly readable: Readable
  readonly signal: AbortSignal | undefined
}

/** What a client can read of a pack. */
interface PackAbilities {
  readonly thin: boolean
  readonly usesDistance: boolean
  readonly includeTag: boolean
  readonly quiet: boolean
  /** Bytes of a frame; 0 for a client that knows no side-band. */
  readonly frame: number
}

/**
 * Answers one request, in the state that `objects` have.
 *
 * The stream fails where the answer cannot be finished and must then be cut off, not ended. What it fails with went to
 * the client already, where that was possible.
 */
export async function* uploadPack(
  objects: Objects,
  source: AsyncIterable<Uint8Array>,
  options: UploadPackOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { version, readable = ALL_REFS, signal } = options
  const reader = new ByteReader(source, 'a request')
  const serving = { objects, readable, signal }
  let isPack = false
  try {
    for await (const piece of version === 2 ? serveV2(reader, serving) : serveV0(reader, serving)) {
      isPack ||= piece.isPack
      yield piece.bytes
    }
  } catch (error) {
    if (isPack || !(error instanceof GitError)) throw error
    yield encodeError(error.message)
  }
}

/** A piece of an answer, and whether the client takes what follows for a pack. */
interface Piece {
  readonly bytes: Uint8Array
  readonly isPack: boolean
}

type Answer = AsyncGenerator<Piece, void, undefined>

function message(bytes: Uint8Array): Piece {
  return { bytes, isPack: false }
}

async function* serveV2(reader: ByteReader, serving: Serving): Answer {
  for (
    let command = await readCommand(reader);
    command !== undefined;
    command = await readCommand(reader)
  ) {
    checkFormat(command.capabilities)
    if (command.name === 'ls-refs') yield message(await listRefs(command, serving))
    else if (command.name === 'fetch') yield* fetchV2(command, serving)
    else throw new MalformedError('a command', `"${command.name.slice(0, 80)}" is not known here`)
  }
}

async function listRefs({ args }: Command, { objects, readable }: Serving): Promise<Uint8Array> {
  const request = decodeLsRefs(args)
  return encodeRefList(request, await wireRefs(objects, { readable, peel: request.peel }))
}

async function* fetchV2({ args }: Command, serving: Serving): Answer {
  const { objects, readable } = serving
  const request = decodeFetch(args)
  if (request.wants.length === 0) return
  await checkWants(objects, request.wants, readable)
  const common = await commonHaves(objects, request.haves, readable)
  if (!request.done && request.haves.length > 0) {
    const ready = !request.waitForDone && (await isReady(objects, request.wants, common))
    yield message(encodeAcknowledgments({ common, ready }))
    if (!ready) return
  }
  const abilities = {
    ...request,
    thin: request.thinPack,
    usesDistance: request.ofsDelta,
    frame: LARGE_FRAME,
  }
  yield* sendPack(serving, { wants: request.wants, common, abilities, header: encodePackHeader() })
}

async function* serveV0(reader: ByteReader, serving: Serving): Answer {
  const request = await readFetchV0(reader)
  if (request.wants.length === 0) return
  const { capabilities, wants } = request
  checkFormat(capabilities)
  await checkWants(serving.objects, wants, serving.readable)
  const acknowledged = await acknowledge(request, serving)
  for (const line of acknowledged.lines) yield message(line)
  if (!acknowledged.sendsPack) return
  const abilities = {
    thin: capabilities.has('thin-pack'),
    usesDistance: capabilities.has('ofs-delta'),
    includeTag: capabilities.has('include-tag'),
    quiet: capabilities.has('no-progress'),
    frame: capabilities.has('side-band-64k')
      ? LARGE_FRAME
      : capabilities.has('side-band')
        ? SMALL_FRAME
        : 0,
  }
  yield* sendPack(serving, { wants, common: acknowledged.common, abilities, header: undefined })
}

interface Acknowledged {
  readonly lines: readonly Uint8Array[]
  readonly common: readonly Oid[]
  readonly sendsPack: boolean
}

type Mode = 'detailed' | 'multi' | 'single'

/** Goes through the rounds of haves, with the answers that Git gives to each. */
async function acknowledge(
  request: FetchV0Request,
  { objects, readable }: Serving,
): Promise<Acknowledged> {
  const { capabilities, rounds, wants } = request
  const mode = capabilities.has('multi_ack_detailed')
    ? 'detailed'
    : capabilities.has('multi_ack')
      ? 'multi'
      : 'single'
  const haves = rounds.flat()
  const common = await commonHaves(objects, haves, readable)
  const ready = mode !== 'single' && (await isReady(objects, wants, common))
  const lines = acknowledgeHaves(haves, { common, mode, ready })
  const last = common.at(-1)
  const nak = encodeAcknowledgment({ kind: 'nak' })
  if (request.done) {
    if (last === undefined) lines.push(nak)
    else if (mode !== 'single')
      lines.push(encodeAcknowledgment({ kind: 'ack', oid: last, how: 'final' }))
    return { lines, common, sendsPack: true }
  }
  if (last === undefined || mode !== 'single') lines.push(nak)
  const isEnough = mode === 'detailed' && ready && capabilities.has('no-done') && last !== undefined
  if (isEnough) lines.push(encodeAcknowledgment({ kind: 'ack', oid: last, how: 'final' }))
  return { lines, common, sendsPack: isEnough }
}

function acknowledgeHaves(
  haves: readonly Oid[],
  { common, mode, ready }: { common: readonly Oid[]; mode: Mode; ready: boolean },
): Uint8Array[] {
  const known = new Set(common)
  if (mode === 'single') {
    const [first] = common
    return first === undefined
      ? []
      : [encodeAcknowledgment({ kind: 'ack', oid: first, how: 'final' })]
  }
  const lines: Uint8Array[] = []
  for (const oid of haves) {
    // Once enough is known, what we lack is answered too: the client need not look behind it.
    if (!known.has(oid) && !ready) continue
    const how = mode === 'multi' ? 'continue' : known.has(oid) ? 'common' : 'ready'
    lines.push(encodeAcknowledgment({ kind: 'ack', oid, how }))
  }
  const last = common.at(-1)
  if (mode === 'detailed' && ready && last !== undefined) {
    lines.push(encodeAcknowledgment({ kind: 'ack', oid: last, how: 'ready' }))
  }
  return lines
}

interface PackRequest {
  readonly wants: readonly Oid[]
  readonly common: readonly Oid[]
  readonly abilities: PackAbilities
  readonly header: Uint8Array | undefined
}

async function* sendPack(
  serving: Serving,
  { wants, common, abilities, header }: PackRequest,
): Answer {
  const { objects, signal } = serving
  const tags = abilities.includeTag ? await annotatedTags(serving) : []
  const selection = await selectObjects(objects, { wants, haves: common, tags, signal })
  const { thin, usesDistance, frame } = abilities
  const pack = streamPack(objects, selection, { thin, usesDistance, signal })
  if (header !== undefined) yield message(header)
  if (frame === 0) {
    for await (const bytes of pack) yield { bytes, isPack: true }
    return
  }
  if (!abilities.quiet) {
    yield { bytes: encodeProgress(`Sending ${selection.count} objects\n`, frame), isPack: true }
  }
  try {
    for await (const bytes of bandFrames(pack, frame)) yield { bytes, isPack: true }
  } catch (error) {
    const reason = error instanceof GitError ? error.message : 'the server failed'
    yield { bytes: encodeBand(BANDS.error, utf8(`${reason}\n`), frame), isPack: true }
    throw error
  }
  yield { bytes: FLUSH, isPack: true }
}

/** Oids of the annotated tags that the caller may read. */
async function annotatedTags({ objects, readable }: Serving): Promise<Oid[]> {
  const refs = await wireRefs(objects, { readable, peel: true })
  return refs.flatMap(({ name, oid, peeled }) =>
    oid !== undefined && peeled !== undefined && name.startsWith('refs/tags/') ? [oid] : [],
  )
}

function checkFormat(capabilities: Capabilities): void {
  const format = capabilities.get('object-format')?.[0] ?? 'sha1'
  if (format !== 'sha1')
    throw new MalformedError(
      'a request',
      `object format "${format.slice(0, 20)}" is not served here`,
    )
}
