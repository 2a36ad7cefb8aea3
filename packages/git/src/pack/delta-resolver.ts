/**
 * DeltaResolver: makes objects of the deltas of a pack that is read.
 *
 * Most at once, in the first pass: writers of packs put a delta soon after its base, whose body is still here then. What is
 * left is made in a second pass, depth first from each object that is known, so that a base is there while all that is made
 * of it directly is made. A body that was let go of is made again from what the writer holds.
 *
 * @module
 */
import type { ByteCache } from '../byte-cache.ts'
import { MalformedError, MissingError, RefusedError } from '../error.ts'
import type { GitObject, ObjectType } from '../object.ts'
import { encodeOid, readOid, type Oid } from '../oid.ts'
import type { PackWriter } from '../place.ts'
import type { Runtime } from '../runtime.ts'
import type { BodyCache } from './body-cache.ts'
import { applyDelta, readDeltaSizes, readSharedEnds, SHORTEST_DELTA } from './delta.ts'
import { errorOfEntry } from './entry-error.ts'
import { NONE, type EntryTable } from './entry-table.ts'
import { readTreeDifference } from './links-difference.ts'
import { readLinks } from './links.ts'
import { objectNameBytes } from './object-name.ts'
import { checkSize, spend, type PackBudget } from './pack-limits.ts'
import { findRow, type PackTable } from './pack-table.ts'
import { reusedRoom, type MakeRoom } from './room.ts'

interface Application {
  readonly base: Uint8Array
  readonly delta: Uint8Array
  readonly makeRoom?: MakeRoom | undefined
}

/** What both passes share. */
export interface ResolverParts {
  readonly runtime: Runtime
  readonly writer: Pick<PackWriter, 'read'>
  readonly resolveBase?: ((oid: Oid) => Promise<GitObject | undefined>) | undefined
  readonly onObject?:
    | ((object: GitObject & { readonly oid: Oid }) => void | Promise<void>)
    | undefined
  readonly allowsRepeats?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  readonly table: PackTable
  readonly entries: EntryTable
  readonly bodies: BodyCache
  readonly deltas: ByteCache<number, Uint8Array>
  readonly limits: PackBudget
}

/** A base, and the next delta that is made of it. */
interface Frame {
  /** `NONE` when the base is outside of the pack. */
  readonly entry: number
  readonly oid: Uint8Array
  child: number
  /** The body; `undefined` while it is in the cache, or must be made again. */
  body: Uint8Array | undefined
}

/** Makes the objects of a pack that are deltas. */
export class DeltaResolver {
  readonly #parts: ResolverParts
  readonly #outside = new Set<Oid>()
  /** Where the objects of the first pass are made, one after the other. */
  readonly #makeRoom = reusedRoom()

  constructor(parts: ResolverParts) {
    this.#parts = parts
  }

