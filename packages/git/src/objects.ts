/**
 * Objects: reads the objects of a repository, wherever its packs are kept.
 *
 * Every object is checked against its name when it is read: indexes only say where to look. A pack that vanished while
 * it was read is no error until the state, read again, still lists it.
 *
 * @module
 */
import { ByteCache } from './byte-cache.ts'
import { DamagedError, GitError, MalformedError, MissingError, NotHereError } from './error.ts'
import type { GitObject, ObjectType } from './object.ts'
import { ObjectLookup, type Located } from './object-lookup.ts'
import { isOid, readOid, ZERO_OID, type Oid } from './oid.ts'
import { hasten } from './pack/crc32.ts'
import { applyDelta } from './pack/delta.ts'
import { readEntryHeader } from './pack/entry.ts'
import { indexLinks } from './pack/index-links.ts'
import { readLinks, unpackLinks, type Links } from './pack/links.ts'
import { objectNameBytes } from './pack/object-name.ts'
import type { PackIndex } from './pack/pack-index.ts'
import { PackWindows, type PackSpan } from './pack-windows.ts'
import type { PackInfo, Place, State } from './place.ts'
import type { QuickReader } from './quick/quick-reader.ts'
import type { Runtime } from './runtime.ts'

/** How much is kept in memory, and how much is asked for at once. */
export interface ObjectsOptions {
  /** Bytes of bodies and of windows of packs that are kept, together; 64 MB when left out. */
  readonly bytes?: number | undefined
  /** Bytes of a pack that are read at once; 256 kB when left out, better 2 to 8 MB where a request is slow. */
  readonly window?: number | undefined
  /** Whether indexes and the newest packs are asked for at once, and first reads are done by what is quick from the first: in pages. */
  readonly ahead?: boolean | undefined
  /** The largest body that is read, in bytes; 512 MB when left out. */
  readonly maxObject?: number | undefined
}

/** An object with its name. */
export interface NamedObject extends GitObject {
  readonly oid: Oid
}

/** Deltas on deltas that are followed before it is called a circle; Git writes at most 4,095. */
const MAX_CHAIN = 4096
/** Bytes of the deltas of a chain that are kept until they are applied; the others are inflated a second time. */
const MAX_HELD = 64_000_000
/** How often a state that keeps changing under a read is followed. */
const MAX_ATTEMPTS = 8

interface Kept {
  readonly oid: Oid
  readonly object: GitObject
  readonly isNamed: boolean
}

/** A delta on the way from a base to an object, and where it is. */
interface Step {
  readonly at: Located
  /** `undefined` where it is too much to be kept. */
  readonly delta: Uint8Array | undefined
}

/** The objects of one repository. */
export class Objects {
  readonly place: Place
  readonly runtime: Runtime
  readonly #maxObject: number
  /** By the beginning of the oid, as a number: of a chain of deltas each is asked for. */
  readonly #bodies: ByteCache<number, Kept>
  readonly #windows: PackWindows
  readonly #lookup: ObjectLookup
  /** Where one was asked for, as soon as it is loaded. */
  #quick: QuickReader | undefined
  #state: State

  private constructor(
    place: Place,
    runtime: Runtime,
    { state, options }: { state: State; options: ObjectsOptions },
  ) {
    const bytes = options.bytes ?? 64_000_000
    this.place = place
    this.runtime = runtime
    this.#maxObject = options.maxObject ?? 512_000_000
    this.#bodies = new ByteCache(bytes / 2)
    this.#windows = new PackWindows(place, { size: options.window ?? 256 * 1024, limit: bytes / 2 })
    this.#lookup = new ObjectLookup(place, state)
    this.#state = state
  }

  /** Reads the state of a place, and its objects from then on. */
  static async open(
    place: Place,
    runtime: Runtime,
    options: ObjectsOptions = {},
  ): Promise<Objects> {
    const state = await place.read()
    const objects = new Objects(place, runtime, { state, options })
    if (options.ahead) objects.#readAhead(state).catch(() => undefined)
    return objects
  }

