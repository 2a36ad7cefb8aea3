/**
 * Sync: one request that carries what a client knows, the updates that it wants and one pack; one answer that carries the
 * outcome of each, the refs as they are, and the pack, with its index, that the client lacks.
 *
 * Body, in both directions: `DKS1`, the length of the header as 32 bits, big-endian, the header as JSON in UTF-8, then
 * the sections, raw, in the order of the header. A section whose length nobody knew beforehand says `"chunked"` and comes
 * as pieces, each behind its length in 32 bits, ended by a length of zero. A body that stops before is an error, never a
 * short answer.
 *
 * Spec: docs/sync-protocol.md
 *
 * @module
 */
import type { ByteReader } from '../byte-reader.ts'
import { concat, readU32, text, u32, utf8 } from '../bytes.ts'
import { MalformedError } from '../error.ts'
import { isOid, type Oid } from '../oid.ts'
import { isRefName } from '../ref-name.ts'
import type { Head, RefUpdate, Version } from '../place.ts'

/** Content type of both bodies. */
export const SYNC_TYPE = 'application/x-datakit-sync'

/** The first four bytes of both bodies. */
export const SYNC_MAGIC = 'DKS1'

/** The longest name of a ref, in characters: twice what our server takes. */
const MAX_NAME = 2000
const ID = 'refs/id'

/** The longest header, in bytes: room for 100,000 refs. */
export const MAX_HEADER: number = 1 << 24

/** Length of each part of a pack that is uploaded in parts, in bytes; the last one is shorter or as long. */
export const PART_BYTES: number = 4 * 1024 * 1024

/** Length of a section in bytes, or `chunked` where it is not known beforehand. */
export type SectionLength = number | 'chunked'

/** The header of a request. The pack is its only section. */
export interface SyncRequest {
  /** Id of the update and of its receipt: 32 hexadecimal digits. The same request may come again under it. */
  readonly id: string
  /**
   * The server's repository as the client knows it; another one is refused. `undefined` where it knows none, empty where
   * there must be none.
   */
  readonly repository: string | undefined
  /** Version of the last answer: refs are left out of this one if they are the same. */
  readonly known: Version | undefined
  /** What the client has in full, of what it last saw the refs of the remote point at. */
  readonly haves: readonly Oid[]
  /**
   * Leaves the haves out: the client has in full what the refs of the version that it knows point at. Only for a server that
   * takes that, see {@link SyncResponse.brief}.
   */
  readonly brief?: boolean | undefined
  readonly updates: readonly RefUpdate[]
  readonly head: { readonly from: Head; readonly to: Head } | undefined
  readonly log: { readonly who: string; readonly why: string }
  /** Whether the answer shall bring the objects that the client lacks. */
  readonly wantPack: boolean
  /** 0 for no pack. */
  readonly pack: SectionLength
  /** The pack that was uploaded in parts before; none stands in the request then. */
  readonly parts?: PartedPack | undefined
  /** The answer that was cut off, of whose pack the rest is wanted. Such a request has no updates. */
  readonly resume?: ResumedAnswer | undefined
  /** The part that is wanted, see `sync-choice.ts`, whoever reads it parses it; `undefined` for all. */
  readonly choice?: unknown
  /** Of what the haves reach, that which the client has, where it is not the same as `choice`: a scope, to be parsed. */
  readonly held?: unknown
  /** Whether what the updates bring is no have: it may rest on what the client has less of than `held` says. */
  readonly unsure?: boolean | undefined
  /** Trees and files that are wanted by name, and nothing else. Such a request has no updates. */
  readonly objects?: readonly Oid[] | undefined
}

/** A pack that was uploaded in parts. */
export interface PartedPack {
  /** The SHA-1 at its end, 40 hexadecimal digits. */
  readonly pack: string
  /** In bytes. */
  readonly size: number
}

/** An answer that was cut off in the middle. */
export interface ResumedAnswer {
  /** As it stood in its header. */
  readonly plan: string
  /** What all its refs pointed at, in their order. */
  readonly wants: readonly Oid[]
  /** Bytes of its pack that arrived. */
  readonly from: number
}

/** What became of one wish. `lost`: the ref was not at `from`. `refused`: a rule says no, whatever the ref. */
export interface SyncOutcome {
  readonly name: string
  readonly outcome: 'done' | 'lost' | 'refused'
  readonly reason: string | undefined
  /** Where the ref is, for `lost`; `undefined` also where there is none. */
  readonly current: Oid | undefined
}

