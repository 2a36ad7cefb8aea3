/**
 * CopyPlan: the order in which a selection is copied, and the windows in which it is read.
 *
 * The order is that of the packs, oldest first, and of the entries in them: total, so that copies of two objects which
 * are each a delta of the other never make a circle, and good for reading, since neighbours come in one request.
 *
 * @module
 */
import type { PackInfo } from '../place.ts'
import type { Node } from './graph.ts'
import type { Rebase } from './rebase.ts'
import type { Selection } from './select.ts'

/** Bytes of a pack that are read by one request. */
const WINDOW = 64 * 1024 * 1024
/** Bytes that are read and not needed rather than asked for in two requests. */
const GAP = 64 * 1024

/** An object, and where it is copied from. */
export interface PlannedEntry {
  readonly node: Node
  /** `undefined` where there is nothing that could be copied as it is: a pack that is gone, or that nobody verified. */
  readonly pack: PackInfo | undefined
  /** Where the entry begins in the pack. */
  readonly start: number
  readonly end: number
  /** What it is a delta to. */
  readonly base: Node | undefined
}

/** A selection as it is copied. */
export interface CopyPlan {
  /** The entries in the order of the packs; with them what is only read along. */
  readonly entries: readonly PlannedEntry[]
  /** Makes deltas rest on what is sent; `undefined` where all do. */
  readonly rebase: Rebase | undefined
}

/** Entries that are read together. */
export interface Window {
  readonly pack: PackInfo | undefined
  readonly start: number
  readonly end: number
  readonly entries: readonly PlannedEntry[]
}

/** Plans how a selection is copied, to a receiver that reads thin packs or does not. */
export async function planCopy(selection: Selection, thin: boolean): Promise<CopyPlan> {
  const { packs } = selection.graph.objects.state
  const ranks = new Map(packs.map(({ id }, rank) => [id, rank]))
  const entries: PlannedEntry[] = []
  await selection.locate()
  for (const node of selection.nodes) {
    const entry = entryOf(selection, node)
    const isOldest = entry.pack === undefined || entry.pack.id === packs[0]?.id
    entries.push(isOldest || entry.base !== undefined ? entry : await smallest(selection, entry))
  }
  const willHave = (node: Node): boolean =>
    selection.hasNode(node) || (thin && selection.isBase(node))
  const homeless = entries.filter(
    ({ base, pack }) => base !== undefined && pack !== undefined && !willHave(base),
  )
  const rebase = homeless.length === 0 ? undefined : await rebaseOf(selection)
  for (const entry of (await rebase?.plan(homeless, willHave)) ?? []) entries.push(entry)
  const rank = ({ pack }: PlannedEntry): number => ranks.get(pack?.id ?? '') ?? ranks.size
  entries.sort((a, b) => (a.pack === b.pack ? 0 : rank(a) - rank(b)) || a.start - b.start)
  return { entries, rebase }
}

/** Loaded when something is cut away under a delta: mostly a server's work. */
async function rebaseOf({ graph }: Selection): Promise<Rebase> {
  const { Rebase } = await import('./rebase.ts')
  return new Rebase(graph)
}

function entryOf({ graph }: Selection, node: Node): PlannedEntry {
  const { index, ordinal, pack } = graph.stored(node)
  const start = index.offset(ordinal)
  return {
    node,
    pack: pack?.verified === true ? pack : undefined,
    start,
    end: start + index.length(ordinal),
    base: graph.base(node),
  }
}

/** What a thin pack was completed with is whole in it, and mostly a delta in the pack that it came from. */
async function smallest(selection: Selection, entry: PlannedEntry): Promise<PlannedEntry> {
  const { graph } = selection
  const { node } = entry
  const { index, ordinal, pack } = graph.stored(node)
  const [oldest] = await graph.objects.locate(graph.oid(node))
  if (oldest === undefined || pack === undefined || oldest.pack.id === pack.id) return entry
  graph.move(node, oldest)
  const other = entryOf(selection, node)
  const canStay = other.base === undefined || selection.hasNode(other.base)
  if (other.pack !== undefined && canStay) return other
  graph.move(node, { index, ordinal, pack })
  return entry
}

/** The entries in windows of one pack each. */
export function* windowsOf(entries: readonly PlannedEntry[]): Generator<Window, void, undefined> {
  for (let from = 0; from < entries.length;) {
    const first = entries[from]
    if (first === undefined) return
    let { end } = first
    let to = from + 1
    for (let next = entries[to]; next !== undefined; next = entries[++to]) {
      if (next.pack !== first.pack || next.end - first.start > WINDOW || next.start - end > GAP)
        break
      end = next.end
    }
    yield { pack: first.pack, start: first.start, end, entries: entries.slice(from, to) }
    from = to
  }
}
