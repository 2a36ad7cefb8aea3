/**
 * Repairing a place: what a check found, mended through the seam, whatever keeps it. Each step is one update, so that a repair
 * that is cut off leaves a repository that is no worse, and the next one goes on.
 *
 * - objects that are lost are taken from a copy, if there is one that has them;
 * - a pack whose index is damaged is kept anew with an index that was made from its bytes;
 * - a pack that is damaged is written anew from its sound objects and from the other copies of those that are not, and only
 *   if that is all of them: otherwise it stays as it is, since more of it may be saved by other means.
 *
 * No ref is ever moved or dropped.
 *
 * @module
 */
import { GitError, MissingError } from '@datakit/git/error'
import { nameObject, type GitObject } from '@datakit/git/object'
import { Objects } from '@datakit/git/objects'
import type { Oid } from '@datakit/git/oid'
import { copyPack } from '@datakit/git/pack/copy-pack'
import { distinctRows } from '@datakit/git/pack/distinct-rows'
import { readLinks, unpackLinks } from '@datakit/git/pack/links'
import { PackTable } from '@datakit/git/pack/pack-table'
import { readPack } from '@datakit/git/pack/read-pack'
import { encodePack } from '@datakit/git/pack/write-pack'
import type { PackId, PackInfo, Place, StagedPack } from '@datakit/git/place'
import type { Runtime } from '@datakit/git/runtime'
import { KINDS } from '@datakit/git/transport/children'
import { settleUpdate } from '@datakit/git/transport/settle'
import { dependentsOf } from '../dependents.ts'
import { randomId } from '../update.ts'
import { checkNamed } from '../named.ts'
import { StoredPack } from '../stored-pack.ts'
import { checkLinks, type Root } from './check-links.ts'
import { withPacks, type PackHealth } from './check-pack.ts'
import type { Health } from './check-place.ts'
import { found, mended, type CheckEvent } from './finding.ts'

/** Gives objects of a copy of the repository; `undefined` for those that it lacks. */
export type CopySource = (oid: Oid) => Promise<GitObject | undefined>

/** How a repair goes. */
export interface RepairOptions {
  /** Where lost objects are taken from; from nowhere when left out. */
  readonly copy?: CopySource | undefined
  readonly signal?: AbortSignal | undefined
}

const CACHE = 16_000_000
/** Bytes of bodies of restored objects that become one pack. */
const RESTORED = 16_000_000

/** Mends what a check found. The caller checks again to see what is left. */
export async function* repairPlace(
  place: Place,
  runtime: Runtime,
  { health, options }: { readonly health: Health; readonly options: RepairOptions },
): AsyncGenerator<CheckEvent, void> {
  const repair = new Repair(place, runtime, { health, options })
  yield* repair.restore()
  for (const pack of packsToMend(health)) yield* repair.mend(pack)
}

/** The packs with which something is wrong, in the order in which they are mended. */
export function packsToMend({ packs }: Health): PackHealth[] {
  const wrong = packs.filter(({ bytes, index }) => bytes !== 'sound' || index === 'damaged')
  return [
    ...wrong.filter(({ bytes }) => bytes !== 'gone'),
    ...wrong.filter(({ bytes }) => bytes === 'gone'),
  ]
}

interface Publication {
  readonly add: readonly StagedPack[]
  readonly remove: readonly PackId[]
  readonly why: string
}

/** Mends one place after a check. */
export class Repair {
  readonly #place: Place
  readonly #runtime: Runtime
  readonly #health: Health
  readonly #options: RepairOptions
  /** Packs that cannot be looked into, and would be in everybody's way. */
  readonly #useless: ReadonlySet<PackId>

  constructor(
    place: Place,
    runtime: Runtime,
    { health, options }: { readonly health: Health; readonly options: RepairOptions },
  ) {
    this.#place = place
    this.#runtime = runtime
    this.#health = health
    this.#options = options
    const useless = health.packs.filter(
      ({ bytes, listed }) => bytes === 'gone' || listed === undefined,
    )
    this.#useless = new Set(useless.map(({ pack }) => pack.id))
  }

