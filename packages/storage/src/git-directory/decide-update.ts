/**
 * Deciding an update: under its locks, what is to be done to which file.
 *
 * @module
 */
import { statSync } from 'node:fs'

import { UnavailableError } from '@datakit/git/error'
import { decodeOids, type Oid } from '@datakit/git/oid'
import type { Head, LogEntry, RefUpdate, UpdateRequest } from '@datakit/git/place'
import { compareNames } from '@datakit/git/ref-name'

import { logLines } from '../log-lines.ts'
import {
  pathOf,
  readIfThere,
  removeEmptyDirectories,
  removeIfThere,
  syncDirectory,
} from './durable.ts'
import type { GitFiles, Moment } from './git-files.ts'
import type { Journal } from './journal.ts'
import type { Decision, Plan } from './journal-format.ts'
import { encodeOwnState, type OwnState } from './own-state.ts'
import { encodePackedRefs, type PackedRef } from './packed-refs.ts'
import {
  endOfReflog,
  formatFoundLine,
  formatReflogLine,
  readReflogLines,
  sizeOfReflog,
} from './reflog.ts'
import type { RefSnapshot } from './ref-files.ts'

/** What is decided upon. */
export interface Subject {
  readonly request: UpdateRequest
  readonly plan: Plan
  /** Read under the locks. */
  readonly moment: Moment
}

/** Works out what an update does and writes the new files into its journal. */
export async function decide(
  files: GitFiles,
  journal: Journal,
  subject: Subject,
): Promise<Decision> {
  const { request, plan, moment } = subject
  const moves = request.refs.filter(({ from, to }) => from !== to)
  const refs = await decideRefs(files.directory, journal, { moves, plan, refs: moment.refs })
  const shallow = await decideShallow(journal, subject)
  const replace = [
    ...shallow.replace,
    ...(await decideOwnState(files, journal, subject)),
    ...refs.replace,
  ]
  const publish = [...refs.publish]
  if (request.head) publish.push({ lock: plan.locks.indexOf('HEAD'), path: 'HEAD' })
  const reflogs = await decideReflogs(files.directory, subject)
  return { replace, unlink: [...shallow.unlink, ...refs.unlink], publish, reflogs }
}

interface Moves {
  readonly moves: readonly RefUpdate[]
  readonly plan: Plan
  readonly refs: RefSnapshot
}

type RefDecision = Pick<Decision, 'replace' | 'unlink' | 'publish'>

async function decideRefs(
  directory: string,
  journal: Journal,
  { moves, plan, refs }: Moves,
): Promise<RefDecision> {
  const [first] = moves
  const nothing: RefDecision = { replace: [], unlink: [], publish: [] }
  if (first === undefined) return nothing
  if (moves.length === 1 && first.to !== undefined) {
    await makeWay(directory, first.name)
    return { ...nothing, publish: [{ lock: plan.locks.indexOf(first.name), path: first.name }] }
  }
  const packed = withMoves(refs.packed, moves)
  const unlink = moves.map(({ name }) => name).filter((name) => refs.loose.has(name))
  if (packed === undefined) return { ...nothing, unlink }
  await journal.write('packed-refs', encodePackedRefs(packed))
  return { ...nothing, unlink, replace: [{ file: 'packed-refs', path: 'packed-refs' }] }
}

/** Removes the empty directories that Git leaves where a ref is to be. */
async function makeWay(directory: string, name: string): Promise<void> {
  const path = pathOf(directory, name)
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return
  await removeEmptyDirectories(path)
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return
  throw new UnavailableError(
    `Cannot create "${name}": a directory that is no ref's is in its place`,
  )
}

/** The lines of `packed-refs` behind the moves; `undefined` when they are what they were. */
function withMoves(
  packed: readonly PackedRef[],
  moves: readonly RefUpdate[],
): PackedRef[] | undefined {
  const byName = new Map(packed.map((ref) => [ref.name, ref]))
  let changed = false
  for (const { name, to, peeled } of moves) {
    if (to === undefined) changed = byName.delete(name) || changed
    else {
      byName.set(name, { name, oid: to, peeled: peeled ?? knownPeeled(name) })
      changed = true
    }
  }
  if (!changed) return undefined
  return [...byName.values()].sort((a, b) => compareNames(a.name, b.name))
}

/** Git holds that a branch leads to a commit, which peels to nothing. */
function knownPeeled(name: string): false | undefined {
  return name.startsWith('refs/heads/') ? false : undefined
}

/**
 * Moves the refs of a request out of their files into `packed-refs`, values unchanged; says whether there were any. The
 * locks of all of them and of `packed-refs` are held.
 */
export async function foldRefs(
  files: GitFiles,
  journal: Journal,
  request: UpdateRequest,
): Promise<boolean> {
  const { byName, loose, packed } = files.refs.read()
  const names = request.refs.map(({ name }) => name).filter((name) => loose.has(name))
  if (names.length === 0) return false
  const moves = names.map((name) => {
    const ref = byName.get(name)
    return { name, from: undefined, to: ref?.oid, peeled: ref?.peeled }
  })
  const folded = withMoves(packed, moves)
  if (folded !== undefined) {
    await journal.write('packed-refs.folded', encodePackedRefs(folded))
    await journal.replace('packed-refs.folded', 'packed-refs')
    // The lines must be on the disk before the files go that say the same.
    await syncDirectory(files.directory)
  }
  for (const name of names) await removeIfThere(pathOf(files.directory, name))
  return true
}

