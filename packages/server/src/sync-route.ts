/**
 * The sync door: one request with what a client knows, wants and has made; one answer with what became of it and what the
 * client lacks.
 *
 * Spec: docs/sync-protocol.md
 *
 * @module
 */
import { ByteReader } from '@datakit/git/byte-reader'
import type { Objects } from '@datakit/git/objects'
import type { Oid } from '@datakit/git/oid'
import { PackTable } from '@datakit/git/pack/pack-table'
import type { Ref } from '@datakit/git/place'
import {
  encodeSection,
  encodeSyncResponse,
  readSection,
  readSyncRequest,
  SYNC_TYPE,
  type SyncOutcome,
  type SyncRequest,
} from '@datakit/git/protocol/sync'
import { receiveUpdate, type RefOutcome } from '@datakit/git/transport/receive'
import { selectObjects, type Selection } from '@datakit/git/transport/select'
import { streamPack } from '@datakit/git/transport/serve'
import type { RouteContext } from './app.ts'
import { readBody, streamOf } from './body.ts'
import { ProblemError } from './problem.ts'
import { receiveLimits } from './rules.ts'

/** Answers `POST /NAME.git/sync`. */
export async function syncRoute(context: RouteContext): Promise<Response> {
  const { request, repositories, name, limits } = context
  if (request.headers.get('content-type') !== SYNC_TYPE) {
    throw new ProblemError('wrong-type', `A sync has the content type ${SYNC_TYPE}`)
  }
  const reader = new ByteReader(readBody(request, limits.packBytes), 'a sync request')
  const message = await readSyncRequest(reader)
  const objects = await repositories.open(name)
  checkRepository(objects, message)
  const outcomes = await receive(context, { objects, message, reader })
  // What nobody asked for is read all the same: an answer in mid-request confuses proxies.
  for await (const _ of reader.rest());
  return answer(objects, { message, outcomes })
}

/** The client's repository is the one that is here, if it knows one. */
function checkRepository(objects: Objects, { repository }: SyncRequest): void {
  const { state } = objects
  if (repository === undefined || repository === '' || repository === state.repository) return
  throw new ProblemError(
    'repository-changed',
    state.exists
      ? 'Another repository is under this name than the one that this device was in sync with. Nothing was changed; decide whether to keep yours under another name'
      : 'The repository that this device was in sync with is no longer on the server. Nothing was changed; decide whether to bring it back under a new name',
  )
}

interface Incoming {
  readonly objects: Objects
  readonly message: SyncRequest
  readonly reader: ByteReader
}

async function receive(
  { limits, request }: RouteContext,
  { objects, message, reader }: Incoming,
): Promise<SyncOutcome[]> {
  if (message.updates.length === 0 && message.head === undefined) return []
  const { refs, problem } = await receiveUpdate(objects, {
    id: message.id,
    updates: message.updates,
    head: message.head,
    pack: message.pack === 0 ? undefined : readSection(reader, message.pack),
    log: message.log,
    limits: receiveLimits(limits),
    signal: request.signal,
  })
  if (problem !== undefined) throw problem
  return refs.map(outcomeOf)
}

function outcomeOf(ref: RefOutcome): SyncOutcome {
  return {
    name: ref.name,
    outcome: ref.state,
    reason: ref.state === 'refused' ? ref.reason : undefined,
    current: ref.state === 'lost' ? ref.current : undefined,
  }
}

interface Outgoing {
  readonly message: SyncRequest
  readonly outcomes: readonly SyncOutcome[]
}

async function answer(objects: Objects, { message, outcomes }: Outgoing): Promise<Response> {
  const state = await objects.refresh()
  const refs = await visibleRefs(objects)
  const selection = message.wantPack
    ? await select(objects, refs, havesOf(message, outcomes))
    : undefined
  const header = encodeSyncResponse({
    repository: state.repository,
    version: state.version,
    head: state.head,
    refs:
      message.known === state.version ? undefined : refs.map(({ name, oid }) => ({ name, oid })),
    updates: outcomes,
    resend: false,
    pack: selection === undefined ? 0 : 'chunked',
    index: selection === undefined ? 0 : 'chunked',
  })
  return new Response(streamOf(body(objects, header, selection)), {
    headers: { 'content-type': SYNC_TYPE, 'cache-control': 'no-store' },
  })
}

async function visibleRefs(objects: Objects): Promise<Ref[]> {
  const refs: Ref[] = []
  for await (const ref of objects.state.refs()) refs.push(ref)
  return refs
}

/** What the client has in full: what it says, and what it has just brought. */
function havesOf(message: SyncRequest, outcomes: readonly SyncOutcome[]): Oid[] {
  const done = new Set(outcomes.flatMap(({ name, outcome }) => (outcome === 'done' ? [name] : [])))
  const brought = message.updates.flatMap(({ name, to }) =>
    done.has(name) && to !== undefined ? [to] : [],
  )
  return [...message.haves, ...brought]
}

async function select(
  objects: Objects,
  refs: readonly Ref[],
  haves: readonly Oid[],
): Promise<Selection | undefined> {
  const had = new Set(haves)
  const wants = [...new Set(refs.map(({ oid }) => oid))].filter((oid) => !had.has(oid))
  if (wants.length === 0) return undefined
  const selection = await selectObjects(objects, { wants, haves })
  return selection.count === 0 ? undefined : selection
}

async function* body(
  objects: Objects,
  header: Uint8Array,
  selection: Selection | undefined,
): AsyncGenerator<Uint8Array> {
  yield header
  if (selection === undefined) return
  const { whole } = selection
  if (whole !== undefined && whole.indexSize > 0) {
    yield* encodeSection('chunked', streamPack(objects, selection, { thin: true }))
    yield* encodeSection('chunked', storedIndex(objects, whole))
    return
  }
  const table = new PackTable()
  yield* encodeSection('chunked', streamPack(objects, selection, { thin: true, table }))
  yield* encodeSection('chunked', once(table.encodeIndex()))
}

const WINDOW = 4 * 1024 * 1024

async function* storedIndex(
  objects: Objects,
  { id, indexSize }: { readonly id: string; readonly indexSize: number },
): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < indexSize; start += WINDOW) {
    yield objects.place.readIndex(id, start, Math.min(indexSize, start + WINDOW))
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
