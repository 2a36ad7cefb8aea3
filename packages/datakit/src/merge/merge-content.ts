/**
 * Merging files that both sides changed, by the driver that Git's users expect: the one that the attribute `merge` names, else
 * the default for the name of the file. Loaded when two sides first change the same file.
 *
 * Spec: https://git-scm.com/docs/gitattributes#_performing_a_three_way_merge
 *
 * @module
 */
import type { AttributeValue } from '@datakit/git/attributes'
import type { MarkerOptions, MergeDriver, MergeOutcome } from '@datakit/merge/driver'
import { MARKER_SIZE } from '@datakit/merge/driver'
import { defaultDriver, loadDriver } from '@datakit/merge/drivers'
import { text } from '@datakit/merge/text'
import type { Side } from './conflict.ts'
import { MergeAttributes } from './merge-attributes.ts'
import type { ContentMerge, TreesMerge } from './merge.ts'
import { isRegular } from './mode.ts'
import { readSide } from '../files/tree-reader.ts'

/** Drivers of a program, by the names that attributes give them. */
export type Drivers = ReadonlyMap<string, MergeDriver>

const attributes = new WeakMap<TreesMerge, MergeAttributes>()

/** The labels that Git gives the sides of a merge that only makes a base. */
const VIRTUAL = { ours: 'Temporary merge branch 1', theirs: 'Temporary merge branch 2' }

/** Merges a file. */
export async function mergeContent(
  merge: ContentMerge,
  drivers: Drivers | undefined,
): Promise<MergeOutcome> {
  const { path, within } = merge
  const values = await attributesFor(within).of(path)
  const driver = await findDriver(driverName(values.get('merge'), path), drivers)
  const read = (side: Side): Promise<Uint8Array> => readSide(within.draft, side, path)
  const [base, ours, theirs] = await Promise.all([
    merge.base && isRegular(merge.base) ? read(merge.base) : undefined,
    read(merge.ours),
    read(merge.theirs),
  ])
  const depth = within.virtual?.depth ?? 0
  const markers: MarkerOptions | undefined = depth > 0 ? { labels: VIRTUAL } : merge.markers
  // Markers in a base must be told from those around it.
  const size = (markers?.size ?? markerSize(values) ?? MARKER_SIZE) + 2 * depth
  return driver({ path, base, ours, theirs, markers: { ...markers, size }, decide: merge.decide })
}

/** What the attribute `merge` says of a path in a merge; `undefined` where none does. */
export async function mergeAttribute(
  within: TreesMerge,
  path: string,
): Promise<AttributeValue | undefined> {
  return (await attributesFor(within).of(path)).get('merge')
}

function attributesFor(within: TreesMerge): MergeAttributes {
  const known = attributes.get(within) ?? new MergeAttributes(within)
  attributes.set(within, known)
  return known
}

function driverName(value: AttributeValue | undefined, path: string): string {
  if (value === undefined) return defaultDriver(path)
  if (typeof value === 'string') return value
  return value ? 'text' : 'binary'
}

/** The driver of that name: the program's, else ours; where there is none, Git merges by line. */
async function findDriver(name: string, drivers: Drivers | undefined): Promise<MergeDriver> {
  return drivers?.get(name) ?? (await loadDriver(name)) ?? text
}

function markerSize(values: ReadonlyMap<string, AttributeValue>): number | undefined {
  const size = Number.parseInt(String(values.get('conflict-marker-size')), 10)
  return size > 0 ? size : undefined
}
