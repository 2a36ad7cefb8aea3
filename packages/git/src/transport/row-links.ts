/**
 * The links that go into the index of a pack that is sent.
 *
 * @module
 */
import { concat } from '../bytes.ts'
import type { PackedLinks } from '../pack/links.ts'
import type { Node } from './graph.ts'
import { HAD, HELD } from './marks.ts'
import type { Selection } from './select.ts'

const none = { time: 0, generation: 0, against: false, removed: 0 }

/**
 * What an object of a selection names, as the pack's table takes it. `undefined` for blobs, and for a tree that is told
 * as a difference to one that the receiver may lack: it reads the tree.
 */
export async function rowLinks(selection: Selection, node: Node): Promise<PackedLinks | undefined> {
  const { graph } = selection
  const links = graph.links(node) ?? (await graph.readLinks(node))
  const oids = (nodes: readonly Node[]): Uint8Array =>
    concat(nodes.map((each) => graph.oidBytes(each)))
  if (links.kind === 'blob') return undefined
  if (links.kind === 'tag') return { ...none, kind: 'tag', oids: oids([links.target]) }
  if (links.kind === 'commit') {
    const { tree, parents, time, generation } = links
    return { ...none, kind: 'commit', oids: oids([tree, ...parents]), time, generation }
  }
  const { against, removed, added } = links
  if (against === undefined) return { ...none, kind: 'tree', oids: oids(added) }
  if (!selection.hasNode(against) && !graph.isMarked(against, HAD | HELD)) return undefined
  return {
    ...none,
    kind: 'tree',
    oids: oids([against, ...removed, ...added]),
    against: true,
    removed: removed.length,
  }
}
