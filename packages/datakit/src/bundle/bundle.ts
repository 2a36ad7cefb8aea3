/**
 * Bundles: a repository, or what is new of it, as one file that every Git reads.
 *
 * `git clone file.bundle` is a restored backup. A bundle that goes on from earlier commits names those that must be there
 * before it is taken (its *prerequisites*); `bundle-import.ts` is the way back in.
 *
 * Spec: https://git-scm.com/docs/gitformat-bundle
 *
 * @module
 */
import { messageText } from '@datakit/git/commit-message'
import { MissingError, RefusedError } from '@datakit/git/error'
import type { Objects } from '@datakit/git/objects'
import type { Oid } from '@datakit/git/oid'
import type { State } from '@datakit/git/place'
import {
  encodeBundleHeader,
  type BundleHeader,
  type BundleRef,
  type Prerequisite,
} from '@datakit/git/protocol/bundle'
import { commitOf, Cuts, linksOf } from '@datakit/git/transport/commits'
import { selectObjects, type Selection } from '@datakit/git/transport/select'
import { streamPack } from '@datakit/git/transport/serve'
import {
  action,
  checkOptions,
  flag,
  listOf,
  oid,
  oneOf,
  signal as signalRule,
  text,
} from '../argument.ts'
import { readCommit } from '../files/object-source.ts'
import { isOwnName, matchNames } from '../branch/ref-pattern.ts'
import type { Repository } from '../repository.ts'

