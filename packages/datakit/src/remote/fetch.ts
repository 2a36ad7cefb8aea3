/**
 * Fetch: brings what a remote has into refs of one's own that say where it is, `refs/remotes/NAME/*`. Local branches stay
 * where they are; `pull.ts` moves one.
 *
 * Any Git server will do, over smart HTTP. (`sync.ts` is the way to a DataKit server: both ways in one exchange.)
 *
 * @module
 */
import { randomId } from '@datakit/git/bytes'
import { MissingError, RefusedError } from '@datakit/git/error'
import type { Oid } from '@datakit/git/oid'
import type { RefUpdate, State } from '@datakit/git/place'
import type { WireRef } from '@datakit/git/protocol/advertisement'
import type { Deepening } from '@datakit/git/protocol/deepen'
import type { NamedRemote } from '@datakit/git/remote-list'
import { commonHaves } from '@datakit/git/transport/negotiate'
import { ALL_REFS } from '@datakit/git/transport/reach'
import {
  receiveUpdate,
  type ReceiveOutcome,
  type ReceiveRequest,
} from '@datakit/git/transport/receive'
import { Remote, type FetchedPack, type RemoteOptions } from '@datakit/git/transport/remote'
import type { ReceiveLimits } from '@datakit/git/transport/stage'
import { findCommon } from './common-ground.ts'
import { OWN_LIMITS } from '../limits.ts'
import {
  isLeftOut,
  matchPattern,
  parseRefspec,
  sourceOf,
  targetOf,
  type Refspec,
} from './refspec.ts'
import { checkFetch } from './remote-rules.ts'
import type { Repository } from '../repository.ts'

/** What is fetched, and how. */
export interface FetchOptions extends RemoteOptions {
  /** Whether refs here go that the remote has no more. They stay when left out. */
  readonly prune?: boolean | undefined
  /**
   * `follow`: tags that lead to what is here, if there is none of the name, as Git does; `all`; or `none`. `follow` when left
   * out.
   */
  readonly tags?: 'follow' | 'all' | 'none' | undefined
  /** In place of the refspecs of the remote. Sources are full names, or HEAD; one without `*` must be there. `^` leaves out. */
  readonly refspecs?: readonly string[] | undefined
  /**
   * What is left with the remote until it is wanted, in place of what is written down of it: `blob:none`, `blob:limit=1m`,
   * `tree:0`. What is left is *promised*, see `promised.ts`.
   */
  readonly filter?: string | undefined
  /** How far history goes back; as far as it does here when left out. */
  readonly deepen?: Deepening | undefined
  /** Whether a history may come that is cut off at the remote itself. It may not when left out. */
  readonly acceptShallow?: boolean | undefined
  /** What a pack may be at most; 4 GiB - 1 when left out, as in Git's index. */
  readonly limits?: ReceiveLimits | undefined
}

/** What became of one ref. */
export type FetchedRef = {
  /** Its name at the remote. */
  readonly remote: string
  /** Its name here. */
  readonly name: string
  /** Where it was here. */
  readonly from: Oid | undefined
  /** Where it is at the remote; `undefined` when it is gone there. */
  readonly to: Oid | undefined
} & (
  | { readonly state: 'created' | 'updated' | 'unchanged' | 'pruned' }
  /** Somebody else moved it here meanwhile. */
  | { readonly state: 'lost' }
  | { readonly state: 'refused'; readonly reason: string }
)

/** What became of a fetch. */
export interface FetchOutcome {
  readonly refs: readonly FetchedRef[]
  /** Branch of the remote's HEAD, as in `refs/heads/main`, where it says so. */
  readonly head: string | undefined
}

const TAGS = 'refs/tags/'

/**
 * Fetches once. Every object is checked, and what is not connected is refused, as in a push. With a filter into a Git
 * directory, each ref is refused where the configuration does not have the remote: stock Git could ask nobody for the rest.
 *
 * @throws UnavailableError when the remote is out of reach; RefusedError `unauthorised`, `forbidden`, `no-repository` or in
 *   the remote's own words; UnsupportedError when what answers is no Git server
 * @throws RefusedError, MalformedError when its pack is not what it must be; nothing was changed then
 * @throws RangeError for a refspec that is none or names no ref in full; MissingError when the remote has no ref of a name
 *   that `refspecs` ask for
 */
export async function fetchRemote(
  repository: Repository,
  remote: NamedRemote,
  options: FetchOptions = {},
): Promise<FetchOutcome> {
  checkFetch(remote, options)
  return new Fetch(repository, remote, options).run()
}

/** A move of a ref here that the remote gives reason to. */
interface Wish {
  readonly remote: string
  readonly name: string
  readonly from: Oid | undefined
  readonly to: Oid | undefined
  readonly force: boolean
}

/** @throws RangeError when the source of a refspec is no full name: it would mean nothing that the remote has */
function checkFullName(spec: string): void {
  const { source } = parseRefspec(spec)
  if (source === 'HEAD' || source.startsWith('refs/')) return
  throw new RangeError(
    `Not a full name in the refspec "${spec}": "${source}", expected HEAD or one as "refs/heads/main"`,
  )
}

