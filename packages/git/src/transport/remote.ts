/**
 * Remote: a client of any Git server that speaks smart HTTP. Version 2 for fetches where the server has it, version 0
 * and 1 where not, and for pushes.
 *
 * There is no negotiation in rounds: a client of ours knows what it has in common with a remote from the refs that it saw
 * there last, and says that with `done`, in one request.
 *
 * Spec: https://git-scm.com/docs/gitprotocol-http, https://git-scm.com/docs/gitprotocol-v2
 *
 * @module
 */
import { ByteReader } from '../byte-reader.ts'
import { concat } from '../bytes.ts'
import { MalformedError, UnsupportedError } from '../error.ts'
import type { Oid } from '../oid.ts'
import type { RefUpdate } from '../place.ts'
import {
  readAdvertisement,
  type Advertisement,
  type Service,
  type WireRef,
} from '../protocol/advertisement.ts'
import { AGENT, capabilityWords, type Capabilities } from '../protocol/capability.ts'
import type { ShallowChange } from '../protocol/deepen.ts'
import { encodeFetch, isRelative, readFetchAnswer, type PartialWish } from '../protocol/fetch.ts'
import { encodeFetchV0, readAcknowledgment, readCuts } from '../protocol/fetch-v0.ts'
import { encodeLsRefs, readRefList } from '../protocol/ls-refs.ts'
import { encodePush, readReport, type PushReport } from '../protocol/push.ts'
import { readBands } from '../protocol/sideband.ts'
import { readResponse, request, type HttpOptions } from './http.ts'
import { splitUrl } from './remote-url.ts'

/** What happens on the way: a line that the server says, or bytes of the answer so far. */
export type RemoteProgress =
  | { readonly kind: 'message'; readonly message: string }
  | { readonly kind: 'received'; readonly bytes: number }

/** How a remote is reached, and who hears of it. */
export interface RemoteOptions extends HttpOptions {
  readonly onProgress?: ((progress: RemoteProgress) => void) | undefined
}

/** What is wanted of a remote. */
export interface FetchPackRequest extends PartialWish {
  /** One object at least, as the remote's refs name them. */
  readonly wants: readonly Oid[]
  /** Commits that are here with all that they reach. The remote passes over those that it does not know. */
  readonly haves: readonly Oid[]
  /** Whether deltas may have bases that only we have; `false` when left out. */
  readonly thin?: boolean | undefined
  /** Whether tags come along with what they name; `false` when left out. */
  readonly includeTag?: boolean | undefined
}

/** What a remote sends. */
export interface FetchedPack {
  /** Where history is cut off from now on, if that was asked for or is so at the remote itself. */
  readonly cuts: ShallowChange
  /** The pack as it comes. Its end lets go of the connection. */
  readonly pack: AsyncGenerator<Uint8Array, void, undefined>
  /** Lets go of the connection, for whoever does not read the pack. */
  close(): Promise<void>
}

/** What is wished of a remote. */
export interface PushRequest {
  readonly updates: readonly RefUpdate[]
  /** What the updates reach and the remote lacks; not needed where all are deletions. It is collected before it is sent. */
  readonly pack?: AsyncIterable<Uint8Array> | undefined
  /** Whether all updates are made or none. @throws UnsupportedError where the remote cannot */
  readonly atomic?: boolean | undefined
  /** Commits that are here without their parents. */
  readonly shallow?: Iterable<Oid> | undefined
}

/** One repository on a server. What the server can do is asked once for fetches; its refs are asked each time. */
export class Remote {
  readonly #options: RemoteOptions
  #url: string
  #fetches: Advertisement | undefined
  #pushes: Advertisement | undefined

  /**
   * `url` as for `git clone`, with `http:` or `https:`. A user and a password in it count where the options name none.
   *
   * @throws TypeError when it is none of HTTP
   */
  constructor(url: string, options: RemoteOptions = {}) {
    const { url: bare, ...told } = splitUrl(url)
    this.#url = bare.replace(/\/+$/, '')
    this.#options = options.token === undefined ? { ...options, ...told } : options
  }

