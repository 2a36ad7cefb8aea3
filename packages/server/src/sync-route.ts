/**
 * The sync door: one request with what a client knows, wants and has made; one answer with what became of it and what the
 * client lacks.
 *
 * Spec: docs/sync-protocol.md
 *
 * @module
 */
import { ByteReader } from '@datakit/git/byte-reader'
import { concat, text } from '@datakit/git/bytes'
import { MissingError, RefusedError, type GitError } from '@datakit/git/error'
import type { Objects } from '@datakit/git/objects'
import type { Oid } from '@datakit/git/oid'
import { PackTable } from '@datakit/git/pack/pack-table'
import type { PackId, Ref } from '@datakit/git/place'
import {
  encodeSection,
  encodeSyncResponse,
  readSection,
  readSyncRequest,
  SYNC_TYPE,
  type SyncOutcome,
  type SyncRequest,
} from '@datakit/git/protocol/sync'
import { withoutDelegate } from '@datakit/git/transport/delegate'
import type { FetchPolicy } from '@datakit/git/transport/fetch-policy'
import { commonHaves } from '@datakit/git/transport/negotiate'
import { ALL_REFS, type Readable } from '@datakit/git/transport/reach'
import { receiveUpdate, type ReceiveOutcome, type RefOutcome } from '@datakit/git/transport/receive'
import { selectObjects, type Selection, type SelectRequest } from '@datakit/git/transport/select'
import { streamPack } from '@datakit/git/transport/serve'
import { chargeOf } from './admission.ts'
import {
  chosenRefs,
  keyOfBranches,
  readPart,
  selectionOf,
  selectNamed,
  type AskedPart,
} from './answer-choice.ts'
import { checkResumed, planGone, planOf } from './answer-plan.ts'
import { briefMoves, refsBefore } from './brief-answer.ts'
import type { RouteContext } from './app.ts'
import type { StreamOf } from './body.ts'
import { checkRefusal, type Policy } from './policy.ts'
import { isSpent, readParts } from './parts-route.ts'
import { ProblemError } from './problem.ts'
import { receiveLimits } from './rules.ts'
import { versionOf, visibleHead, visibleRefs } from './visible-refs.ts'

/** Answers `POST /NAME.git/sync`. */
export async function syncRoute(context: RouteContext): Promise<Response> {
  const { request, repositories, name, limits } = context
  if (request.headers.get('content-type') !== SYNC_TYPE) {
    throw new ProblemError('wrong-type', `A sync has the content type ${SYNC_TYPE}`)
  }
  const reader = new ByteReader(context.body.read(limits.packBytes), 'a sync request')
  const message = await readSyncRequest(reader)
  const { objects, policy } = await repositories.openWith(context.policyOf, name)
  checkRefusal(name, policy.fetch.refusal)
  await checkRepository(objects, message)
  const take = (): Promise<SyncOutcome[]> => receive(context, { objects, message, reader, policy })
  const { pack, parts } = message
  const length = parts?.size ?? (pack === 'chunked' ? undefined : pack)
  checkReading(message)
  const part = readPart(message)
  const { readable } = policy.fetch
  const before = await refsBefore(message, {
    version: await versionOf(objects, readable, ''),
    list: () => visibleRefs(objects, readable),
  })
  // Who brings no pack waits for none.
  const outcomes =
    length === 0
      ? await take()
      : await context.admission.run(chargeOf(length), request.signal, take)
  if (outcomes.some(({ outcome }) => outcome === 'done')) context.changed(objects.place)
  // What nobody asked for is read all the same: an answer in mid-request confuses proxies.
  for await (const _ of reader.rest());
  const { streamOf } = context
  if (message.objects !== undefined)
    return answerObjects(objects, { message, part, policy, streamOf })
  return answer(objects, { message, part, outcomes, readable, streamOf, before })
}

/** A request that goes on with an answer, or wants objects by name, changes nothing. @throws ProblemError `malformed` */
function checkReading({ resume, objects, updates, head }: SyncRequest): void {
  if (updates.length === 0 && head === undefined) return
  if (resume !== undefined)
    throw new ProblemError('malformed', 'A request that goes on with an answer brings no updates')
  if (objects !== undefined)
    throw new ProblemError('malformed', 'A request for objects by name brings no updates')
}

/** The client's repository is the one that is here, if it knows one; none is here, if it says that of it (`''`). */
async function checkRepository({ state }: Objects, { id, repository }: SyncRequest): Promise<void> {
  if (repository === undefined || (repository === '' && !state.exists)) return
  // It may be this very request that made it, and comes again because its answer was lost.
  if (repository === '' && (await state.receipt(id))?.outcome === 'done') return
  if (repository !== '' && repository === state.repository) return
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
  readonly policy: Policy
}