/** The header of an answer. Its sections are the pack and then the pack's index. */
export interface SyncResponse {
  /** Id of the request; `undefined` from a server that does not say. */
  readonly id?: string | undefined
  readonly repository: string
  readonly version: Version
  readonly head: Head
  /** All refs that the caller may read; `undefined` when they are as in the version that the client knows. */
  readonly refs: readonly { readonly name: string; readonly oid: Oid }[] | undefined
  /**
   * To a brief request: the refs that differ from those of the version that the client knows, `refs` are left out then. To any
   * other: an empty list, by which a client sees that it may ask briefly. Whoever reads it parses it.
   */
  readonly brief?: unknown
  readonly updates: readonly SyncOutcome[]
  readonly pack: SectionLength
  readonly index: SectionLength
  /** Names how the pack is made: the same name, the same bytes. Only where the pack is large enough to go on with it after a cut. */
  readonly resume?: string | undefined
  /** The choice as the server took it, for the client to compare; not there: the server knows of no parts. */
  readonly choice?: unknown
}

/** Everything of a request in front of its pack. */
export function encodeSyncRequest(request: SyncRequest): Uint8Array<ArrayBuffer> {
  return encodeHeader({ ...request, known: { refs: request.known } })
}

/** Everything of an answer in front of its pack. */
export function encodeSyncResponse(response: SyncResponse): Uint8Array<ArrayBuffer> {
  return encodeHeader(response)
}

/**
 * The header of a request; the reader stands at its pack afterwards.
 *
 * @throws MalformedError when it is none, is cut short or too long
 */
export async function readSyncRequest(reader: ByteReader): Promise<SyncRequest> {
  const header = await readHeader(reader)
  const id = string(header, 'id')
  if (!/^[0-9a-f]{32}$/.test(id)) throw malformed('"id" is not 32 hexadecimal digits')
  return {
    id,
    repository: optional(header, 'repository', string),
    known: optional(optional(header, 'known', object) ?? {}, 'refs', string),
    haves: oids(header, 'haves'),
    ...(header['brief'] === true && { brief: true }),
    updates: list(header, 'updates').map(parseUpdate),
    head: optional(header, 'head', parseHeadUpdate),
    log: parseLog(object(header, 'log')),
    wantPack: header['wantPack'] === true,
    pack: section(header, 'pack'),
    parts: optional(header, 'parts', parseParts),
    resume: optional(header, 'resume', parseResume),
    choice: header['choice'] ?? undefined,
    held: header['held'] ?? undefined,
    ...(header['unsure'] === true && { unsure: true }),
    objects: optional(header, 'objects', oids),
  }
}

/**
 * The header of an answer; the reader stands at its pack afterwards.
 *
 * @param id of the request that was sent
 * @throws MalformedError when it is none, is cut short or too long, or says that it is of another request
 */
export async function readSyncResponse(reader: ByteReader, id?: string): Promise<SyncResponse> {
  const header = await readHeader(reader)
  if (id && (header['id'] ?? id) !== id) throw malformed('it answers another request')
  return {
    // It becomes a part of the name of a ref; a repository that is not there has none.
    repository: refName(ID + string(header, 'repository')).slice(ID.length),
    version: string(header, 'version'),
    head: parseHead(header, 'head'),
    refs: optional(header, 'refs', list)?.map(parseRef),
    brief: header['brief'],
    updates: list(header, 'updates').map(parseOutcome),
    pack: section(header, 'pack'),
    index: section(header, 'index'),
    resume: optional(header, 'resume', string),
    choice: header['choice'] ?? undefined,
  }
}

/** The bytes of a section, framed as its length in the header says. @throws RangeError when there are more or fewer */
export async function* encodeSection(
  length: SectionLength,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let total = 0
  for await (const piece of source) {
    total += piece.length
    if (length !== 'chunked' && total > length) break
    if (piece.length === 0) continue
    if (length === 'chunked') yield u32(piece.length)
    yield piece
  }
  if (length === 'chunked') yield u32(0)
  else if (total !== length) {
    throw new RangeError(`Cannot send a section: ${length} bytes were announced, ${total} came`)
  }
}

/**
 * The bytes of the section that the reader stands at. Read it to its end before the next.
 *
 * @throws MalformedError when it is cut short
 */
export async function* readSection(
  reader: ByteReader,
  length: SectionLength,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (length !== 'chunked') {
    yield* reader.take(length)
    return
  }
  for (;;) {
    const size = readU32(await reader.read(4))
    if (size === 0) return
    yield* reader.take(size)
  }
}

type Fields = Readonly<Record<string, unknown>>

