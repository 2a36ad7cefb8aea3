/**
 * Peel: what an annotated tag leads to.
 *
 * @module
 */
import type { Objects } from '../objects.ts'
import type { Oid } from '../oid.ts'
import type { Children } from './children.ts'

/** Tags that point at tags: most of them that are followed. */
const MOST_TAGS = 100

/** What a tag leads to in the end; `undefined` for what is no tag. `tags` are looked at before the repository is. */
export async function peelTag(
  objects: Objects,
  oid: Oid | undefined,
  tags: Children['tags'],
): Promise<Oid | undefined> {
  let target: Oid | undefined
  for (let at = oid, depth = 0; at !== undefined && depth < MOST_TAGS; depth++) {
    const next: Oid | undefined = tags.get(at)?.target ?? (await targetOf(objects, at))
    if (next === undefined) return target
    target = next
    at = next
  }
  return target
}

async function targetOf(objects: Objects, oid: Oid): Promise<Oid | undefined> {
  if (!(await objects.has(oid))) return undefined
  const { type } = await objects.stat(oid)
  const links = type === 'tag' ? await objects.links(oid) : undefined
  return links?.kind === 'tag' ? links.target : undefined
}