  /**
   * The refs, HEAD first. HEAD without an oid is a branch without a commit, where the server tells (version 2).
   *
   * @param prefixes only refs that begin with one of these; all when left out
   */
  async listRefs(prefixes: readonly string[] = []): Promise<WireRef[]> {
    const known = this.#fetches?.version === 2 ? this.#fetches : undefined
    const server = known ?? (await this.#discover('git-upload-pack'))
    this.#fetches = server
    const isAsked = (name: string): boolean =>
      prefixes.length === 0 || prefixes.some((prefix) => name.startsWith(prefix))
    if (server.version !== 2) return server.refs.filter(({ name }) => isAsked(name))
    const unborn = capabilityWords(server.capabilities, 'ls-refs').has('unborn')
    const reader = await this.#post(
      'git-upload-pack',
      encodeLsRefs({ prefixes, peel: true, symrefs: true, unborn }),
    )
    const refs = await readRefList(reader)
    // A server need not look at the prefixes.
    return refs.filter(({ name }) => isAsked(name))
  }

  /** The refs as a push finds them, which may be others than a fetch does: asked for anew, and once more after a push. */
  async listPushRefs(): Promise<readonly WireRef[]> {
    this.#pushes = await this.#discover('git-receive-pack')
    return this.#pushes.refs
  }

  /**
   * The pack with what the wants reach and the haves do not, as it comes.
   *
   * @throws RefusedError `remote` with the server's own words, when it will not or cannot go on
   * @throws MalformedError when the stream ends before the pack does
   */
  async *fetchPack(wish: FetchPackRequest): AsyncGenerator<Uint8Array, void, undefined> {
    yield* (await this.fetch(wish)).pack
  }

  /**
   * The same, and where the history that comes is cut off.
   *
   * @throws as {@link fetchPack}; UnsupportedError where the server cannot cut or leave out what is asked
   */
  async fetch(wish: FetchPackRequest): Promise<FetchedPack> {
    this.#fetches ??= await this.#discover('git-upload-pack')
    const { version, capabilities } = this.#fetches
    const offered = version === 2 ? capabilityWords(capabilities, 'fetch') : capabilities
    const isCut = wish.cut?.deepen !== undefined || (wish.cut?.shallow.length ?? 0) > 0
    if (wish.filter !== undefined && !offered.has('filter')) throw this.#lacks('leave out objects')
    if (isCut && !offered.has('shallow')) throw this.#lacks('cut a history')
    return version === 2 ? this.#fetchV2(wish) : this.#fetchV0(wish, this.#fetches)
  }

