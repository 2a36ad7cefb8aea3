/**
 * Links: what an object names, as the index of its pack tells it.
 *
 * @module
 */
import { concat } from '../bytes.ts'
import { NO_LINK } from './index-format.ts'
import type { CommitRows, EdgeRows, TagRows } from './index-rows.ts'
import { NO_DETAILS, type PackedLinks } from './links.ts'
import type { PackIndex } from './pack-index.ts'

/** Rows of an index; those of the object's own type are enough. */
export interface LinkRows {
  readonly commits?: CommitRows | undefined
  readonly edges?: EdgeRows | undefined
  readonly tags?: TagRows | undefined
}

/** The links of an object; `undefined` where the index has no row of it, or one that leads nowhere. */
export function indexLinks(
  index: PackIndex,
  { commits, edges, tags }: LinkRows,
  ordinal: number,
): PackedLinks | undefined {
  const kind = index.type(ordinal)
  if (kind === 'blob') return undefined
  const commit = kind === 'commit' ? commits?.of(ordinal) : undefined
  const edge = kind === 'tree' ? edges?.of(ordinal) : undefined
  const against = edge !== undefined && edge.against !== NO_LINK
  const links = commit
    ? [commit.tree, ...commit.parents]
    : edge
      ? [...(against ? [edge.against] : []), ...edge.removed, ...edge.added]
      : [(kind === 'tag' ? tags?.of(ordinal) : undefined) ?? NO_LINK]
  const oids = links.map((link) => index.linkBytes(link)).filter((oid) => oid !== undefined)
  if (oids.length < links.length) return undefined
  const { time, generation } = commit ?? NO_DETAILS
  return {
    kind,
    oids: concat(oids),
    time,
    generation,
    against,
    removed: edge?.removed.length ?? 0,
  }
}