async function decideShallow(
  journal: Journal,
  { request, moment }: Subject,
): Promise<Pick<Decision, 'replace' | 'unlink'>> {
  if (request.shallow === undefined) return { replace: [], unlink: [] }
  const shallow = new Set(moment.shallow)
  for (const oid of request.shallow.remove) shallow.delete(oid)
  for (const oid of request.shallow.add) shallow.add(oid)
  // Git takes a repository for shallow that has the file, with nothing in it too.
  if (shallow.size === 0) return { replace: [], unlink: ['shallow'] }
  await journal.write('shallow', [...shallow].map((oid) => `${oid}\n`).join(''))
  return { replace: [{ file: 'shallow', path: 'shallow' }], unlink: [] }
}

async function decideOwnState(
  files: GitFiles,
  journal: Journal,
  { request, plan }: Subject,
): Promise<Decision['replace']> {
  const own = files.ownState()
  const promised = await namedByNobody(journal, request)
  const next = nextOwnState(own, { ...request, promised }, plan)
  const body = encodeOwnState(next)
  if (body === encodeOwnState(own)) return []
  await journal.write('state', body)
  return [{ file: 'state', path: 'datakit/state' }]
}

/** What stays with a remote, without that which the promisor packs of the request name: of those Git itself keeps account. */
async function namedByNobody(
  journal: Journal,
  { promised, addPacks = [] }: UpdateRequest,
): Promise<UpdateRequest['promised']> {
  if (promised === undefined || promised.add.length === 0) return promised
  const named = new Set<Oid>()
  for (const { id } of addPacks) {
    const bytes = (await readIfThere(journal.path(`${id}.promised`))) ?? new Uint8Array(0)
    for (const oid of decodeOids(bytes)) named.add(oid)
  }
  return { ...promised, add: promised.add.filter((oid) => !named.has(oid)) }
}

function nextOwnState(own: OwnState, request: UpdateRequest, plan: Plan): OwnState {
  const condemned = { ...own.condemned }
  for (const id of plan.condemn) condemned[id] = plan.at
  for (const id of plan.packs) delete condemned[id]
  const promised = { ...own.promised }
  for (const oid of request.promised?.add ?? []) promised[oid] = request.promised?.remote ?? ''
  const unverified = new Set(own.unverified)
  for (const { id, verified } of request.addPacks ?? []) {
    if (verified) unverified.delete(id)
    else unverified.add(id)
  }
  return { ...own, condemned, promised, unverified: [...unverified] }
}

async function decideReflogs(
  directory: string,
  { request, plan, moment }: Subject,
): Promise<Decision['reflogs']> {
  const after = new Map(request.refs.map(({ name, to }) => [name, to]))
  const resolve = (head: Head, when: 'before' | 'after') =>
    resolveHead(head, moment, when === 'after' ? after : undefined)
  const lines = logLines(request, plan.at, resolve)
  const { head } = moment.refs
  const ofHead = lines.find(({ ref }) => 'ref' in head && ref === head.ref)
  // As Git does: what moves the branch that HEAD points at moves HEAD.
  if (ofHead && !request.head) lines.push({ ...ofHead, ref: 'HEAD' })
  return await Promise.all(
    lines.map(async (line) => {
      const found =
        line.ref === 'HEAD' ? '' : await foundLine(directory, line.ref, line.from, plan.at)
      const ends = line.to === undefined && line.ref !== 'HEAD'
      const size = await sizeOfReflog(directory, line.ref, ends)
      const own = (await renamedLines(directory, request.refs, line)) ?? formatReflogLine(line)
      return { ref: line.ref, lines: found + own, ends, size }
    }),
  )
}

function resolveHead(
  head: Head,
  { refs }: Moment,
  moves: ReadonlyMap<string, Oid | undefined> | undefined,
): Oid | undefined {
  if ('oid' in head) return head.oid
  return moves?.has(head.ref) === true ? moves.get(head.ref) : refs.byName.get(head.ref)?.oid
}

/**
 * What a new ref's log begins with when it was another until now: the log of that, and a line that does not move, as Git
 * writes it.
 */
async function renamedLines(
  directory: string,
  refs: readonly RefUpdate[],
  line: LogEntry,
): Promise<string | undefined> {
  const { ref, from, to, at } = line
  const old = refs.find(({ name }) => name === ref)?.renamedFrom
  if (old === undefined || from !== undefined) return undefined
  const found = await foundLine(directory, old, to, at)
  const lines = (await readReflogLines(directory, old)) + found
  return lines + formatReflogLine({ ...line, from: to })
}

/** The line for a move that nobody logged, if the reflog does not lead to where the ref is. */
async function foundLine(
  directory: string,
  ref: string,
  current: Oid | undefined,
  at: number,
): Promise<string> {
  if (current === undefined) return ''
  const end = await endOfReflog(directory, ref)
  return end === current ? '' : formatFoundLine(ref, end, current, at)
}