  /** Asks for updates of refs. What became of each is in the report; that one was refused is not an error. */
  async push({ updates, pack, atomic = false, shallow }: PushRequest): Promise<PushReport> {
    const { capabilities } = this.#pushes ?? (await this.#discover('git-receive-pack'))
    this.#pushes = undefined
    if (atomic && !capabilities.has('atomic')) throw this.#lacks('make all updates or none')
    const wanted = ['report-status', 'side-band-64k', 'ofs-delta', ...(atomic ? ['atomic'] : [])]
    const parts: Uint8Array[] = [encodePush(updates, usable(wanted, capabilities), shallow)]
    if (pack !== undefined) for await (const piece of pack) parts.push(piece)
    const reader = await this.#post('git-receive-pack', concat(parts))
    if (!capabilities.has('report-status')) {
      throw new UnsupportedError(
        `Cannot tell what became of a push to ${this.#url}: the server does not report`,
      )
    }
    if (!capabilities.has('side-band-64k')) return readReport(reader)
    const report = await readReport(new ByteReader(readBands(reader, this.#say), 'a report'))
    await reader.cancel()
    return report
  }

  #lacks(what: string): UnsupportedError {
    return new UnsupportedError(`Cannot talk to ${this.#url}: the server cannot ${what}`)
  }

  async #fetchV2(wish: FetchPackRequest): Promise<FetchedPack> {
    const body = encodeFetch({
      wants: wish.wants,
      haves: wish.haves,
      cut: wish.cut,
      filter: wish.filter,
      done: true,
      thinPack: wish.thin === true,
      quiet: this.#options.onProgress === undefined,
      includeTag: wish.includeTag === true,
      ofsDelta: true,
      waitForDone: false,
    })
    const reader = await this.#post('git-upload-pack', body)
    return fetched(reader, async () => {
      const { pack, cuts } = await readFetchAnswer(reader)
      if (!pack) throw new MalformedError('an answer to fetch', 'there is no pack in it')
      return { cuts, pack: readBands(reader, this.#say) }
    })
  }

  async #fetchV0(wish: FetchPackRequest, server: Advertisement): Promise<FetchedPack> {
    const wanted = ['side-band-64k', 'ofs-delta']
    // Without it Git repeats its one word for some haves, and nobody knows where the pack begins.
    const [manyWords] = usable(['multi_ack_detailed', 'multi_ack'], server.capabilities)
    const isDetailed = manyWords?.startsWith('multi_ack') === true
    if (isDetailed) wanted.push(manyWords)
    if (wish.thin === true) wanted.push('thin-pack')
    if (wish.includeTag === true) wanted.push('include-tag')
    if (this.#options.onProgress === undefined) wanted.push('no-progress')
    if (wish.filter !== undefined) wanted.push('filter')
    if (isRelative(wish.cut)) wanted.push('deepen-relative')
    const used = usable(wanted, server.capabilities)
    const { wants, haves, cut, filter } = wish
    const body = encodeFetchV0({ wants, haves, cut, filter, capabilities: used, done: true })
    const reader = await this.#post('git-upload-pack', body)
    return fetched(reader, async () => {
      const isAsked = cut?.deepen !== undefined
      // Where the remote itself is cut off, it said so when it listed its refs.
      const cuts = isAsked ? await readCuts(reader) : { shallow: server.shallow, unshallow: [] }
      // There is a line for each have that is common, and a last one; without multi_ack the first is the last.
      for (let isLast = false; !isLast;) {
        const word = await readAcknowledgment(reader)
        isLast = !isDetailed || word.kind === 'nak' || word.how === 'final'
      }
      const isBanded = used.includes('side-band-64k')
      return { cuts, pack: isBanded ? readBands(reader, this.#say) : reader.rest() }
    })
  }

  async #discover(service: Service): Promise<Advertisement> {
    const asked = `${this.#url}/info/refs?service=${service}`
    const accept = `application/x-${service}-advertisement`
    const response = await request(this.#options, {
      url: asked,
      accept,
      asksForV2: service === 'git-upload-pack',
    })
    this.#follow(response)
    const reader = new ByteReader(readResponse(response, this.#reading()), 'an advertisement')
    try {
      const advertisement = await readAdvertisement(reader)
      checkFormat(advertisement.capabilities)
      return advertisement
    } finally {
      await reader.cancel()
    }
  }

  /** Goes where a redirect led. `fetch` itself takes care that the token does not go to another server. */
  #follow(response: Response): void {
    const end = response.url.indexOf('/info/refs?')
    if (!response.redirected || end === -1) return
    const url = response.url.slice(0, end)
    if (new URL(url).origin === new URL(this.#url).origin) this.#url = url
  }

  async #post(service: Service, bytes: Uint8Array): Promise<ByteReader> {
    const response = await request(this.#options, {
      url: `${this.#url}/${service}`,
      accept: `application/x-${service}-result`,
      body: { type: `application/x-${service}-request`, bytes },
      asksForV2: service === 'git-upload-pack' && this.#fetches?.version === 2,
    })
    return new ByteReader(readResponse(response, this.#reading()), 'an answer')
  }

  #reading(): Parameters<typeof readResponse>[1] {
    const { signal, onProgress } = this.#options
    return { signal, onBytes: onProgress && ((bytes) => onProgress({ kind: 'received', bytes })) }
  }

  readonly #say = (message: string): void => {
    this.#options.onProgress?.({ kind: 'message', message })
  }
}

/** What stands in front of the pack, and the pack, whose end lets go of the connection. */
async function fetched(
  reader: ByteReader,
  read: () => Promise<{ cuts: ShallowChange; pack: AsyncIterable<Uint8Array> }>,
): Promise<FetchedPack> {
  try {
    const { cuts, pack } = await read()
    return { cuts, pack: untilEnd(reader, pack), close: () => reader.cancel() }
  } catch (error) {
    await reader.cancel()
    throw error
  }
}

async function* untilEnd(
  reader: ByteReader,
  pack: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* pack
  } finally {
    await reader.cancel()
  }
}

/** Of these words, the ones that the server knows, and what we always say. */
function usable(words: readonly string[], capabilities: Capabilities): string[] {
  const known = words.filter((word) => capabilities.has(word))
  if (capabilities.has('object-format')) known.push('object-format=sha1')
  if (capabilities.has('agent')) known.push(`agent=${AGENT}`)
  return known
}

function checkFormat(capabilities: Capabilities): void {
  const format = capabilities.get('object-format')?.[0] ?? 'sha1'
  if (format !== 'sha1') {
    throw new UnsupportedError(
      `Cannot read a repository of object format "${format.slice(0, 20)}"; only sha1 is supported`,
    )
  }
}