/** @throws RangeError when all refspecs leave out, and none says what is to be fetched */
function checkPositive(specs: readonly string[] = []): void {
  const [first] = specs
  if (first === undefined || specs.some((spec) => !parseRefspec(spec).isNegative)) return
  throw new RangeError(
    `Not a full name in the refspec "${first}": it only leaves out; say what to fetch, too`,
  )
}

/** @throws MissingError when a ref that was asked for by its name is not there */
function checkWanted(specs: readonly string[] = [], theirs: readonly WireRef[]): void {
  const names = new Set(theirs.map(({ name }) => name))
  const lacking = specs
    .map(parseRefspec)
    .find(({ isNegative, source }) => !isNegative && !source.includes('*') && !names.has(source))
  if (lacking !== undefined) throw new MissingError('a ref of the remote', lacking.source)
}

class Fetch {
  readonly #repository: Repository
  readonly #remote: NamedRemote
  readonly #options: FetchOptions
  readonly #specs: readonly Refspec[]
  readonly #client: Remote

  readonly #filter: string | undefined
  /** As whom the remote is written down where it leaves objects out, or has done so before. */
  readonly #promisor: ReceiveRequest['promisor']

  constructor(repository: Repository, remote: NamedRemote, options: FetchOptions) {
    this.#filter = options.filter ?? remote.filter
    const { name, promisor } = remote
    const isPromisor = this.#filter !== undefined || promisor === true
    this.#promisor = isPromisor ? { remote: name, filter: this.#filter } : undefined
    this.#repository = repository
    this.#remote = remote
    this.#options = options
    options.refspecs?.forEach(checkFullName)
    checkPositive(options.refspecs)
    this.#specs = (options.refspecs ?? remote.fetch).map(parseRefspec)
    this.#client = new Remote(remote.url, options)
  }