/** A sync may come again and is made once; a hook that moves refs is asked anew each time. */
const LEFT_TO_A_HOOK = 'a hook of the server makes this ref, which only git push asks'

/** Characters of what hooks say that go into a reason. */
const MAX_SAID = 500

async function receive(
  context: RouteContext,
  { objects, message, reader, policy }: Incoming,
): Promise<SyncOutcome[]> {
  const { limits, request, name } = context
  if (message.updates.length === 0 && message.head === undefined) return []
  const { refusal } = policy.push
  if (message.updates.length === 0) checkRefusal(name, refusal)
  // Who may not push may still fetch: each wish has its answer, and the rest goes on.
  if (refusal !== undefined) return message.updates.map((update) => refuse(update, refusal))
  const said: Uint8Array[] = []
  const ask = (isCurrent: boolean): Promise<ReceiveOutcome> =>
    receiveUpdate(objects, {
      id: message.id,
      isCurrent,
      repository: message.repository,
      refusesEach: true,
      updates: message.updates,
      head: message.head,
      pack: packOf(context, message, reader),
      log: message.log,
      policy: withoutDelegate(policy.push.receive, LEFT_TO_A_HOOK),
      limits: receiveLimits(limits, policy),
      say: (piece) => said.push(piece.slice(0, MAX_SAID)),
      signal: request.signal,
    })
  let outcome = await ask(true)
  // The same request may have come twice at once: then the other one took the parts, and there is its receipt.
  if (outcome.problem?.code === 'parts-gone') outcome = await ask(false)
  const { refs, problem } = outcome
  if (message.parts !== undefined && isSpent(problem))
    await context.uploads?.remove({ repository: name, pack: message.parts.pack })
  if (problem !== undefined) throw refusalOf(problem)
  const words = text(concat(said.slice(0, MAX_SAID)))
    .trim()
    .slice(0, MAX_SAID)
  return refs.map((ref) => outcomeOf(ref, words))
}

/** Why a pack was not taken. What it rests on is not missing here: the client thought that it was. */
function refusalOf(problem: GitError): GitError {
  if (!(problem instanceof MissingError)) return problem
  return new RefusedError('missing-base', `The pack was not taken: ${problem.message}`)
}

/** The pack of a request: it stands behind the header, or was uploaded before. */
function packOf(
  { uploads, name, limits }: RouteContext,
  { pack, parts }: SyncRequest,
  reader: ByteReader,
): AsyncIterable<Uint8Array> | undefined {
  if (parts !== undefined) {
    const upload = { repository: name, pack: parts.pack }
    return readParts(uploads, upload, { size: parts.size, limit: limits.packBytes })
  }
  return pack === 0 ? undefined : readSection(reader, pack)
}

function outcomeOf(ref: RefOutcome, said: string): SyncOutcome {
  if (ref.state === 'refused')
    return refuse(ref, said === '' ? ref.reason : `${ref.reason}: ${said}`)
  const current = ref.state === 'lost' ? ref.current : undefined
  return { name: ref.name, outcome: ref.state, reason: undefined, current }
}

function refuse({ name }: { readonly name: string }, reason: string): SyncOutcome {
  return { name, outcome: 'refused', reason, current: undefined }
}

interface Outgoing {
  readonly message: SyncRequest
  readonly part: AskedPart
  readonly outcomes: readonly SyncOutcome[]
  readonly readable: Readable
  readonly streamOf: StreamOf
  /** What a brief request counts from. */
  readonly before: readonly Ref[] | undefined
}

async function answer(objects: Objects, outgoing: Outgoing): Promise<Response> {
  const { message, outcomes, readable, streamOf, before } = outgoing
  const state = await objects.refresh()
  const { resume } = message
  const { choice, held } = outgoing.part
  const version = await versionOf(objects, readable, keyOfBranches(objects, choice))
  const visible = await visibleRefs(objects, readable)
  const refs = await chosenRefs(objects, visible, { choice, readable })
  const had = before?.map(({ oid }) => oid) ?? message.haves
  const counted = havesOf({ ...message, haves: had }, outcomes)
  const haves = await checkedHaves(objects, counted, { readable, held })
  if (resume !== undefined) await checkResumed(objects, resume, readable)
  const wants = resume?.wants ?? refs.map(({ oid }) => oid)
  const parts = { wants, haves, ...selectionOf(choice), held }
  const selection = message.wantPack ? await select(objects, parts) : undefined
  const plan = selection && (await planOf(objects, selection, parts))
  if (resume !== undefined && resume.plan !== plan) throw planGone()
  const header = encodeSyncResponse({
    id: message.id,
    repository: state.repository,
    version,
    head: visibleHead(state.head, visible, readable),
    refs:
      before !== undefined || message.known === version
        ? undefined
        : refs.map(({ name, oid }) => ({ name, oid })),
    brief: before === undefined ? [] : briefMoves(before, refs),
    updates: outcomes,
    pack: selection === undefined ? 0 : 'chunked',
    index: selection === undefined ? 0 : 'chunked',
    resume: plan,
    choice,
  })
  return respond(streamOf(body(objects, { header, selection, from: resume?.from })))
}