/** What goes into a bundle. */
export interface ExportOptions {
  /**
   * Refs to put in: `HEAD`, full names, short names of branches and tags, and patterns that end with `/*`. All of one's own
   * when left out: `HEAD` and every ref but what is known of other repositories (`refs/remotes/`, `refs/datakit/`).
   */
  readonly refs?: readonly string[] | undefined
  /**
   * Commits that whoever takes the bundle has already, with all that they reach, as the heads of an earlier bundle. Those
   * that are not here are passed over.
   */
  readonly since?: readonly Oid[] | undefined
  /** 2 when left out. */
  readonly version?: 2 | 3 | undefined
  /**
   * Whether a history that is cut off here may go in: what is behind the cut is then a prerequisite, and the bundle alone
   * is no backup. It may not when left out.
   */
  readonly allowShallow?: boolean | undefined
  /** Told what is in front of the pack, before any byte is given. */
  readonly onHeader?: ((header: BundleHeader) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

const NOTHING: ReadonlySet<Oid> = new Set()

const RULES = {
  refs: listOf(text),
  since: listOf(oid),
  version: oneOf(2, 3),
  allowShallow: flag,
  onHeader: action,
  signal: signalRule,
}

/** Only commits are selected, and no tree is looked into. */
const COMMITS = { blobLimit: Infinity, treeDepth: Infinity, types: new Set(['commit'] as const) }

/**
 * A bundle, in pieces that are valid until the next one is asked for. Nothing is held but tables: entries are passed on as
 * they are stored. If it throws, what came before is no bundle.
 *
 * @throws RefusedError `empty-bundle` when there is no ref, or nothing new, to put in; `shallow` when history is cut off
 * @throws MissingError when a ref of that name is not there; NotHereError when something was left with a remote, and the
 *   repository does not fetch it (`files/on-demand.ts`)
 */
export async function* exportBundle(
  repository: Repository,
  options: ExportOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  checkOptions(options, RULES)
  const { objects, onDemand } = repository.store
  const { signal, version = 2 } = options
  const state = await repository.store.state()
  const refs = await refsToExport(state, options.refs)
  if (refs.length === 0)
    throw new RefusedError('empty-bundle', 'Cannot make a bundle: there is no ref to put into it')
  const wants = [...new Set(refs.map(({ oid }) => oid))]
  const outside = await findOutside(objects, wants, options)
  const selection = await selectObjects(objects, {
    wants,
    haves: outside.had,
    onLack: onDemand && ((oids) => onDemand.ahead(oids, signal).then(() => NOTHING)),
    signal,
  })
  const isNew = selection.count > 0 || outside.had.length === 0
  if (!isNew)
    throw new RefusedError('empty-bundle', 'Cannot make a bundle: nothing is new since then')
  const prerequisites = await describe(repository, [...outside.had, ...outside.cutOff])
  const header: BundleHeader = { version, filter: undefined, prerequisites, refs }
  const thin = prerequisites.length > 0
  const pack = streamPack(objects, selection, { thin, signal })
  // What cannot be read is found out before the first piece, so that nobody gets a header and no more.
  const first = await pack.next()
  options.onHeader?.(header)
  yield encodeBundleHeader(header)
  if (first.done !== true) yield first.value
  yield* pack
}

/** The refs that these names stand for, HEAD and its branch first: who clones takes the first branch where HEAD is. */
async function refsToExport(
  state: State,
  names: readonly string[] | undefined,
): Promise<BundleRef[]> {
  const all: BundleRef[] = []
  for await (const { name, oid } of state.refs()) all.push({ name, oid })
  const { head } = state
  const branch = 'ref' in head ? head.ref : undefined
  const at = 'ref' in head ? all.find(({ name }) => name === branch)?.oid : head.oid
  if (at !== undefined) all.unshift({ name: 'HEAD', oid: at })
  const { found, missing } = matchNames(all, names)
  const [first] = missing
  if (first !== undefined) throw new MissingError('a ref for a bundle', first)
  const chosen = names === undefined ? found.filter(({ name }) => isOwnName(name)) : found
  const rank = ({ name }: BundleRef): number => (name === 'HEAD' ? 0 : name === branch ? 1 : 2)
  return chosen.toSorted((a, b) => rank(a) - rank(b))
}

/** Commits that must be there where the bundle is taken. */
interface Outside {
  /** They are here, with all that they reach: nothing of it is sent. */
  readonly had: readonly Oid[]
  /** They are behind the commits where history is cut off here. */
  readonly cutOff: readonly Oid[]
}

/**
 * What the wants rest on: the parents of what is new that are not new, and wants that are not new themselves. Fewer than
 * what was said to be had, so that nobody needs more than the bundle does.
 */
async function findOutside(
  objects: Objects,
  wants: readonly Oid[],
  { since = [], allowShallow = false, signal }: ExportOptions,
): Promise<Outside> {
  const { shallow } = objects.state
  if (since.length === 0 && shallow.size === 0) return { had: [], cutOff: [] }
  const selection = await selectObjects(objects, { wants, haves: since, filter: COMMITS, signal })
  const cutOff = await parentsBehind(selection, shallow)
  if (cutOff.length > 0 && !allowShallow) {
    const problem = `the history of ${cutOff.length} of its commits is cut off here`
    const way = 'fetch the rest first, or allow a bundle that needs what is behind them'
    throw new RefusedError('shallow', `Cannot make a bundle of all: ${problem}; ${way}`)
  }
  return { had: await boundaryOf(selection, wants), cutOff }
}

async function boundaryOf(selection: Selection, wants: readonly Oid[]): Promise<Oid[]> {
  const { graph } = selection
  const cuts = new Cuts(graph)
  const outside = new Set<Oid>()
  for (const node of selection.nodes) {
    for (const parent of await cuts.parentsOf(node))
      if (!selection.hasNode(parent)) outside.add(graph.oid(parent))
  }
  for (const want of wants) {
    const commit = await commitOf(graph, want)
    if (commit !== undefined && !selection.hasNode(commit)) outside.add(graph.oid(commit))
  }
  return [...outside]
}

/** Parents of the selected commits that are shallow here. */
async function parentsBehind(selection: Selection, shallow: ReadonlySet<Oid>): Promise<Oid[]> {
  const { graph } = selection
  const behind = new Set<Oid>()
  for (const oid of shallow) {
    if (!selection.has(oid)) continue
    const links = await linksOf(graph, graph.node(oid))
    if (links.kind !== 'commit') continue
    for (const parent of links.parents)
      if (!selection.hasNode(parent)) behind.add(graph.oid(parent))
  }
  return [...behind]
}

async function describe(repository: Repository, oids: readonly Oid[]): Promise<Prerequisite[]> {
  const { store } = repository
  const described: Prerequisite[] = []
  for (const oid of new Set(oids)) {
    const commit = (await store.objects.has(oid)) ? await readCommit(store, oid) : undefined
    const [paragraph = ''] = commit === undefined ? [] : messageText(commit).trim().split('\n\n', 1)
    described.push({ oid, comment: paragraph.replaceAll(/\s*\n\s*/g, ' ') })
  }
  return described
}
