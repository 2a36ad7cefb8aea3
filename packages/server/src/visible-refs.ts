/**
 * Visible refs: what the answers of a sync tell of refs to a caller from whom some are hidden. Of those nothing is told, neither
 * where they are, nor what they are called, nor that they have moved.
 *
 * Spec: docs/sync-protocol.md, "Answer header"
 *
 * @module
 */
import { toHex, utf8 } from '@datakit/git/bytes'
import type { Objects } from '@datakit/git/objects'
import type { Head, Ref } from '@datakit/git/place'
import { ALL_REFS, type Readable } from '@datakit/git/transport/reach'

const HEADS = 'refs/heads/'

/** The refs that a caller may read. */
export async function visibleRefs({ state }: Objects, readable: Readable): Promise<Ref[]> {
  const refs: Ref[] = []
  for await (const ref of state.refs()) if (readable.includes(ref.name)) refs.push(ref)
  return refs
}

/** Names the refs that a client sees: other ones, when what is hidden or chosen changes while no ref does. */
export async function versionOf(
  objects: Objects,
  readable: Readable,
  chosen: string,
): Promise<string> {
  const { state, runtime } = objects
  const { key } = readable
  const hash = (facts: unknown): string => toHex(runtime.sha1(utf8(JSON.stringify(facts))))
  if (key !== ALL_REFS.key) {
    const refs = await visibleRefs(objects, readable)
    return hash([key, chosen, visibleHead(state.head, refs, readable), refs])
  }
  return chosen === '' ? state.version : `${state.version} ${hash(chosen)}`
}

/** Where HEAD points; where that may not be read, the first branch that may, and `main` where there is none. */
export function visibleHead(head: Head, visible: readonly Ref[], readable: Readable): Head {
  if ('oid' in head || readable.includes(head.ref)) return head
  return { ref: visible.find(({ name }) => name.startsWith(HEADS))?.name ?? `${HEADS}main` }
}