/** What was asked for by name, as far as the caller may have it. */
async function answerObjects(
  objects: Objects,
  asked: {
    readonly message: SyncRequest
    readonly part: AskedPart
    readonly policy: { readonly fetch: Pick<FetchPolicy, 'readable' | 'wants'> }
    readonly streamOf: StreamOf
  },
): Promise<Response> {
  const { objects: oids = [], resume } = asked.message
  const { choice = {} } = asked.part
  const { fetch } = asked.policy
  const { readable } = fetch
  const { repository, head } = await objects.refresh()
  const visible = await visibleRefs(objects, readable)
  const { wants, selection } = await selectNamed(objects, oids, fetch)
  const plan = selection && (await planOf(objects, selection, { wants, haves: [] }))
  if (resume !== undefined && resume.plan !== plan) throw planGone()
  const header = encodeSyncResponse({
    id: asked.message.id,
    repository,
    version: await versionOf(objects, readable, ''),
    head: visibleHead(head, visible, readable),
    refs: undefined,
    updates: [],
    pack: selection === undefined ? 0 : 'chunked',
    index: selection === undefined ? 0 : 'chunked',
    resume: plan,
    choice,
  })
  return respond(asked.streamOf(body(objects, { header, selection, from: resume?.from })))
}

function respond(body: ReturnType<StreamOf>): Response {
  return new Response(body, {
    headers: { 'content-type': SYNC_TYPE, 'cache-control': 'no-store' },
  })
}

/** Of what is hidden nobody can say that he has it: the deltas that he got then would tell him of it. */
async function checkedHaves(
  objects: Objects,
  haves: readonly Oid[],
  { readable, held }: { readonly readable: Readable; readonly held: unknown },
): Promise<readonly Oid[]> {
  // What is walked from must be there with all that it reaches.
  const isTaken = readable.key === ALL_REFS.key && held === undefined
  return isTaken ? haves : commonHaves(objects, haves, readable)
}

/** What the client has in full: what it says, and what it has just brought. */
function havesOf(message: SyncRequest, outcomes: readonly SyncOutcome[]): Oid[] {
  if (message.unsure === true) return [...message.haves]
  const done = new Set(outcomes.flatMap(({ name, outcome }) => (outcome === 'done' ? [name] : [])))
  const brought = message.updates.flatMap(({ name, to }) =>
    done.has(name) && to !== undefined ? [to] : [],
  )
  return [...message.haves, ...brought]
}

async function select(objects: Objects, request: SelectRequest): Promise<Selection | undefined> {
  const had = new Set(request.held === undefined ? request.haves : [])
  const wants = [...new Set(request.wants)].filter((oid) => !had.has(oid))
  if (wants.length === 0) return undefined
  const selection = await selectObjects(objects, { ...request, wants })
  await selection.locate()
  return selection.count === 0 ? undefined : selection
}

interface Body {
  readonly header: Uint8Array
  readonly selection: Selection | undefined
  /** Bytes of the pack that the client has. */
  readonly from: number | undefined
}

async function* body(
  objects: Objects,
  { header, selection, from }: Body,
): AsyncGenerator<Uint8Array> {
  yield header
  if (selection === undefined) return
  const { whole } = selection
  if (whole !== undefined) {
    yield* encodeSection('chunked', streamPack(objects, selection, { thin: true, from }))
    yield* encodeSection('chunked', storedIndex(objects, whole.id))
    return
  }
  const table = new PackTable()
  yield* encodeSection('chunked', streamPack(objects, selection, { thin: true, table, from }))
  yield* encodeSection('chunked', once(table.encodeIndex()))
}

const WINDOW = 4 * 1024 * 1024

/** The index of a pack as the place keeps it, however long that is. */
async function* storedIndex(objects: Objects, id: PackId): AsyncGenerator<Uint8Array> {
  for (let start = 0; ; start += WINDOW) {
    const bytes = await objects.place.readIndex(id, start, start + WINDOW)
    yield bytes
    if (bytes.length < WINDOW) return
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