  /** Takes lost objects from a copy, until nothing is lost or the copy has no more of it. */
  async *restore(): AsyncGenerator<CheckEvent, void> {
    if (this.#options.copy === undefined) return
    let lost: readonly Oid[] = lostIn(this.#health)
    // What is lost may hide that more is, behind what is there.
    while (lost.length > 0 && (yield* this.#restoreAll([...lost]))) lost = await this.#stillLost()
  }

  /** Mends one pack, unless it is gone by now: it may have been written anew along with one that it needed. */
  async *mend(pack: PackHealth): AsyncGenerator<CheckEvent, void> {
    this.#options.signal?.throwIfAborted()
    if (!(await isLive(this.#place, pack.pack.id))) return
    if (pack.bytes === 'gone') yield* this.#forget(pack)
    else if (pack.bytes === 'damaged') yield* this.#writeAnew(pack)
    else yield* this.#indexAnew(pack)
  }

  /** Keeps those of some objects of which no copy can be read. */
  async *keepLost(copies: ReadonlyMap<Oid, GitObject>): AsyncGenerator<CheckEvent, void> {
    const objects = await this.#open()
    const lost: (GitObject & { readonly oid: Oid })[] = []
    for (const [oid, object] of copies)
      if (!(await isHere(objects, oid))) lost.push({ ...object, oid })
    if (lost.length > 0) yield* this.#keep(lost)
  }

  /** Takes lost objects, and what they name in turn, from a copy. Says whether there were any. */
  async *#restoreAll(open: Oid[]): AsyncGenerator<CheckEvent, boolean> {
    const { copy = async () => undefined, signal } = this.#options
    const objects = await this.#open()
    let hasAny = false
    const seen = new Set(open)
    let batch: (GitObject & { readonly oid: Oid })[] = []
    let bytes = 0
    for (let oid = open.pop(); oid !== undefined; oid = open.pop()) {
      signal?.throwIfAborted()
      if (await isHere(objects, oid)) continue
      const object = await copy(oid)
      if (object === undefined || nameObject(this.#runtime, object) !== oid) continue
      hasAny = true
      batch.push({ ...object, oid })
      bytes += object.body.length
      for (const child of childrenOf(object)) {
        if (!seen.has(child)) open.push(child)
        seen.add(child)
      }
      if (bytes < RESTORED) continue
      yield* this.#keep(batch)
      ;[batch, bytes] = [[], 0]
    }
    if (batch.length > 0) yield* this.#keep(batch)
    return hasAny
  }

  /** Keeps a sound pack once more, with an index that is made from its bytes. */
  async *#indexAnew({ pack }: PackHealth): AsyncGenerator<CheckEvent, void> {
    const objects = await this.#open(pack.id)
    const writer = await this.#place.writePack()
    try {
      const read = await readPack(new StoredPack(this.#place, pack).pieces(), {
        runtime: this.#runtime,
        writer,
        resolveBase: async (oid) => ((await objects.has(oid)) ? objects.read(oid) : undefined),
        allowsRepeats: true,
      })
      const table = distinctRows(read.table)
      const { needs } = pack
      // Its objects are what their names say; whether all is there that they name is another question.
      const verified = await isComplete(objects, table)
      const staged = await writer.finish({ table, needs, verified, replaces: [pack.id] })
      await this.#replace(pack.id, staged)
      const message = `pack ${pack.id} has an index again, made from its bytes`
      yield mended(pack.id, message)
    } catch (error) {
      await writer.abort()
      throw error
    }
  }

  /** Writes a damaged pack anew, if every object that it listed can still be had. */
  async *#writeAnew({ pack, listed, damaged }: PackHealth): AsyncGenerator<CheckEvent, void> {
    if (listed === undefined) {
      const message = `pack ${pack.id} and its index are both damaged, so nobody knows what it held. It stays as it is; make the repository anew from a complete clone, or bring it back from a backup`
      return yield found('pack-lost', pack.id, { message })
    }
    const objects = await this.#open()
    const lost: Oid[] = []
    for (const oid of damaged) if (!(await isHere(objects, oid))) lost.push(oid)
    if (lost.length > 0) {
      const message = `${lost.length} objects of pack ${pack.id} are damaged and nowhere else, ${lost[0]} among them. It stays as it is; "datakit repair --from COPY" takes them from a clone that has them`
      return yield found('pack-lost', pack.id, { message, remedy: 'copy' })
    }
    const oids = Array.from({ length: listed.count }, (_, ordinal) => listed.oid(ordinal))
    const replaced = [pack]
    const staged = await this.#copy(objects, oids, { rereads: damaged, replaced })
    await this.#replace(pack.id, staged)
    const message = `pack ${pack.id} was written anew, ${oids.length} objects`
    yield mended(pack.id, message)
  }

  /** Takes a pack off the list that is not there, if the refs do without it. */
  async *#forget({ pack }: PackHealth): AsyncGenerator<CheckEvent, void> {
    const lost = await this.#stillLost()
    if (lost.length > 0) {
      const message = `pack ${pack.id} is gone, and ${lost.length} objects with it that refs lead to, ${lost[0]} among them. It stays on the list; "datakit repair --from COPY" takes them from a clone that has them`
      return yield found('pack-lost', pack.id, { message, remedy: 'copy' })
    }
    await this.#replace(pack.id, undefined)
    const message = `pack ${pack.id} is gone and not listed any more: the refs need nothing of it`
    yield mended(pack.id, message)
  }

  /** The objects of the packs that can be looked into, but for one. */
  async #open(without?: PackId): Promise<Objects> {
    const isThere = (id: PackId) => !this.#useless.has(id) && id !== without
    return Objects.open(withPacks(this.#place, isThere), this.#runtime, { bytes: CACHE })
  }

  /** What refs lead to and is lost by now; what the check knew, unless something was restored since. */
  async #stillLost(): Promise<readonly Oid[]> {
    if (this.#options.copy === undefined) return this.#health.lost
    const objects = await this.#open()
    const roots: Root[] = []
    for await (const { name, oid } of objects.state.refs())
      roots.push({ name, oid, kind: KINDS.any })
    const suspects = new Set(this.#health.packs.flatMap(({ damaged }) => damaged))
    const links = checkLinks(objects, roots, { suspects, signal: this.#options.signal })
    for (;;) {
      const next = await links.next()
      if (next.done === true) return next.value.lost
    }
  }

  async *#keep(
    batch: readonly (GitObject & { readonly oid: Oid })[],
  ): AsyncGenerator<CheckEvent, void> {
    const { bytes, table } = await encodePack(this.#runtime, batch)
    const writer = await this.#place.writePack()
    await writer.write(bytes)
    const staged = await writer.finish({ table, needs: [], verified: true })
    await this.#publish({ add: [staged], remove: [], why: 'repair: restore objects' })
    const message = `${batch.length} objects were restored from the copy`
    yield mended(staged.id, message)
  }

  async #copy(
    objects: Objects,
    oids: readonly Oid[],
    how: { readonly rereads: readonly Oid[]; readonly replaced: readonly PackInfo[] },
  ): Promise<StagedPack> {
    const table = new PackTable()
    const writer = await this.#place.writePack()
    const { signal } = this.#options
    try {
      const rereads = new Set(how.rereads)
      for await (const piece of copyPack(objects, oids, { table, checks: true, rereads, signal }))
        await writer.write(piece)
      const replaces = how.replaced.map(({ id }) => id)
      // What nobody has proved is not proved by being written once more.
      const verified = how.replaced.every((pack) => pack.verified)
      return await writer.finish({ table, needs: [], verified, replaces })
    } catch (error) {
      await writer.abort()
      throw error
    }
  }

  /** Puts a pack, or nothing, in the place of another. Those that needed that one for their deltas are written anew. */
  async #replace(old: PackId, staged: StagedPack | undefined): Promise<void> {
    const why = `repair: replace pack ${old}`
    const { packs } = await this.#place.read()
    const dependents = dependentsOf(packs, old)
    const add = staged === undefined ? [] : [staged]
    if (dependents.length === 0) return this.#publish({ add, remove: [old], why })
    if (staged !== undefined) await this.#publish({ add, remove: [], why })
    const objects = await this.#open(old)
    const oids = new Set<Oid>()
    for (const pack of dependents) {
      const index = await objects.indexOf(pack)
      for (let ordinal = 0; ordinal < index.count; ordinal++) oids.add(index.oid(ordinal))
    }
    const replaced = packs.filter((pack) => pack.id === old || dependents.includes(pack))
    const rereads = this.#health.packs.flatMap(({ damaged }) => damaged)
    const whole = await this.#copy(objects, [...oids], { rereads, replaced })
    await this.#publish({ add: [whole], remove: replaced.map(({ id }) => id), why })
  }

  async #publish({ add, remove, why }: Publication): Promise<void> {
    const outcome = await settleUpdate(this.#place, {
      id: randomId(),
      refs: [],
      addPacks: add,
      removePacks: remove,
      log: { who: '', why },
    })
    if (outcome.state === 'lost')
      throw new MissingError('a pack that others changed meanwhile', outcome.packs[0] ?? '')
  }
}

/** Whether all is there that the objects of a pack name. Where not, the pack waits for its proof, which says what is missing. */
async function isComplete(objects: Objects, table: PackTable): Promise<boolean> {
  try {
    await checkNamed(objects, table)
    return true
  } catch (error) {
    if (error instanceof GitError && error.code !== 'unavailable') return false
    throw error
  }
}

async function isLive(place: Place, id: PackId): Promise<boolean> {
  return (await place.read()).packs.some((pack) => pack.id === id)
}

/** What the refs lead to and is lost, and what damaged packs hold, whose copy may be the only one. */
function lostIn({ lost, packs }: Health): Oid[] {
  return [...new Set([...lost, ...packs.flatMap(({ damaged }) => damaged)])]
}

function childrenOf({ type, body }: GitObject): Oid[] {
  const links = readLinks(type, body)
  const named = links && unpackLinks(links)
  if (named === undefined) return []
  if (named.kind === 'commit') return [named.tree, ...named.parents]
  return named.kind === 'tag' ? [named.target] : [...named.added]
}

/** Whether a sound copy of the object can be read. */
export async function isHere(objects: Objects, oid: Oid): Promise<boolean> {
  try {
    await objects.read(oid)
    return true
  } catch (error) {
    if (error instanceof GitError && error.code !== 'unavailable') return false
    throw error
  }
}
