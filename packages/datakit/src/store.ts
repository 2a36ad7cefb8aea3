/**
 * Store: a place, its objects and a clock, as the parts of the model share them.
 *
 * @module
 */
import { ByteCache } from '@datakit/git/byte-cache'
import type { Identity } from '@datakit/git/identity'
import type { GitObject, ObjectType } from '@datakit/git/object'
import { Objects } from '@datakit/git/objects'
import type { Oid } from '@datakit/git/oid'
import type { Place, State } from '@datakit/git/place'
import type { Runtime } from '@datakit/git/runtime'
import type { Links } from '@datakit/git/pack/links'
import type { PackObject } from '@datakit/git/pack/write-pack'
import type { LinkSource } from './history/history.ts'
import { later } from './loading.ts'
import type { Drivers } from './merge/merge-content.ts'
import type { MergeContent } from './merge/merge.ts'
import type { StatSource } from './files/object-source.ts'
import type { OnDemand } from './files/demand.ts'

/** Who makes commits: with a moment of one's own choice, or at the time of the clock. */
export type Person = Identity | { readonly name: string; readonly address: string }

/** What a repository is opened with. */
export interface StoreOptions {
  readonly runtime: Runtime
  /** Author and committer of what does not name its own. */
  readonly identity?: (() => Person) | undefined
  /** Milliseconds since 1970; the clock of the machine when left out. */
  readonly clock?: (() => number) | undefined
  /** Drivers by the names that attributes give them (`merge=NAME`); they go before DataKit's own of the same name. */
  readonly drivers?: Drivers | undefined
  /**
   * Merges files that both sides changed. When left out, drivers that `.gitattributes` and the names of files choose do; when
   * `false`, every such file is a conflict.
   */
  readonly mergeContent?: MergeContent | false | undefined
}

/** Bytes of own objects that are kept at hand. */
const RECENT = 8_000_000

const NOBODY: Person = { name: 'DataKit', address: 'datakit@localhost' }

/** What branches, snapshots and transactions of one repository have in common. */
export class Store implements StatSource, LinkSource {
  readonly place: Place
  readonly objects: Objects
  readonly runtime: Runtime
  /** `undefined` where no file is merged by its content. */
  readonly mergeContent: MergeContent | undefined
  /** Fetches what was left with a remote when it is read; see `files/on-demand.ts`. */
  onDemand: OnDemand | undefined
  /** Whether an object is not here since it was left with the server of syncs; set where there are such, see `sync/part.ts`. */
  isLeft: ((oid: Oid) => Promise<boolean>) | undefined
  readonly #recent = new ByteCache<Oid, Pick<PackObject, 'type' | 'body' | 'links'>>(RECENT)
  readonly #identity: () => Person
  readonly #clock: () => number

  private constructor(place: Place, objects: Objects, options: StoreOptions) {
    this.place = place
    this.objects = objects
    this.runtime = options.runtime
    this.#identity = options.identity ?? (() => NOBODY)
    this.#clock = options.clock ?? Date.now
    const { drivers, mergeContent } = options
    this.mergeContent =
      (mergeContent ?? (async (merge) => (await later()).mergeContent(merge, drivers))) || undefined
  }

  static async open(place: Place, options: StoreOptions): Promise<Store> {
    if (!place?.read || !options?.runtime) (await later()).refuseOpening(place, options)
    const ahead = place.traits.kind === 'indexeddb'
    return new Store(place, await Objects.open(place, options.runtime, { ahead }), options)
  }

  get #source(): OnDemand | Objects {
    return this.onDemand ?? this.objects
  }

  async read(oid: Oid): Promise<GitObject> {
    return this.#recent.get(oid) ?? this.#source.read(oid)
  }

  stat(oid: Oid): Promise<{ readonly type: ObjectType; readonly size: number }> {
    return this.#source.stat(oid)
  }

  /** Keeps objects that were made here and are stored: what is changed next is what was changed last. */
  remember(objects: Iterable<PackObject>): void {
    for (const { oid, type, body, links } of objects)
      this.#recent.set(oid, { type, body, links }, body.length + 200)
  }

  async links(oid: Oid): Promise<Links | undefined> {
    const links = this.#recent.get(oid)?.links
    // What a tree is told by may be gone by now; only the index can tell.
    return links?.kind === 'commit' ? links : this.#source.links(oid)
  }

  get shallow(): ReadonlySet<Oid> {
    return this.objects.state.shallow
  }

  /** The state of this moment. */
  state(): Promise<State> {
    return this.objects.refresh()
  }

  /**
   * `person`, or the identity of the repository, with a moment that is not before `notBefore` (seconds since 1970): a
   * commit is never older than its parents, whatever the clock says.
   */
  stamp(person: Person | undefined, notBefore: number): Identity {
    const who = person ?? this.#identity()
    const now = this.#clock()
    const moment = { seconds: Math.floor(now / 1000), offset: -new Date(now).getTimezoneOffset() }
    const { seconds, offset } = { ...moment, ...who }
    return { ...this.person(who), seconds: Math.max(seconds, notBefore), offset }
  }

  /** Name and address of `person`, or of the repository's identity. */
  person(person: Person | undefined): { readonly name: string; readonly address: string } {
    const { name, address } = person ?? this.#identity()
    return { name, address }
  }

  /** `Name <address>`, for the log of refs. */
  who(): string {
    const { name, address } = this.#identity()
    return `${name} <${address}>`
  }
}
