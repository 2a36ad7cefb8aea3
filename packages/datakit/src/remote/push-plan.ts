/**
 * Push plan: which refs of a remote are to move, and which cannot, before anything is sent.
 *
 * @module
 */
import { MissingError, RefusedError } from '@datakit/git/error'
import type { Oid } from '@datakit/git/oid'
import type { State } from '@datakit/git/place'
import type { NamedRemote } from '@datakit/git/remote-list'
import { History } from '../history/history.ts'
import { isLeftOut, matchPattern, parseRefspec, targetOf, type Refspec } from './refspec.ts'
import type { Repository } from '../repository.ts'

/** What a push that is forced may overwrite. */
export type Lease =
  /** What was there when the remote was last fetched. */
  | 'lease'
  /** Whatever is there. */
  | 'always'

/** How it ended for one ref. */
export type PushState =
  | 'created'
  | 'updated'
  | 'deleted'
  /** It was there already, or gone. */
  | 'unchanged'
  /** The remote has commits that are not here: fetch first. */
  | 'fetch-first'
  /** The remote has commits that the ref has not: merge, or force. */
  | 'not-fast-forward'
  /** A tag of this name is there and points elsewhere. */
  | 'exists'
  /** It was to be forced, and is not where it was fetched: fetch, and look what has come. */
  | 'stale'
  /** The remote said no, or all were to be moved or none. */
  | 'refused'

/** What became of one ref. */
export interface PushedRef {
  /** Full name here; `undefined` for a deletion. */
  readonly source: string | undefined
  /** Full name there. */
  readonly name: string
  /** Where it was there. */
  readonly from: Oid | undefined
  /** Where it is to be; `undefined` to be deleted. */
  readonly to: Oid | undefined
  readonly state: PushState
  /** In words for a person, where it is `refused`. */
  readonly reason: string | undefined
}

/** One ref, with a state only where that is certain without asking the remote. */
export type PlannedPush = Omit<PushedRef, 'state' | 'reason'> & {
  readonly state?: PushState
  readonly reason?: string
}

/** What a plan is made from. */
export interface PlanRequest {
  readonly state: State
  readonly remote: NamedRemote
  /** Refs of the remote, as it lists them for pushes. */
  readonly theirs: ReadonlyMap<string, Oid>
  readonly options: { readonly refs: readonly string[]; readonly force?: Lease | undefined }
}

/** A ref that is meant. */
interface Meant {
  readonly source: string | undefined
  readonly name: string
  readonly force: boolean
}

const HEADS = 'refs/heads/'
const TAGS = 'refs/tags/'

/** Finds out for each ref that is meant whether it can be moved. @throws MissingError, RangeError, RefusedError */
export async function planPush(
  repository: Repository,
  request: PlanRequest,
): Promise<PlannedPush[]> {
  const { state, theirs, options } = request
  const planned = new Map<string, PlannedPush>()
  const specs = options.refs.map(parseRefspec)
  for (const spec of specs) {
    if (spec.isNegative) continue
    for (const meant of await meaningOf(spec, state, theirs)) {
      const { source, name } = meant
      if (source !== undefined && isLeftOut(specs, source)) continue
      if (planned.has(name)) throw new RangeError(`"${name}" is to be pushed twice`)
      const to = source === undefined ? undefined : await state.ref(source)
      const ref = { source, name, from: theirs.get(name), to }
      const problem = await problemOf(repository, ref, { request, force: meant.force })
      planned.set(name, problem === undefined ? ref : { ...ref, state: problem })
    }
  }
  return [...planned.values()]
}

async function meaningOf(
  spec: Refspec,
  state: State,
  theirs: ReadonlyMap<string, Oid>,
): Promise<Meant[]> {
  const { source, target, force } = spec
  if (source === '')
    return [{ source: undefined, name: nameThere(target ?? '', theirs, HEADS), force }]
  if (!source.includes('*')) {
    const full = await nameHere(state, source)
    const kind = full.startsWith(TAGS) ? TAGS : HEADS
    const name = target === undefined || target === '' ? full : nameThere(target, theirs, kind)
    return [{ source: full, name, force }]
  }
  const pattern = { ...spec, target: target ?? source }
  const meant: Meant[] = []
  for await (const { name } of state.refs(source.split('*', 1)[0] ?? '')) {
    if (matchPattern(source, name) === undefined) continue
    meant.push({ source: name, name: targetOf([pattern], name)?.name ?? name, force })
  }
  return meant
}

/** The full name of a ref of one's own. @throws MissingError when it is not here; RefusedError `ambiguous-ref` */
async function nameHere(state: State, name: string): Promise<string> {
  const full = name.startsWith('refs/') ? [name] : [HEADS + name, TAGS + name]
  const found: string[] = []
  for (const each of full) if ((await state.ref(each)) !== undefined) found.push(each)
  const [first, second] = found
  if (first === undefined) throw new MissingError('a ref to push', name)
  if (second === undefined) return first
  throw new RefusedError('ambiguous-ref', `Cannot push "${name}": it is a branch and a tag here`)
}

/** The full name of a ref there: one that is there, or else one of the kind. */
function nameThere(name: string, theirs: ReadonlyMap<string, Oid>, kind: string): string {
  if (name.startsWith('refs/')) return name
  const found = [kind, HEADS, TAGS].find((prefix) => theirs.has(prefix + name))
  return (found ?? kind) + name
}

async function problemOf(
  repository: Repository,
  { name, from, to }: Omit<PlannedPush, 'state' | 'reason'>,
  { request, force }: { readonly request: PlanRequest; readonly force: boolean },
): Promise<PushState | undefined> {
  if (from === to) return 'unchanged'
  if (from === undefined) return undefined
  const { remote, state, options } = request
  if (options.force === 'always') return undefined
  // To delete is to overwrite.
  if (force || options.force === 'lease' || to === undefined) {
    const known = targetOf(remote.fetch.map(parseRefspec), name)?.name
    return known !== undefined && (await state.ref(known)) === from ? undefined : 'stale'
  }
  if (name.startsWith(TAGS)) return 'exists'
  if (!(await repository.store.objects.has(from))) return 'fetch-first'
  return (await leadsTo(repository, from, to)) ? undefined : 'not-fast-forward'
}

/** What is no commit leads nowhere. */
async function leadsTo({ store }: Repository, from: Oid, to: Oid): Promise<boolean> {
  for (const oid of [from, to]) if ((await store.objects.stat(oid)).type !== 'commit') return false
  return new History(store).isAncestor(from, to)
}