  /** Makes the object of a delta whose base is known and still here; `undefined` when it has to wait for the second pass. */
  makeNow(entry: number, delta: Uint8Array): Promise<void> | undefined {
    const { entries, bodies, table } = this.#parts
    const base = entries.base(entry)
    const row = base === NONE ? NONE : entries.row(base)
    const body = row === NONE ? undefined : bodies.get(base)
    if (body === undefined) return undefined
    return this.#makeAtOnce(
      entry,
      { type: table.type(row), body, oid: table.oidBytes(row).slice() },
      delta,
    )
  }

  /**
   * Resolves what is left; gives the bases that are not in the pack.
   *
   * @throws MissingError when a base is nowhere
   * @throws MalformedError when a delta is corrupt, an object twice in the pack, or deltas go in a circle
   */
  async run(): Promise<Oid[]> {
    const { entries, table } = this.#parts
    entries.linkChildren()
    for (let entry = 0; entry < entries.count; entry++) {
      const row = entries.row(entry)
      if (row === NONE) continue
      if (entries.hasWaiting) entries.adopt(entry, table.oid(row))
      if (entries.firstChild(entry) !== NONE)
        await this.#descend(this.#frameOf(entry), this.#typeOf(entry))
    }
    if (entries.hasWaiting) await this.#resolveOutside()
    return this.#check()
  }

  async #resolveOutside(): Promise<void> {
    const { entries, resolveBase } = this.#parts
    for (const oid of entries.waiting) {
      const base = await resolveBase?.(oid)
      const child = base === undefined ? NONE : entries.takeWaiting(oid)
      // Another one that waited may have turned out to be it meanwhile.
      if (base === undefined || child === NONE) continue
      this.#outside.add(oid)
      await this.#descend({ entry: NONE, oid: encodeOid(oid), child, body: base.body }, base.type)
    }
  }

  /** Checks that nothing is left over, and tells which outside bases are really outside. */
  #check(): Oid[] {
    const { entries, table } = this.#parts
    const [missing] = entries.waiting
    if (missing !== undefined) throw new MissingError('the base of a delta', missing)
    if (table.count !== entries.count)
      throw new MalformedError('a pack', 'its deltas go in a circle')
    if (this.#parts.allowsRepeats !== true) table.order()
    const outside = [...this.#outside].filter((oid) => findRow(table, oid) < 0)
    // Resolved by a copy outside, though the pack holds it too: then one may be made of the other.
    if (outside.length < this.#outside.size) this.#checkCircles()
    return outside
  }

  #checkCircles(): void {
    const { table } = this.#parts
    const done = new Set<number>()
    for (let row = 0; row < table.count; row++) {
      const way = new Set<number>()
      for (let at = row; at >= 0 && !done.has(at);) {
        if (way.has(at)) throw new MalformedError('a pack', 'its deltas go in a circle')
        way.add(at)
        const base = table.base(at)
        at = base === undefined ? -1 : findRow(table, base)
      }
      for (const at of way) done.add(at)
    }
  }

  #frameOf(entry: number, body?: Uint8Array): Frame {
    const { entries, table } = this.#parts
    return {
      entry,
      oid: table.oidBytes(entries.row(entry)).slice(),
      child: entries.takeChildren(entry),
      body,
    }
  }

  #typeOf(entry: number): ObjectType {
    return this.#parts.table.type(this.#parts.entries.row(entry))
  }

  /** Makes everything that is made of the base in `root`, directly or not. */
  async #descend(root: Frame, type: ObjectType): Promise<void> {
    const { entries, bodies, table } = this.#parts
    const stack = [root]
    for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
      const child = frame.child
      frame.child = child === NONE ? NONE : entries.nextChild(child)
      if (child === NONE) {
        stack.pop()
        continue
      }
      const base = frame.body ?? bodies.get(frame.entry) ?? (await this.#remake(frame.entry))
      frame.body = base
      const made = this.#make(child, { type, body: base, oid: frame.oid })
      const body = made instanceof Uint8Array ? made : await made
      if (entries.hasWaiting) entries.adopt(child, table.oid(entries.row(child)))
      if (entries.firstChild(child) === NONE) continue
      if (frame.child === NONE) stack.pop()
      else this.#setAside(frame)
      stack.push(this.#frameOf(child, body))
    }
  }

  /** Leaves a body to the cache while others are made; outside ones are kept. */
  #setAside(frame: Frame): void {
    if (frame.entry === NONE || frame.body === undefined) return
    this.#parts.bodies.set(frame.entry, frame.body)
    frame.body = undefined
  }

  async #makeAtOnce(
    entry: number,
    base: GitObject & { oid: Uint8Array },
    delta: Uint8Array,
  ): Promise<void> {
    const body = this.#apply(entry, { base: base.body, delta, makeRoom: this.#makeRoom })
    const oid = await objectNameBytes(this.#parts.runtime, { type: base.type, body })
    await this.#add(entry, base, { oid, body, delta })
    this.#parts.bodies.set(entry, body)
  }

  /** Makes one object, and a row of it; gives its body. A promise only where something has to be waited for. */
  #make(entry: number, base: GitObject & { oid: Uint8Array }): Uint8Array | Promise<Uint8Array> {
    const { deltas, runtime } = this.#parts
    const delta = deltas.get(entry)
    if (delta === undefined) return this.#makeLater(entry, base)
    deltas.delete(entry)
    const body = this.#apply(entry, { base: base.body, delta })
    const name = objectNameBytes(runtime, { type: base.type, body })
    if (!(name instanceof Uint8Array))
      return name.then((oid) => this.#add(entry, base, { oid, body, delta }))
    return this.#add(entry, base, { oid: name, body, delta })
  }

  async #makeLater(entry: number, base: GitObject & { oid: Uint8Array }): Promise<Uint8Array> {
    this.#parts.signal?.throwIfAborted()
    const delta = await this.#readData(entry)
    const body = this.#apply(entry, { base: base.body, delta })
    const oid = await objectNameBytes(this.#parts.runtime, { type: base.type, body })
    return this.#add(entry, base, { oid, body, delta })
  }

  #apply(entry: number, { base, delta, makeRoom }: Application): Uint8Array {
    const { entries, limits } = this.#parts
    try {
      if (delta.length < SHORTEST_DELTA) throw malformed(delta.length)
      const { target } = readDeltaSizes(delta)
      checkSize(target, limits)
      spend(target, limits)
      return applyDelta(base, delta, Infinity, makeRoom)
    } catch (error) {
      throw errorOfEntry(error, entry, entries.offset(entry))
    }
  }

  #add(
    entry: number,
    base: GitObject & { oid: Uint8Array },
    { oid, body, delta }: { oid: Uint8Array; body: Uint8Array; delta: Uint8Array },
  ): Uint8Array | Promise<Uint8Array> {
    const { entries, table, limits, onObject } = this.#parts
    const { type } = base
    const links =
      type === 'tree'
        ? readTreeDifference(body, { ...base, shared: readSharedEnds(delta) })
        : readLinks(type, body)
    const row = { oid, type, size: body.length, base: base.oid, links }
    const place = {
      offset: entries.offset(entry),
      length: entries.length(entry),
      crc: entries.crc(entry),
    }
    entries.setRow(entry, table.addRaw({ ...row, ...place }))
    if (entries.depth(entry) > limits.depth) {
      throw new RefusedError(
        'too-deep',
        `The pack has more than ${limits.depth} deltas one on the other`,
      )
    }
    const called = onObject === undefined ? undefined : onObject({ type, body, oid: readOid(oid) })
    return called === undefined ? body : called.then(() => body)
  }

  /** The body of a resolved entry that nobody kept. */
  async #remake(entry: number): Promise<Uint8Array> {
    const { entries, bodies, resolveBase, limits } = this.#parts
    const way: number[] = []
    let body: Uint8Array | undefined
    for (let at = entry; body === undefined; at = entries.base(at)) {
      way.push(at)
      body = bodies.get(at)
      if (body !== undefined || !entries.isDelta(at)) break
      const outside = entries.outsideBase(at)
      if (outside === undefined) continue
      const base = await resolveBase?.(outside)
      if (base === undefined) throw new MissingError('the base of a delta', outside)
      body = base.body
      way.push(NONE)
    }
    const first = way.pop() ?? NONE
    let made = body ?? (await this.#readData(first))
    // Whoever sends a pack could have a long chain made again for each of its links.
    spend(made.length, limits)
    for (const step of way.toReversed()) {
      made = applyDelta(made, await this.#readData(step))
      spend(made.length, limits)
    }
    return made
  }

  /** What is compressed in an entry: the body of a whole object, or a delta. */
  async #readData(entry: number): Promise<Uint8Array> {
    const { entries, writer, runtime } = this.#parts
    const offset = entries.offset(entry)
    const length = entries.length(entry)
    const bytes = await writer.read(offset, offset + length)
    return runtime.inflate(bytes, entries.head(entry), length, entries.size(entry))
  }
}

function malformed(length: number): MalformedError {
  return new MalformedError(
    'a delta',
    `it has ${length} bytes, Git reads no fewer than ${SHORTEST_DELTA}`,
  )
}
