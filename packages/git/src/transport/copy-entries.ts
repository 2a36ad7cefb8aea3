/**
 * Copying a selection into a pack, window by window of the packs that hold it.
 *
 * What is stored is passed on: whole objects as they are, deltas when their base comes earlier in the new pack or the
 * receiver has it. A delta whose base has moved nearer or farther gets another header. Everything else is read and
 * compressed anew.
 *
 * @module
 */
import { MalformedError, MissingError } from '../error.ts'
import { crc32 } from '../pack/crc32.ts'
import {
  encodeEntryHeader,
  encodeOfsHeader,
  encodeRefHeader,
  OFS_DELTA,
  readEntryHeader,
} from '../pack/entry.ts'
import type { PackIndex } from '../pack/pack-index.ts'
import type { PackTable } from '../pack/pack-table.ts'
import { encodePackHeader } from '../pack/write-pack.ts'
import { PackCursor } from '../pack-pieces.ts'
import { planCopy, windowsOf, type PlannedEntry, type Window } from './copy-plan.ts'
import type { Node } from './graph.ts'
import { rowLinks } from './row-links.ts'
import type { Selection } from './select.ts'

/** What the receiver can read. */
export interface PackOptions {
  /** Whether deltas may have bases that only the receiver has. */
  readonly thin: boolean
  /** Whether a delta may name its base by distance; `true` when left out. */
  readonly usesDistance?: boolean | undefined
  /** Is given a row for every object, as the pack's index needs it. */
  readonly table?: PackTable | undefined
  readonly signal?: AbortSignal | undefined
}

/** Bytes that are gathered into a piece. */
const PIECE = 256 * 1024
/** A window up to this many bytes is fetched while the one before it is sent. */
const SMALL_WINDOW = 1024 * 1024

/**
 * The pack of a selection, in pieces that are valid until the next one is asked for. If it throws, what came before is no
 * pack.
 *
 * @throws MissingError, NotHereError, MalformedError as `Objects.read`
 */
export async function* copyEntries(
  selection: Selection,
  options: PackOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { objects } = selection.graph
  const entries = await planCopy(selection)
  const copy = new Copy(selection, options)
  if (options.table !== undefined) await copy.readChecksums(entries)
  const hasher = objects.runtime.hasher()
  for await (const piece of gathered(copiedParts(copy, selection, entries))) {
    options.signal?.throwIfAborted()
    hasher.update(piece)
    yield piece
  }
  yield hasher.digest()
}

async function* copiedParts(
  copy: Copy,
  selection: Selection,
  entries: readonly PlannedEntry[],
): AsyncGenerator<Uint8Array, void, undefined> {
  yield encodePackHeader(entries.length)
  for (const [window, source] of readWindows(selection, entries)) yield* copy.window(window, source)
}

/** Small parts as pieces that are worth passing on, in a buffer that is used again. */
async function* gathered(
  parts: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const buffer = new Uint8Array(PIECE)
  let filled = 0
  for await (const part of parts) {
    if (filled + part.length > PIECE) {
      yield buffer.subarray(0, filled)
      filled = 0
    }
    if (part.length > PIECE) yield part
    else {
      buffer.set(part, filled)
      filled += part.length
    }
  }
  if (filled > 0) yield buffer.subarray(0, filled)
}

/** Each window with its bytes, the next one fetched meanwhile if it is small; none where nothing can be copied from. */
function* readWindows(
  { graph: { objects } }: Selection,
  entries: readonly PlannedEntry[],
): Generator<[Window, PackCursor | undefined], void, undefined> {
  const open = ({ pack, start, end }: Window): PackCursor | undefined => {
    if (pack === undefined) return undefined
    const span = { pack, start, end }
    if (end - start > SMALL_WINDOW)
      return new PackCursor(objects.place.streamPack(pack.id, start, end), span)
    const bytes = objects.readSpan(span)
    // A failure is met by whoever takes from it; if nobody does, by nobody.
    bytes.catch(() => undefined)
    return new PackCursor(once(bytes), span)
  }
  let current: [Window, PackCursor | undefined] | undefined
  for (const window of windowsOf(entries)) {
    const next: [Window, PackCursor | undefined] = [window, open(window)]
    if (current !== undefined) yield current
    current = next
  }
  if (current !== undefined) yield current
}

async function* once(bytes: Promise<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  yield await bytes
}

/** An entry as it goes out. */
interface Outgoing {
  readonly parts: readonly Uint8Array[]
  readonly base: Node | undefined
  readonly crc: number | undefined
}

/** The bytes of an entry; `undefined` when the pack is gone: its objects are elsewhere by now, and looked for one by one. */
async function takeEntry(
  source: PackCursor | undefined,
  { start, end }: PlannedEntry,
): Promise<Uint8Array | undefined> {
  try {
    return await source?.take(start, end)
  } catch (error) {
    if (error instanceof MissingError) return undefined
    throw error
  }
}

