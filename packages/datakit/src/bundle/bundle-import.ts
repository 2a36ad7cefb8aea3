/**
 * Taking a bundle: its refs and its pack come in by the one way in, so that every object is checked and what it rests on is
 * reachable before a ref moves. Whatever fails leaves nothing behind.
 *
 * @module
 */
import { randomId } from '@datakit/git/bytes'
import { MissingError, RefusedError, UnsupportedError } from '@datakit/git/error'
import type { Oid } from '@datakit/git/oid'
import type { Head, RefUpdate, State } from '@datakit/git/place'
import { isRemoteName } from '@datakit/git/remote-list'
import {
  readBundle,
  type BundleHeader,
  type BundleRef,
  type OpenBundle,
  type Prerequisite,
} from '@datakit/git/protocol/bundle'
import type { Judge } from '@datakit/git/transport/judge'
import { commonHaves } from '@datakit/git/transport/negotiate'
import { ALL_REFS } from '@datakit/git/transport/reach'
import {
  checkUpdate,
  receiveUpdate,
  type ReceiveRequest,
  type RefOutcome,
} from '@datakit/git/transport/receive'
import type { ReceivePolicy } from '@datakit/git/transport/ref-rules'
import type { ReceiveLimits } from '@datakit/git/transport/stage'
import {
  action,
  ArgumentError,
  checkOptions,
  flag,
  listOf,
  signal,
  text,
  type Rule,
} from '../argument.ts'
import { DataKitError } from '../error.ts'
import { OWN_LIMITS } from '../limits.ts'
import { isOwnName, matchNames } from '../branch/ref-pattern.ts'
import type { Repository } from '../repository.ts'

/** How objects are checked. */
export interface VerifyOptions {
  /** Decides about what is wrong with objects; what Git's fsck refuses is refused when left out. */
  readonly judge?: Judge | undefined
  /** What the pack may be at most; 4 GiB - 1 when left out, as in Git's index. */
  readonly limits?: ReceiveLimits | undefined
  /** Told how many objects were checked, of how many. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** What is taken of a bundle, and where it goes. */
export interface ImportOptions extends VerifyOptions {
  /** Refs to take, as in `ExportOptions.refs`; all but what was known of other repositories when left out. */
  readonly refs?: readonly string[] | undefined
  /**
   * Name of a remote: branches become `refs/remotes/NAME/*` and move there whatever they were, tags come along, other refs
   * do not. Refs keep their names when left out.
   */
  readonly into?: string | undefined
  /** Whether branches may lose commits, and tags may move. They may not when left out. */
  readonly force?: boolean | undefined
}

/** What became of one ref. */
export type ImportedRef = {
  /** Its name in the bundle. */
  readonly source: string
  /** Its name here. */
  readonly name: string
  readonly oid: Oid
} & (
  | { readonly state: 'created' | 'updated' | 'unchanged' }
  /** It was elsewhere when it was to be moved. */
  | { readonly state: 'lost'; readonly current: Oid | undefined }
  | { readonly state: 'refused'; readonly reason: string }
)

/** What became of a bundle. */
export interface ImportOutcome {
  readonly header: BundleHeader
  /** One for each ref that was taken, in the order of the bundle. */
  readonly refs: readonly ImportedRef[]
}

/** What a bundle is worth here. */
export interface BundleReport {
  readonly header: BundleHeader
  /** Prerequisites that no ref here leads to. The pack was not read if there are any. */
  readonly missing: readonly Prerequisite[]
}

/** The repository lacks what the bundle goes on from: take an earlier bundle, or fetch, first. Nothing was changed. */
export class PrerequisitesError extends DataKitError {
  override readonly name = 'PrerequisitesError'
  override readonly code = 'prerequisites'
  readonly missing: readonly Prerequisite[]

