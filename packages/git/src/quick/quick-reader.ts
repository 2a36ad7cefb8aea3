/**
 * QuickReader: reads objects of packs by the kernel, in a page that was just opened and in which JavaScript is still slow.
 *
 * It keeps the index of a pack and windows of it in the kernel's memory, so that a chain of deltas is one call. Nothing rests on
 * it: what it does not read for whatever reason, and all that is damaged, is read by `Objects` itself, and so is everything after
 * some hundreds of reads: then JavaScript is as fast, and keeps what later reads have use for.
 *
 * No module is imported but the kernel: what a page's entry shares with one that is loaded later would be cut out of it.
 *
 * @module
 */
import type { GitObject } from '../object.ts'
import type { Located } from '../object-lookup.ts'
import type { hasten } from '../pack/crc32.ts'
import type { PackSpan, PackWindows } from '../pack-windows.ts'
import type { PackId, PackInfo } from '../place.ts'
import { openKernel, WINDOW, type Kernel, type KernelPack } from './kernel.ts'

/** Objects that are read here. */
const MAX_READS = 1000
/** Windows that are kept in the kernel's memory: 8 MB. */
const SLOTS = 32
/** Bytes of indexes that are kept there; a pack that would pass them is not for the kernel. */
const MAX_INDEXES = 16 * 1024 * 1024
/** Windows that are read ahead at once at most: 4 MB. */
const MAX_RUN = 16
/** Windows that are read ahead in all: of a pack that is much larger they would push each other out. */
const MAX_AHEAD = 64

/** A pack in the kernel's memory. */
interface KeptPack extends KernelPack {
  /** Windows that were brought. */
  brought: number
}

/**
 * A reader over the windows of a repository. Asks for the newest packs, up to 4 MB of them, before anybody reads, and has checksums
 * made by a kernel, by way of `hastens`. Rejects where there can be no kernel.
 */
export async function openQuickReader(
  windows: PackWindows,
  packs: readonly PackInfo[],
  hastens: typeof hasten,
): Promise<QuickReader> {
  const reader = new QuickReader(windows)
  let room = MAX_RUN * WINDOW
  for (const pack of packs.toReversed()) {
    const isAll = pack.size <= room
    // The newest commit is where the newest pack begins, mostly.
    if (isAll || pack === packs.at(-1))
      reader.readAhead(pack, { first: 0, count: isAll ? MAX_RUN : 1 })
    room = isAll ? room - pack.size : 0
  }
  const [own, common] = await Promise.all([openKernel(), openKernel()])
  hastens((bytes, previous = 0, start = 0, end = bytes.length) =>
    common.crc32(bytes, previous, start, end),
  )
  reader.kernel = own
  return reader
}

/** Reads objects by a kernel of its own. */
export class QuickReader {
  /** Gone after {@link MAX_READS}, with its memory. */
  kernel: Kernel | undefined
  readonly #windows: PackWindows
  readonly #packs = new Map<PackId, KeptPack>()
  /** Where each slot is, and where it is said that a window is in it. */
  readonly #slots: { readonly at: number; told: number }[] = []
  #nextSlot = 0
  #indexes = 0
  #reads = 0
  #ahead = 0

  constructor(windows: PackWindows) {
    this.#windows = windows
  }

  /** The object, which has its name; `undefined` where it is to be read in another way. */
  async read({ pack, index, ordinal }: Located): Promise<GitObject | undefined> {
    const { kernel } = this
    if (kernel === undefined) return undefined
    if (this.#reads++ === MAX_READS) this.kernel = undefined
    try {
      const kept = this.#packs.get(pack.id) ?? this.#keep(kernel, pack, index)
      // More windows than there are slots would push each other out for ever.
      for (let waits = 0; kept !== undefined && waits < SLOTS; waits++) {
        const found = kernel.read(kept, ordinal)
        if (found === undefined) return undefined
        if (typeof found !== 'number') {
          const { name, type, body } = found
          return isSame(name, index.oidBytes(ordinal)) ? { type, body } : undefined
        }
        await this.#bring(kernel, { pack, kept, window: found })
      }
    } catch {
      // Whoever reads it in another way meets it again, and says what it is.
    }
    return undefined
  }

  /** Asks for windows of a pack, as far as it has them. */
  readAhead(
    pack: PackInfo,
    { first, count }: { readonly first: number; readonly count: number },
  ): void {
    const last = Math.min(first + count, Math.ceil(pack.size / WINDOW))
    const spans = Array.from({ length: last - first }, (_, i) => spanOf(pack, first + i))
    this.#ahead += spans.length
    this.#windows.prefetch(spans)
  }

  #keep(
    kernel: Kernel,
    { id, size }: PackInfo,
    { look, count, packs }: Located['index'],
  ): KeptPack | undefined {
    const table = 4 * Math.ceil(size / WINDOW)
    const bytes = table + 16 * count
    // An index of several packs tells of no pack alone.
    if (packs.length > 0 || size >= 2 ** 31 || this.#indexes + bytes > MAX_INDEXES) return undefined
    this.#indexes += bytes
    const at = kernel.give(bytes)
    kernel.put(at + table, new Uint8Array(look.buffer, look.byteOffset, 16 * count))
    const kept = { look: at + table, count, windows: at, size, brought: 0 }
    this.#packs.set(id, kept)
    return kept
  }

  /** Brings a window into the kernel's memory. Whoever needs several of a pack will need more: four times as many each time. */
  async #bring(
    kernel: Kernel,
    { pack, kept, window }: { pack: PackInfo; kept: KeptPack; window: number },
  ): Promise<void> {
    const reading = this.#windows.read(spanOf(pack, window))
    const count = Math.min(4 ** kept.brought++, MAX_RUN)
    if (this.#ahead < MAX_AHEAD) this.readAhead(pack, { first: window - (window % count), count })
    const bytes = await reading
    const slot = (this.#slots[this.#nextSlot] ??= { at: kernel.give(WINDOW), told: 0 })
    this.#nextSlot = (this.#nextSlot + 1) % SLOTS
    if (slot.told > 0) kernel.putWord(slot.told, 0)
    slot.told = kept.windows + 4 * window
    kernel.put(slot.at, bytes)
    kernel.putWord(slot.told, slot.at)
  }
}

function spanOf(pack: PackInfo, window: number): PackSpan {
  return { pack, start: window * WINDOW, end: Math.min(pack.size, (window + 1) * WINDOW) }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, i) => byte === b[i])
}