class Copy {
  readonly #selection: Selection
  readonly #options: PackOptions
  /** Where each node begins in the new pack; 0 for those that were not sent. */
  #sent = new Float64Array(1024)
  #checksums = new Map<PackIndex, Uint32Array>()
  /** Bytes of the new pack so far. */
  #offset = 12

  constructor(selection: Selection, options: PackOptions) {
    this.#selection = selection
    this.#options = options
  }

  async readChecksums(entries: readonly PlannedEntry[]): Promise<void> {
    const indexes = new Set(entries.map(({ node }) => this.#selection.graph.stored(node).index))
    for (const index of indexes) this.#checksums.set(index, await index.crcs())
  }

  /** The entries of a window as they go out; each part is valid until the next one is asked for. */
  async *window(
    { entries }: Window,
    source: PackCursor | undefined,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      let isThere = source !== undefined
      for (const entry of entries) {
        const bytes = isThere ? await takeEntry(source, entry) : undefined
        isThere = bytes !== undefined
        if (bytes !== undefined && this.#staysAsItIs(entry, bytes[0] ?? 0)) {
          const kept = { parts: [], base: entry.base, crc: this.#checksum(entry) }
          await this.#enter(entry, kept, bytes.length)
          yield bytes
          continue
        }
        const changed = bytes === undefined ? undefined : this.#withOtherHeader(entry, bytes)
        const outgoing = changed ?? (await this.#whole(entry))
        const length = outgoing.parts.reduce((sum, part) => sum + part.length, 0)
        await this.#enter(entry, outgoing, length)
        yield* outgoing.parts
      }
    } finally {
      await source?.close()
    }
  }

  /**
   * Whether the receiver can read the entry as it is stored. `first` is its first byte, which tells its kind. A base in the
   * same pack is named by its distance where that is understood: go-git finds by its name none that is a delta itself.
   */
  #staysAsItIs({ start, base, pack }: PlannedEntry, first: number): boolean {
    if (base === undefined) return true
    const at = this.#sent[base] ?? 0
    const isNear = at > 0 && this.#options.usesDistance !== false
    if (((first >> 4) & 7) !== OFS_DELTA) return !isNear && this.#canBeBase(base)
    if (!isNear) return false
    const stored = this.#selection.graph.stored(base)
    return stored.pack === pack && this.#offset - at === start - stored.index.offset(stored.ordinal)
  }

  #canBeBase(base: Node): boolean {
    if ((this.#sent[base] ?? 0) > 0) return true
    return this.#options.thin && this.#selection.isBase(base)
  }

  /** A delta that names its base in another way; `undefined` when the receiver could not resolve it. */
  #withOtherHeader({ base, start }: PlannedEntry, entry: Uint8Array): Outgoing | undefined {
    if (base === undefined || !this.#canBeBase(base)) return undefined
    const header = readEntryHeader(entry, 0)
    if (header === undefined || header.type !== undefined) {
      throw new MalformedError(
        'a pack',
        `the entry at ${start} is not the delta that its index says`,
      )
    }
    const at = this.#sent[base] ?? 0
    const isNear = at > 0 && this.#options.usesDistance !== false
    const own = isNear
      ? encodeOfsHeader(header.size, this.#offset - at)
      : encodeRefHeader(header.size, this.#selection.graph.oid(base))
    return { parts: [own, entry.subarray(header.length)], base, crc: undefined }
  }

  async #whole({ node }: PlannedEntry): Promise<Outgoing> {
    const { objects } = this.#selection.graph
    const { type, body } = await objects.read(this.#selection.graph.oid(node))
    const parts = [encodeEntryHeader(type, body.length), await objects.runtime.deflate(body)]
    return { parts, base: undefined, crc: undefined }
  }

  #checksum({ node }: PlannedEntry): number | undefined {
    if (this.#options.table === undefined) return undefined
    const { index, ordinal } = this.#selection.graph.stored(node)
    return this.#checksums.get(index)?.[ordinal]
  }

  async #enter(
    { node }: PlannedEntry,
    { parts, base, crc }: Outgoing,
    length: number,
  ): Promise<void> {
    if (node >= this.#sent.length) this.#grow(node)
    this.#sent[node] = this.#offset
    const { table } = this.#options
    if (table !== undefined) {
      const { graph } = this.#selection
      const { index, ordinal } = graph.stored(node)
      const links = await rowLinks(this.#selection, node)
      table.addRaw({
        oid: graph.oidBytes(node),
        offset: this.#offset,
        length,
        crc: crc ?? parts.reduce((sum, part) => crc32(part, sum), 0),
        type: index.type(ordinal),
        size: index.size(ordinal),
        base: base === undefined ? undefined : graph.oidBytes(base),
        links,
      })
    }
    this.#offset += length
  }

  #grow(node: Node): void {
    const sent = new Float64Array(Math.max(node + 1, this.#sent.length * 2))
    sent.set(this.#sent)
    this.#sent = sent
  }
}
