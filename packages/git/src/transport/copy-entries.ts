/**
 * Copying a selection into a pack, window by window.
 *
 * What is stored is passed on: whole objects as they are, deltas when their base comes earlier in the new pack or the
 * receiver has it. A delta whose base has moved nearer or farther gets another header. Everything else is read and
 * compressed anew. Neighbours that need no change are one copy.
 *
 * @module
 */
import { concat } from '../bytes.ts'
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

/**
 * The pack of a selection, a piece for each window. If it throws, what came before is no pack.
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
  const header = encodePackHeader(entries.length)
  hasher.update(header)
  yield header
  for await (const [window, bytes] of readWindows(selection, entries)) {
    options.signal?.throwIfAborted()
    const piece = concat(await copy.window(window, bytes))
    hasher.update(piece)
    yield piece
  }
  yield hasher.digest()
}

/** The bytes of each window, the next one fetched meanwhile; none where nothing can be copied from. */
async function* readWindows(
  { graph: { objects } }: Selection,
  entries: readonly PlannedEntry[],
): AsyncGenerator<[Window, Uint8Array | undefined], void, undefined> {
  const fetch = (window: Window | undefined): Promise<Uint8Array | undefined> => {
    if (window?.pack === undefined) return Promise.resolve(undefined)
    const { pack, start, end } = window
    const bytes = objects.readSpan({ pack, start, end })
    // A pack that is gone: its objects are elsewhere by now, and looked for one by one.
    const orNothing = bytes.catch((error: unknown) => {
      if (error instanceof MissingError) return undefined
      throw error
    })
    // A failure is met by the `await` below; if nobody reads on, by nobody.
    orNothing.catch(() => undefined)
    return orNothing
  }
  const windows = windowsOf(entries)
  let window = windows.next().value
  let reading = fetch(window ?? undefined)
  while (window !== undefined) {
    const bytes = await reading
    const following = windows.next().value
    reading = fetch(following ?? undefined)
    yield [window, bytes]
    window = following
  }
}

/** An entry as it goes out. */
interface Outgoing {
  readonly parts: readonly Uint8Array[]
  readonly base: Node | undefined
  readonly crc: number | undefined
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

  /** The entries of a window as they go out. */
  async window({ start, entries }: Window, bytes: Uint8Array | undefined): Promise<Uint8Array[]> {
    const parts: Uint8Array[] = []
    // Neighbours that stay as they are, from where up to where in `bytes`.
    let [from, to] = [0, 0]
    const flush = (): void => {
      if (bytes !== undefined && to > from) parts.push(bytes.subarray(from, to))
    }
    for (const entry of entries) {
      const [first, end] = [entry.start - start, entry.end - start]
      if (bytes !== undefined && this.#staysAsItIs(entry, bytes[first] ?? 0)) {
        if (first !== to) {
          flush()
          from = first
        }
        to = end
        await this.#enter(
          entry,
          { parts: [], base: entry.base, crc: this.#checksum(entry) },
          end - first,
        )
        continue
      }
      flush()
      from = to = 0
      const changed =
        bytes === undefined ? undefined : this.#withOtherHeader(entry, bytes.subarray(first, end))
      const outgoing = changed ?? (await this.#whole(entry))
      const length = outgoing.parts.reduce((sum, part) => sum + part.length, 0)
      await this.#enter(entry, outgoing, length)
      parts.push(...outgoing.parts)
    }
    flush()
    return parts
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