  constructor(missing: readonly Prerequisite[]) {
    const names = missing.slice(0, 3).map(({ oid, comment }) => `${oid} ${comment}`.trimEnd())
    const more = missing.length > names.length ? ` and ${missing.length - names.length} more` : ''
    super(
      `Cannot take a bundle: no ref here leads to what it goes on from: ${names.join(', ')}${more}; take an earlier bundle or fetch them first`,
    )
    this.missing = missing
  }
}

const BRANCHES = 'refs/heads/'
const TAGS = 'refs/tags/'
const REMOTES = 'refs/remotes/'

/**
 * Takes a bundle. A new repository gets its HEAD from it too: the branch that is where HEAD was. A HEAD without a branch goes to
 * the branch that HEAD is on here.
 *
 * @throws MalformedError, UnsupportedError as `readBundle`; UnsupportedError for one that was filtered
 * @throws PrerequisitesError when it goes on from what is not here
 * @throws MissingError when it has no ref of a name that was asked for
 * @throws RefusedError, MalformedError when its pack is not what it must be; nothing was changed then
 */
export async function importBundle(
  repository: Repository,
  source: AsyncIterable<Uint8Array>,
  options: ImportOptions = {},
): Promise<ImportOutcome> {
  checkOptions(options, { ...VERIFYING, refs: listOf(text), force: flag, into: remoteName })
  const bundle = await openBundle(source)
  try {
    const { header } = bundle
    const wishes = await planImport(repository, header, options)
    const open = wishes.filter(({ from, oid }) => from !== oid)
    if (open.length === 0) return { header, refs: wishes.map((wish) => settled(wish)) }
    const request: ReceiveRequest = {
      ...requestFor(repository, bundle, options),
      isCurrent: true,
      updates: open.map(({ name, from, oid }): RefUpdate => ({ name, from, to: oid })),
      head: await headFor(repository.store.objects.state, header, wishes),
      policy: policyFor(options),
    }
    const { refs, problem } = await receiveUpdate(repository.store.objects, request)
    if (problem !== undefined) throw problem
    await repository.store.state()
    const outcomes = new Map(refs.map((outcome) => [outcome.name, outcome]))
    return { header, refs: wishes.map((wish) => settled(wish, outcomes.get(wish.name))) }
  } finally {
    await bundle.close()
  }
}

/**
 * Reads a bundle to its end and checks it as if it were taken: every object, and that all which its refs need is in it or
 * here. Changes nothing.
 *
 * @throws as {@link importBundle}, but for prerequisites, which are in the report
 */
export async function verifyBundle(
  repository: Repository,
  source: AsyncIterable<Uint8Array>,
  options: VerifyOptions = {},
): Promise<BundleReport> {
  checkOptions(options, VERIFYING)
  const bundle = await openBundle(source)
  try {
    const { header } = bundle
    refuseFiltered(header)
    await repository.store.state()
    const missing = await findMissing(repository, header)
    if (missing.length > 0) return { header, missing }
    // Names that nobody has: whether the refs could move is not the question.
    const id = randomId()
    const updates = header.refs.map(({ name, oid }, i): RefUpdate => {
      const kind = name.startsWith(BRANCHES) ? BRANCHES : 'refs/'
      return { name: `${kind}${id}/${i}`, from: undefined, to: oid }
    })
    const request = { ...requestFor(repository, bundle, options), updates }
    const { refs, problem } = await checkUpdate(repository.store.objects, request)
    if (problem !== undefined) throw problem
    for (const outcome of refs)
      if (outcome.state === 'refused')
        throw new RefusedError('not-connected', `Cannot take a bundle: ${outcome.reason}`)
    return { header, missing }
  } finally {
    await bundle.close()
  }
}

/** The header of a bundle, with nothing checked; the source is ended. @throws as `readBundle` */
export async function readBundleHeader(source: AsyncIterable<Uint8Array>): Promise<BundleHeader> {
  const { header, close } = await openBundle(source)
  await close()
  return header
}

const VERIFYING = { judge: action, onProgress: action, signal }

const remoteName: Rule = {
  fits: (value) => typeof value === 'string' && isRemoteName(value),
  wanted: 'the name of a remote, as "origin"',
}

/** @throws ArgumentError when it is nothing that gives bytes; as `readBundle` */
async function openBundle(source: AsyncIterable<Uint8Array>): Promise<OpenBundle> {
  if (source instanceof Object && Symbol.asyncIterator in source) return readBundle(source)
  throw new ArgumentError('source', source, 'the bytes of a bundle as an async iterable')
}

/** A ref of the bundle and the one that it becomes here. */
interface Wish extends BundleRef {
  readonly source: string
  readonly from: Oid | undefined
}

async function planImport(
  repository: Repository,
  header: BundleHeader,
  options: ImportOptions,
): Promise<Wish[]> {
  refuseFiltered(header)
  const state = await repository.store.state()
  const { found, missing } = matchNames(header.refs, options.refs)
  const [first] = missing
  if (first !== undefined) throw new MissingError('a ref of a bundle', first)
  const lacking = await findMissing(repository, header)
  if (lacking.length > 0) throw new PrerequisitesError(lacking)
  const chosen = options.refs === undefined ? found.filter(({ name }) => isOwnName(name)) : found
  const hasBranch = chosen.some(({ name }) => name.startsWith(BRANCHES))
  const wishes: Wish[] = []
  for (const { name: source, oid } of chosen) {
    const isAlone = source === 'HEAD' && !hasBranch
    const name = nameHere(isAlone ? branchOfHead(state) : source, options.into)
    if (name !== undefined) wishes.push({ source, name, oid, from: await state.ref(name) })
  }
  return wishes
}

/** `undefined` for what is not taken. HEAD beside branches is no ref here: it goes where its branch is. */
function nameHere(name: string, into: string | undefined): string | undefined {
  if (name === 'HEAD') return undefined
  if (into === undefined || name.startsWith(TAGS)) return name
  return name.startsWith(BRANCHES) ? `${REMOTES}${into}/${name.slice(BRANCHES.length)}` : undefined
}

/** The branch that a HEAD goes to which comes without a branch, as `git pull` takes it. @throws RefusedError `detached-head` */
function branchOfHead({ head }: State): string {
  if ('ref' in head) return head.ref
  throw new RefusedError(
    'detached-head',
    'Cannot take a bundle of HEAD alone: HEAD is on no branch here; set it to one first, or make a bundle of a branch',
  )
}

function requestFor(
  { store }: Repository,
  { pack }: OpenBundle,
  { judge, limits, onProgress, signal }: VerifyOptions,
): Omit<ReceiveRequest, 'updates'> {
  return {
    id: randomId(),
    isFirst: true,
    pack,
    log: { who: store.who(), why: 'bundle: import' },
    policy: judge && { judge },
    limits: { ...OWN_LIMITS, ...limits },
    onProgress,
    signal,
  }
}

function policyFor({ force = false, judge }: ImportOptions): ReceivePolicy {
  return {
    judge,
    protects: (name) => !force && !name.startsWith(REMOTES),
    refuse: ({ name, from }) =>
      !force && from !== undefined && name.startsWith(TAGS)
        ? 'a tag of this name is here and points elsewhere'
        : undefined,
  }
}

/** @throws UnsupportedError for a bundle that leaves out objects on purpose */
function refuseFiltered({ filter }: BundleHeader): void {
  if (filter === undefined) return
  throw new UnsupportedError(
    `Cannot take a bundle that leaves out objects (filter "${filter.slice(0, 80)}"): it does not say where they are; make one without --filter`,
  )
}

async function findMissing(
  { store: { objects } }: Repository,
  { prerequisites }: BundleHeader,
): Promise<Prerequisite[]> {
  if (prerequisites.length === 0) return []
  const oids = prerequisites.map(({ oid }) => oid)
  const here = new Set(await commonHaves(objects, oids, ALL_REFS))
  return prerequisites.filter(({ oid }) => !here.has(oid))
}

/** Where HEAD of a repository without branches goes: to the branch that it was on, as far as its commit tells. */
async function headFor(
  state: State,
  header: BundleHeader,
  wishes: readonly Wish[],
): Promise<{ readonly from: Head; readonly to: Head } | undefined> {
  const { head } = state
  const place = header.refs.findIndex(({ name }) => name === 'HEAD')
  const at = header.refs[place]?.oid
  if (at === undefined || !('ref' in head)) return undefined
  for await (const { name } of state.refs(BRANCHES)) if (name !== '') return undefined
  const names = wishes.flatMap(({ name, oid }) =>
    oid === at && name.startsWith(BRANCHES) ? [name] : [],
  )
  // Who writes HEAD and its branch side by side means that one; Git's `--all` puts HEAD last.
  const beside = header.refs[place + 1]?.name ?? ''
  const usual = [beside, `${BRANCHES}main`, `${BRANCHES}master`, names[0] ?? '']
  const to = usual.find((name) => names.includes(name))
  return to === undefined || to === head.ref ? undefined : { from: head, to: { ref: to } }
}

function settled({ source, name, oid, from }: Wish, outcome?: RefOutcome): ImportedRef {
  const ref = { source, name, oid }
  if (outcome === undefined) return { ...ref, state: 'unchanged' }
  if (outcome.state === 'done') return { ...ref, state: from === undefined ? 'created' : 'updated' }
  return { ...ref, ...outcome }
}
