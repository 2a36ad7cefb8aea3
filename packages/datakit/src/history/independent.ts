/**
 * Which of several commits none of the others reaches, where generations do not tell.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import { OURS, type CommitNode, type History } from './history.ts'

/** Drops those that others reach. */
export async function withoutAncestors(
  history: History,
  nodes: readonly CommitNode[],
): Promise<CommitNode[]> {
  const dropped = new Set<Oid>()
  for (const node of nodes) {
    const others = nodes
      .filter(({ oid }) => oid !== node.oid && !dropped.has(oid))
      .map(({ oid }) => oid)
    const flags = await history.paint([node.oid], others)
    if (flags.get(node.oid) !== OURS) dropped.add(node.oid)
  }
  return nodes.filter(({ oid }) => !dropped.has(oid))
}