function encodeHeader(header: object): Uint8Array<ArrayBuffer> {
  // A lone surrogate (a name that is not UTF-8) leaves JSON as an escape, so the text always has a UTF-8.
  const json = utf8(JSON.stringify(header))
  if (json.length > MAX_HEADER) {
    throw new RangeError(
      `Cannot write a sync header: ${json.length} bytes are more than ${MAX_HEADER}`,
    )
  }
  return concat([utf8(SYNC_MAGIC), u32(json.length), json])
}

async function readHeader(reader: ByteReader): Promise<Fields> {
  const front = await reader.read(8)
  if (text(front.subarray(0, 4)) !== SYNC_MAGIC)
    throw malformed(`it does not begin with "${SYNC_MAGIC}"`)
  const length = readU32(front.subarray(4))
  if (length > MAX_HEADER)
    throw malformed(`its header has ${length} bytes, more than ${MAX_HEADER}`)
  const json = text(await reader.read(length))
  try {
    return object({ header: JSON.parse(json) }, 'header')
  } catch (cause) {
    if (cause instanceof MalformedError) throw cause
    throw new MalformedError('a sync message', 'its header is not JSON', { cause })
  }
}

function parseUpdate(value: unknown): RefUpdate {
  const fields = object({ update: value }, 'update')
  return {
    name: string(fields, 'name'),
    from: optional(fields, 'from', oid),
    to: optional(fields, 'to', oid),
    peeled: optional(fields, 'peeled', oid),
  }
}

function parseRef(value: unknown): { name: string; oid: Oid } {
  const fields = object({ ref: value }, 'ref')
  return { name: refName(string(fields, 'name')), oid: oid(fields, 'oid') }
}

function refName(name: string): string {
  if (name.startsWith('refs/') && name.length < MAX_NAME && isRefName(name)) return name
  throw malformed(`"${name.slice(0, 80)}" is no ref`)
}

function parseOutcome(value: unknown): SyncOutcome {
  const fields = object({ update: value }, 'update')
  const outcome = string(fields, 'outcome')
  if (outcome !== 'done' && outcome !== 'lost' && outcome !== 'refused') {
    throw malformed(`"${outcome.slice(0, 80)}" is no outcome`)
  }
  const reason = optional(fields, 'reason', string)
  return {
    name: string(fields, 'name'),
    outcome,
    reason,
    current: optional(fields, 'current', oid),
  }
}

function parseHeadUpdate(fields: Fields, name: string): { from: Head; to: Head } {
  const head = object(fields, name)
  return { from: parseHead(head, 'from'), to: parseHead(head, 'to') }
}

function parseHead(fields: Fields, name: string): Head {
  const head = object(fields, name)
  const at = optional(head, 'oid', oid)
  return at === undefined ? { ref: refName(string(head, 'ref')) } : { oid: at }
}

function parseParts(fields: Fields, name: string): PartedPack {
  const parts = object(fields, name)
  const size = section(parts, 'size')
  if (size === 'chunked' || size === 0) throw malformed('"size" is no length')
  return { pack: oid(parts, 'pack'), size }
}

function parseResume(fields: Fields, name: string): ResumedAnswer {
  const resume = object(fields, name)
  const from = section(resume, 'from')
  if (from === 'chunked') throw malformed('"from" is no number of bytes')
  return { plan: string(resume, 'plan'), wants: oids(resume, 'wants'), from }
}

function parseLog(log: Fields): { who: string; why: string } {
  return { who: string(log, 'who'), why: string(log, 'why') }
}

function section(fields: Fields, name: string): SectionLength {
  const value = fields[name]
  if (value === 'chunked') return value
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw malformed(`"${name}" is no length`)
}

function oid(fields: Fields, name: string): Oid {
  const value = string(fields, name)
  if (isOid(value)) return value
  throw malformed(`"${name}" is no oid`)
}

function oids(fields: Fields, name: string): Oid[] {
  return list(fields, name).map((value) => oid({ value }, 'value'))
}

function string(fields: Fields, name: string): string {
  const value = fields[name]
  if (typeof value === 'string') return value
  throw malformed(`"${name}" is not text`)
}

function list(fields: Fields, name: string): readonly unknown[] {
  const value = fields[name]
  if (Array.isArray(value)) return value
  throw malformed(`"${name}" is not a list`)
}

function object(fields: Fields, name: string): Fields {
  const value = fields[name]
  // The check makes it a record of unknown values, which is all that is claimed.
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
  throw malformed(`"${name}" is not an object`)
}

// JSON from elsewhere may say null where we leave a field out.
function optional<T>(
  fields: Fields,
  name: string,
  read: (fields: Fields, name: string) => T,
): T | undefined {
  const value = fields[name]
  return value === undefined || value === null ? undefined : read(fields, name)
}

function malformed(problem: string): MalformedError {
  return new MalformedError('a sync message', problem)
}
