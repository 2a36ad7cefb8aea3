/**
 * Push: brings branches and tags to a remote, and says of each ref what became of it.
 *
 * Nothing is lost by a push that is not forced. One that is forced has a lease: it overwrites only what was there when the
 * remote was fetched last (`refs/remotes/NAME/*`), unless it is forced `always`.
 *
 * @module
 */
import { randomId } from '@datakit/git/bytes'
import type { Oid } from '@datakit/git/oid'
import type { RefUpdate } from '@datakit/git/place'
import type { PushReport } from '@datakit/git/protocol/push'
import type { NamedRemote } from '@datakit/git/remote-list'
import { commonHaves } from '@datakit/git/transport/negotiate'
import { ALL_REFS } from '@datakit/git/transport/reach'
import { receiveUpdate } from '@datakit/git/transport/receive'
import { Remote, type RemoteOptions } from '@datakit/git/transport/remote'
import { selectObjects } from '@datakit/git/transport/select'
import { streamPack } from '@datakit/git/transport/serve'
import { parseRefspec, targetOf } from './refspec.ts'
import { checkPush } from './remote-rules.ts'
import type { Repository } from '../repository.ts'
import type { Store } from '../store.ts'
import { planPush, type Lease, type PlannedPush, type PushedRef } from './push-plan.ts'

export type { Lease, PushedRef, PushState } from './push-plan.ts'

/** What is pushed, and how. */
export interface PushOptions extends RemoteOptions {
  /**
   * Refspecs: `main`, `main:other`, `refs/heads/*`, `:gone` deletes, `+` in front forces, `^` leaves out. A short name is that of a branch or
   * else of a tag.
   */
  readonly refs: readonly string[]
  /** Forces every ref, with a lease or without; those with a `+` have one when left out. */
  readonly force?: Lease | undefined
  /** Whether all refs are moved or none. */
  readonly atomic?: boolean | undefined
}

/** What became of a push. */
export interface PushOutcome {
  /** One for each ref that was meant, in their order. */
  readonly refs: readonly PushedRef[]
}

/**
 * Pushes once. What the remote has taken is remembered in `refs/remotes/NAME/*`.
 *
 * @throws MissingError when a ref to push is not here; NotHereError when the remote lacks what was left with another one,
 *   and the repository does not fetch it (`files/on-demand.ts`)
 * @throws UnavailableError when the remote is out of reach, or nobody can tell what became of it: push again to know
 * @throws RefusedError `unauthorised`, `forbidden`, `no-repository`; UnsupportedError when what answers is no Git server
 */
export async function pushRemote(
  repository: Repository,
  remote: NamedRemote,
  options: PushOptions,
): Promise<PushOutcome> {
  checkPush(remote, options)
  const { store } = repository
  const client = new Remote(remote.url, options)
  const theirs = new Map<string, Oid>()
  for (const { name, oid } of await client.listPushRefs())
    if (oid !== undefined) theirs.set(name, oid)
  const state = await store.state()
  const planned = await planPush(repository, { state, remote, theirs, options })
  const open = planned.filter(({ state: planned }) => planned === undefined)
  const isHeld = options.atomic === true && planned.some(({ state: each }) => isProblem(each))
  const report =
    open.length === 0 || isHeld
      ? undefined
      : await send(repository, client, { remote, theirs, open, options })
  const refs = planned.map((each) => settle(each, isHeld, report))
  await remember(repository, remote, refs)
  return { refs }
}

/** What is to be sent, and what is there. */
interface Sending {
  readonly remote: NamedRemote
  readonly theirs: ReadonlyMap<string, Oid>
  readonly open: readonly PlannedPush[]
  readonly options: PushOptions
}

async function send(repository: Repository, client: Remote, sending: Sending): Promise<PushReport> {
  const pack = await packFor(repository, sending)
  const updates = sending.open.map(({ name, from, to }): RefUpdate => ({ name, from, to }))
  const { shallow } = repository.store
  return client.push({ updates, pack, atomic: sending.options.atomic, shallow })
}

/** What the remote lacks; nothing where refs are only deleted. */
async function packFor(
  { store }: Repository,
  { remote, theirs, open, options }: Sending,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  const wants = open.flatMap(({ to }) => to ?? [])
  if (wants.length === 0) return undefined
  const { signal } = options
  const { objects } = store
  // What refs here lead to is here with all that it reaches; of anything else nobody knows.
  const haves = await commonHaves(objects, [...new Set(theirs.values())], ALL_REFS)
  const selection = await selectObjects(objects, {
    wants,
    haves,
    onLack: (oids) => bring(store, oids, { remote, signal }),
    signal,
  })
  return streamPack(objects, selection, { thin: true, signal })
}

/** Brings what is not here, but for that which was left with the very remote. */
async function bring(
  { objects, onDemand }: Store,
  oids: ReadonlySet<Oid>,
  { remote, signal }: { readonly remote: NamedRemote; readonly signal: AbortSignal | undefined },
): Promise<ReadonlySet<Oid>> {
  const had = new Set<Oid>()
  for (const oid of oids) if ((await objects.state.promised(oid)) === remote.name) had.add(oid)
  const others = [...oids].filter((oid) => !had.has(oid))
  await onDemand?.ahead(others, signal)
  return had
}

function isProblem(state: PushedRef['state'] | undefined): boolean {
  return state !== undefined && state !== 'unchanged'
}

function settle(planned: PlannedPush, isHeld: boolean, report?: PushReport): PushedRef {
  const { source, name, from, to } = planned
  const ref = { source, name, from, to }
  if (planned.state !== undefined) return { ...ref, state: planned.state, reason: planned.reason }
  if (isHeld)
    return { ...ref, state: 'refused', reason: 'another ref of an atomic push cannot be moved' }
  const told = report?.refs.find((each) => each.name === name)
  const problem =
    told === undefined ? 'the remote says nothing of it' : (told.problem ?? report?.unpack)
  if (problem !== undefined) return { ...ref, state: 'refused', reason: problem }
  const done = to === undefined ? 'deleted' : from === undefined ? 'created' : 'updated'
  return { ...ref, state: done, reason: undefined }
}

/** Moves the refs that say where the remote is. */
async function remember(
  { store }: Repository,
  remote: NamedRemote,
  refs: readonly PushedRef[],
): Promise<void> {
  const specs = remote.fetch.map(parseRefspec)
  const state = await store.state()
  const updates: RefUpdate[] = []
  for (const { name: there, to, state: ended } of refs) {
    const name = targetOf(specs, there)?.name
    const isThere = ended === 'created' || ended === 'updated' || ended === 'unchanged'
    if (name === undefined || !(isThere || ended === 'deleted')) continue
    const from = await state.ref(name)
    if (from !== to) updates.push({ name, from, to })
  }
  if (updates.length === 0) return
  const log = { who: store.who(), why: `push ${remote.name}` }
  // Where a name cannot be beside another, or a fetch was faster, the next fetch will tell.
  const outcome = await receiveUpdate(store.objects, {
    id: randomId(),
    isFirst: true,
    updates,
    log,
  })
  if (outcome.problem !== undefined) throw outcome.problem
  await store.state()
}