  async #readAhead({ packs }: State): Promise<void> {
    // What fails is met again by who reads; without a quick reader it takes longer.
    this.#lookup.find(ZERO_OID).catch(() => undefined)
    const { openQuickReader } = await import('./quick/quick-reader.ts')
    this.#quick = await openQuickReader(this.#windows, packs, hasten)
  }

  /** The state that objects are looked for in: the one at the last {@link refresh}, or at a read that needed a newer. */
  get state(): State {
    return this.#state
  }

  /** Reads the state again, and gives it. */
  async refresh(options?: { readonly signal?: AbortSignal | undefined }): Promise<State> {
    return this.adopt(await this.place.read(options))
  }

  /** Goes over to a state that the caller has read. */
  adopt(state: State): State {
    if (state.version !== this.#state.version) this.#lookup.update(state)
    this.#state = state
    return state
  }

  /** Whether the object is in one of the packs of the state; it was not read. */
  async has(oid: Oid): Promise<boolean> {
    return (await this.locate(oid)).length > 0
  }

  /** Every known place of an object, the one to prefer first. Empty when there is none. */
  locate(oid: Oid): Promise<Located[]> {
    return this.#withPacks(oid, () => this.#lookup.find(oid))
  }

  /** The index of a live pack. */
  indexOf(pack: PackInfo): Promise<PackIndex> {
    return this.#lookup.indexOf(pack)
  }

  /** Bytes of a live pack, through the windows that are kept. @throws MissingError when it is gone */
  readSpan(span: PackSpan): Promise<Uint8Array> {
    return this.#windows.read(span)
  }

  /** Starts to fetch entries that are wanted soon, with few requests; best in the order in which they are stored. */
  prefetch(wanted: readonly Located[]): void {
    this.#windows.prefetch(wanted.map(spanOf))
  }

  /**
   * Type and size, as the index claims.
   *
   * @throws MissingError when there is no such object
   * @throws NotHereError when it was left with a remote
   */
  async stat(oid: Oid): Promise<{ readonly type: ObjectType; readonly size: number }> {
    const { index, ordinal } = await this.#first(oid)
    return { type: index.type(ordinal), size: index.size(ordinal) }
  }

  /**
   * The object; its body is shared with other callers and not to be changed.
   *
   * @throws MissingError when there is no such object, or a pack of the state is gone
   * @throws NotHereError when it was left with a remote
   * @throws DamagedError when no copy of it has its name
   */
  async read(oid: Oid): Promise<GitObject> {
    const kept = this.#named(oid)
    if (kept !== undefined) return kept
    return this.#withPacks(oid, async () => {
      const copies = await this.#lookup.find(oid)
      try {
        if (copies.length > 0) return await this.#readCopies(oid, copies)
        await this.#first(oid)
        return await this.#readCopies(oid, await this.#lookup.find(oid))
      } catch (error) {
        if (!(error instanceof MalformedError)) throw error
        return this.#readCopies(oid, await this.#lookup.findEvery(oid))
      }
    })
  }

  /**
   * The objects, each once, in the order in which they are stored, with few requests.
   *
   * @throws as {@link read}
   */
  async *readMany(oids: Iterable<Oid>): AsyncGenerator<NamedObject> {
    const wanted = await this.#inStoredOrder(new Set(oids))
    for (let i = 0; i < wanted.length; i++) {
      if (i % AHEAD === 0)
        this.prefetch(wanted.slice(i, i + 2 * AHEAD).flatMap(({ copy }) => copy ?? []))
      const next = wanted[i]
      if (next !== undefined) yield { oid: next.oid, ...(await this.#readFrom(next)) }
    }
  }

  /**
   * What the object names: out of the index where its pack is verified, else out of the object. `undefined` for blobs.
   * The tree that another is told by is always here.
   *
   * @throws as {@link read}
   */
  async links(oid: Oid): Promise<Links | undefined> {
    const located = await this.#first(oid)
    const known = located.pack.verified ? await this.#linksOf(located) : undefined
    if (known !== undefined) return known
    if (located.pack.verified && located.index.type(located.ordinal) === 'blob') return undefined
    const { type, body } = await this.read(oid)
    const links = readLinks(type, body)
    if (links !== undefined) return unpackLinks(links)
    if (type === 'blob') return undefined
    throw new MalformedError(`${type} ${oid}`, 'it does not name what it must')
  }

  async #linksOf({ index, ordinal }: Located): Promise<Links | undefined> {
    const type = index.type(ordinal)
    const packed = indexLinks(
      index,
      {
        commits: type === 'commit' ? await index.commits() : undefined,
        edges: type === 'tree' ? await index.edges() : undefined,
        tags: type === 'tag' ? await index.tags() : undefined,
      },
      ordinal,
    )
    const links = packed && unpackLinks(packed)
    // The tree that it is told by may have been collected since, which changes nothing about this one.
    const isTold = links?.kind !== 'tree' || !links.against || (await this.has(links.against))
    return isTold ? links : undefined
  }

  /** The copy to prefer; looks at the state again before it says that there is none. */
  async #first(oid: Oid): Promise<Located> {
    const [found] = await this.locate(oid)
    if (found !== undefined) return found
    await this.refresh()
    const [later] = await this.locate(oid)
    return later ?? this.#lacks('an object', oid)
  }

  /** @throws NotHereError when the object was left with a remote, MissingError otherwise */
  async #lacks(what: string, oid: Oid): Promise<never> {
    const remote = await this.#state.promised(oid)
    if (remote !== undefined) throw new NotHereError(oid, remote)
    throw new MissingError(what, oid)
  }

  /** Runs `attempt` again as long as packs vanish because the state has moved on. */
  async #withPacks<Result>(oid: Oid, attempt: () => Promise<Result>): Promise<Result> {
    for (let attempts = 1; ; attempts++) {
      const before = this.#state
      try {
        return await attempt()
      } catch (error) {
        // What is no object is a pack, of this state or of a newer one that another read brought meanwhile.
        if (!(error instanceof MissingError) || isOid(error.missing)) throw error
        if (this.#state.version === before.version) await this.refresh()
        if (this.#state.version !== before.version && attempts < MAX_ATTEMPTS) continue
        const what = `${oid}: the store is corrupt, a pack that its state lists is gone`
        throw new MissingError(what, error.missing, { cause: error })
      }
    }
  }

  /** Reads an object from where it was found before; looks for it again if that is no good any more. */
  async #readFrom({ oid, copy }: Wanted): Promise<GitObject> {
    try {
      if (copy !== undefined) return await this.#readCopy(oid, copy)
    } catch (error) {
      if (!(error instanceof GitError)) throw error
    }
    return this.read(oid)
  }

  /** Tries the copies, one after the other, until one has the right name. */
  async #readCopies(oid: Oid, copies: readonly Located[]): Promise<GitObject> {
    let failure: GitError | undefined
    for (const [i, copy] of copies.entries()) {
      try {
        return await this.#readCopy(oid, copy)
      } catch (error) {
        if (!(error instanceof GitError) || error instanceof NotHereError) throw error
        if (i === 0 || !(error instanceof MissingError)) failure = error
      }
    }
    if (failure instanceof MalformedError) throw new DamagedError(oid, failure)
    throw failure ?? new MissingError('an object', oid)
  }

  async #readCopy(oid: Oid, copy: Located): Promise<GitObject> {
    let object = await this.#quick?.read(copy)
    if (object === undefined) {
      object = await this.#resolve(copy)
      const found = readOid(await objectNameBytes(this.runtime, object))
      if (found !== oid) {
        // One of the bases that were kept on the way may be to blame.
        this.#bodies.clear()
        throw new MalformedError(`object ${oid}`, `what is stored there has the name ${found}`)
      }
    }
    this.#keep(oid, object, true)
    return object
  }

  /** The object, where it is kept and its name was checked. */
  #named(oid: Oid): GitObject | undefined {
    const kept = this.#bodies.get(prefixOf(oid))
    return kept?.isNamed && kept.oid === oid ? kept.object : undefined
  }

  #keep(oid: Oid, object: GitObject, isNamed: boolean): void {
    this.#bodies.set(prefixOf(oid), { oid, object, isNamed }, object.body.length + 200)
  }

  /** Follows deltas down to a whole object, and applies them on the way back. */
  async #resolve(copy: Located): Promise<GitObject> {
    const steps: Step[] = []
    let held = 0
    let at = copy
    for (;;) {
      const { index, ordinal } = at
      const kept = this.#bodies.get(index.prefix(ordinal))
      if (kept !== undefined && kept.oid === index.oid(ordinal))
        return this.#applySteps(kept.object, steps, true)
      const span = spanOf(at)
      const bytes = this.#windows.peek(span) ?? (await this.#windows.read(span))
      const { type, data } = this.#openEntry(span, bytes)
      if (type !== undefined) {
        const object = { type, body: data }
        if (steps.length > 1) this.#keep(index.oid(ordinal), object, false)
        return this.#applySteps(object, steps, false)
      }
      held += data.length
      steps.push({ at, delta: held > MAX_HELD ? undefined : data })
      if (steps.length > MAX_CHAIN)
        throw new MalformedError(`pack ${at.pack.id}`, 'its deltas go in a circle')
      at = this.#lookup.nearBase(at) ?? (await this.#farBase(at))
    }
  }

  async #farBase(at: Located): Promise<Located> {
    const oid = at.index.linkOid(at.index.base(at.ordinal))
    if (oid === undefined)
      throw new MalformedError(`pack ${at.pack.id}`, 'its index knows no base of a delta')
    const [base] = await this.#lookup.find(oid)
    return base ?? this.#lacks('the base of a delta', oid)
  }

  /**
   * What the deltas make of their base. What they make on the way is kept, where `isAgain` says that objects of the chain are read
   * for a second time; its name is checked when somebody asks for it.
   */
  async #applySteps(
    { type, body: base }: GitObject,
    steps: readonly Step[],
    isAgain: boolean,
  ): Promise<GitObject> {
    let body = base
    for (let i = steps.length - 1; ; i--) {
      const step = steps[i]
      if (step === undefined) return { type, body }
      const span = spanOf(step.at)
      const delta = step.delta ?? this.#openEntry(span, await this.#windows.read(span)).data
      body = applyDelta(body, delta, this.#maxObject)
      const { index, ordinal } = step.at
      if (isAgain && i > 0) this.#keep(index.oid(ordinal), { type, body }, false)
    }
  }

  #openEntry(
    { pack, start }: PackSpan,
    bytes: Uint8Array,
  ): { readonly type: ObjectType | undefined; readonly data: Uint8Array } {
    const header = readEntryHeader(bytes, 0)
    if (header === undefined)
      throw new MalformedError(`pack ${pack.id}`, `the entry at ${start} is cut short`)
    const { type, size, length } = header
    if (size > this.#maxObject)
      throw new MalformedError(`pack ${pack.id}`, `the entry at ${start} has ${size} bytes`)
    return { type, data: this.runtime.inflate(bytes, length, bytes.length, size) }
  }

  async #inStoredOrder(oids: ReadonlySet<Oid>): Promise<Wanted[]> {
    const wanted: (Wanted & { readonly rank: number; readonly start: number })[] = []
    const ranks = new Map(this.#state.packs.map(({ id }, rank) => [id, rank]))
    for (const oid of oids) {
      const [copy] = this.#named(oid) === undefined ? await this.locate(oid) : []
      const rank = copy === undefined ? -1 : (ranks.get(copy.pack.id) ?? 0)
      wanted.push({ oid, copy, rank, start: copy?.index.offset(copy.ordinal) ?? 0 })
    }
    return wanted.sort((a, b) => a.rank - b.rank || a.start - b.start)
  }
}

/** An object and where it is, as far as somebody looked. */
interface Wanted {
  readonly oid: Oid
  readonly copy: Located | undefined
}

/** Objects whose windows are fetched ahead of the one that is read. */
const AHEAD = 64

/** As {@link PackIndex.prefix}. */
function prefixOf(oid: Oid): number {
  // What is no oid at all is nowhere.
  return Number.parseInt(`${oid}`.slice(0, 7), 16)
}

function spanOf({ pack, index, ordinal }: Located): PackSpan {
  const start = index.offset(ordinal)
  return { pack, start, end: start + index.length(ordinal) }
}