  async run(): Promise<FetchOutcome> {
    const theirs = await this.#client.listRefs(this.#prefixes())
    const head = theirs.find(({ name }) => name === 'HEAD')?.symref
    checkWanted(this.#options.refspecs, theirs)
    const state = await this.#repository.store.state()
    const wishes = [...(await this.#wishes(state, theirs)), ...(await this.#pruned(state, theirs))]
    const refs = await this.#take(wishes, this.#options.deepen !== undefined)
    const tags = await this.#follow(theirs, new Set(wishes.map(({ name }) => name)))
    return { refs: [...refs, ...(await this.#take(tags, false))], head }
  }

  /** What to ask for, with HEAD and tags. */
  #prefixes(): string[] {
    const prefixes = this.#specs
      .filter(({ isNegative }) => !isNegative)
      .map(({ source }) => source.split('*', 1)[0] ?? '')
    return ['HEAD', ...prefixes, ...(this.#options.tags === 'none' ? [] : [TAGS])]
  }

  async #wishes(state: State, theirs: readonly WireRef[]): Promise<Wish[]> {
    const wishes = new Map<string, Wish>()
    for (const { name: remote, oid: to } of theirs) {
      const isAll =
        this.#options.tags === 'all' && remote.startsWith(TAGS) && !isLeftOut(this.#specs, remote)
      const target =
        targetOf(this.#specs, remote) ?? (isAll ? { name: remote, force: false } : undefined)
      if (target === undefined || to === undefined || wishes.has(target.name)) continue
      const { name, force } = target
      wishes.set(name, { remote, name, force, to, from: await state.ref(name) })
    }
    return [...wishes.values()]
  }

  /** Refs here that came from the remote, which has them no more. Only patterns speak for what they do not name. */
  async #pruned(state: State, theirs: readonly WireRef[]): Promise<Wish[]> {
    if (this.#options.prune !== true) return []
    const there = new Set(theirs.map(({ name }) => name))
    const patterns = this.#specs.filter(({ target }) => target?.includes('*') === true)
    const wishes: Wish[] = []
    for (const { target = '' } of patterns) {
      for await (const { name, oid: from } of state.refs(target.split('*', 1)[0] ?? '')) {
        const remote =
          matchPattern(target, name) === undefined ? undefined : sourceOf(this.#specs, name)
        // Where the remote's HEAD is, Git keeps beside its branches.
        if (remote === undefined || there.has(remote) || name.endsWith('/HEAD')) continue
        if (!wishes.some((wish) => wish.name === name))
          wishes.push({ remote, name, from, to: undefined, force: true })
      }
    }
    return wishes
  }

  /** Tags that are not here and lead to what is. */
  async #follow(theirs: readonly WireRef[], settled: ReadonlySet<string>): Promise<Wish[]> {
    if ((this.#options.tags ?? 'follow') !== 'follow') return []
    const { objects } = this.#repository.store
    const { state } = objects
    const open: (Wish & { readonly target: Oid })[] = []
    for (const { name, oid: to, peeled } of theirs) {
      const isOpen = name.startsWith(TAGS) && !settled.has(name) && to !== undefined
      if (!isOpen || (await state.ref(name)) !== undefined) continue
      open.push({ remote: name, name, from: undefined, to, force: false, target: peeled ?? to })
    }
    const targets = open.map(({ target }) => target)
    const here = new Set(await commonHaves(objects, targets, ALL_REFS))
    return open.filter(({ target }) => here.has(target))
  }

  /** Moves refs, with what they need of the remote. `isDeeper`: also where no ref moves there may be more to have. */
  async #take(wishes: readonly Wish[], isDeeper: boolean): Promise<FetchedRef[]> {
    const open = wishes.filter(({ from, to }) => isDeeper || from !== to)
    if (open.length === 0) return wishes.map((wish) => fetchedRef(wish))
    const { store } = this.#repository
    const updates = open.map(({ name, from, to }): RefUpdate => ({ name, from, to }))
    const wants = await this.#wants(open, isDeeper)
    const fetched = wants.length === 0 ? undefined : await this.#fetch(wants, isDeeper)
    try {
      const outcome = await receiveUpdate(store.objects, {
        ...this.#request(open),
        updates,
        pack: fetched?.pack,
        shallow: fetched && (await this.#cuts(fetched)),
      })
      await store.state()
      if (outcome.problem !== undefined) throw outcome.problem
      return wishes.map((wish) => fetchedRef(wish, outcome))
    } finally {
      await fetched?.close()
    }
  }

  #request(open: readonly Wish[]): Omit<ReceiveRequest, 'updates'> {
    const { limits, signal } = this.#options
    const forced = new Set(open.flatMap(({ name, force }) => (force ? [name] : [])))
    return {
      id: randomId(),
      isFirst: true,
      policy: {
        deleteCurrent: true,
        protects: (name) => !forced.has(name),
        refuse: ({ name, from, to }) =>
          name.startsWith(TAGS) && from !== undefined && from !== to && !forced.has(name)
            ? 'a tag of this name is here and points elsewhere'
            : undefined,
      },
      promisor: this.#promisor,
      limits: { ...OWN_LIMITS, ...limits },
      log: { who: this.#repository.store.who(), why: `fetch ${this.#remote.name}` },
      signal,
    }
  }

  /** Of what the refs shall point at, that which no ref here leads to: to be there is not enough. */
  async #wants(open: readonly Wish[], isDeeper: boolean): Promise<Oid[]> {
    const oids = [...new Set(open.flatMap(({ to }) => to ?? []))]
    if (isDeeper) return oids
    const here = new Set(await commonHaves(this.#repository.store.objects, oids, ALL_REFS))
    return oids.filter((oid) => !here.has(oid))
  }

  async #fetch(wants: readonly Oid[], isDeeper: boolean): Promise<FetchedPack> {
    const haves = await findCommon(this.#repository, `refs/remotes/${this.#remote.name}/`)
    const deepen = isDeeper ? this.#options.deepen : undefined
    const shallow = await this.#knownCuts()
    const isCut = shallow.length > 0 || deepen !== undefined
    const cut = isCut ? { shallow, deepen } : undefined
    const filter = this.#filter
    // The base of a thin delta may be what was left there.
    return this.#client.fetch({ wants, haves, thin: this.#promisor === undefined, cut, filter })
  }

  /**
   * Where the history that refs lead to is cut off. A remote takes what it is told for had, and would never send a commit
   * that was cut off once, and that no ref leads to since history was cut nearer.
   */
  #knownCuts(): Promise<Oid[]> {
    const { objects, shallow } = this.#repository.store
    return commonHaves(objects, [...shallow], ALL_REFS)
  }

  /** Where history is cut off from now on. @throws RefusedError `shallow` when nobody asked for that */
  async #cuts({ cuts, close }: FetchedPack): Promise<ReceiveRequest['shallow']> {
    const { objects, shallow } = this.#repository.store
    const isAsked = this.#options.deepen !== undefined || this.#options.acceptShallow === true
    const news: Oid[] = []
    for (const oid of cuts.shallow)
      if (!shallow.has(oid) && (isAsked || !(await objects.has(oid)))) news.push(oid)
    if (news.length > 0 && !isAsked) {
      await close()
      const { name } = this.#remote
      throw new RefusedError(
        'shallow',
        `Cannot fetch from "${name}": its own history is cut off; accept that, or fetch from where it is whole`,
      )
    }
    const remove = cuts.unshallow.filter((oid) => shallow.has(oid))
    // One that was cut off before and that no ref has led to since comes in the pack again, again without its parents.
    const again = cuts.shallow.filter((oid) => shallow.has(oid))
    const add = [...news, ...again]
    return add.length + remove.length === 0 ? undefined : { add, remove }
  }
}

function fetchedRef(wish: Wish, outcome?: ReceiveOutcome): FetchedRef {
  const { remote, name, from, to } = wish
  const ref = { remote, name, from, to }
  const found = outcome?.refs.find((each) => each.name === name)
  if (found === undefined || (found.state === 'done' && from === to))
    return { ...ref, state: 'unchanged' }
  if (found.state === 'refused') return { ...ref, state: 'refused', reason: found.reason }
  if (found.state === 'lost') return { ...ref, state: 'lost' }
  if (to === undefined) return { ...ref, state: 'pruned' }
  return { ...ref, state: from === undefined ? 'created' : 'updated' }
}
