/**
 * Packfile URIs: files that a client of version 2 gets from elsewhere, as packs by HTTP, and not in the answer itself.
 *
 * The operator says of which files there is such a pack (`uploadpack.blobPackfileUri`); a client says which schemes it
 * follows, and reads the answer in a side-band.
 *
 * Spec: https://git-scm.com/docs/packfile-uri, https://git-scm.com/docs/gitprotocol-v2#_fetch
 *
 * @module
 */
import type { Oid } from '../oid.ts'
import type { FetchRequest } from '../protocol/fetch.ts'
import { selectFor, type PackRequest, type Serving } from './answer-pack.ts'
import { SENT } from './marks.ts'
import { NodeFilter } from './object-filter.ts'
import { Selection } from './select.ts'

/** Where one file is to be had. */
export interface PackfileUri {
  /** The file. */
  readonly oid: Oid
  /** The SHA-1 of the pack that holds it, by which the client checks what it got. */
  readonly pack: string
  readonly uri: string
}

/** What is sent, and what is not. */
export interface Divided {
  readonly selection: Selection
  /** Where the rest is; never none. */
  readonly elsewhere: readonly PackfileUri[]
}

/**
 * What of an answer the client gets elsewhere; `undefined` when that is nothing of it.
 *
 * @throws MissingError, NotHereError when something that is wanted is not here
 */
export async function divide(
  serving: Serving,
  pack: PackRequest,
  { sidebandAll, uriSchemes }: FetchRequest,
): Promise<Divided | undefined> {
  const { packfileUris } = serving.policy
  const offered = packfileUris.filter(({ uri }) =>
    uriSchemes.some((scheme) => uri.startsWith(`${scheme}:`)),
  )
  if (!sidebandAll || offered.length === 0) return undefined
  const selection = await selectFor(serving, pack)
  const elsewhere = offered.filter(({ oid }) => selection.has(oid))
  if (elsewhere.length === 0) return undefined
  return { selection: without(selection, elsewhere, pack), elsewhere }
}

function without(
  { graph, nodes }: Selection,
  elsewhere: readonly PackfileUri[],
  { filter }: PackRequest,
): Selection {
  // No delta may rest on them: the client reads what it is sent before it fetches the rest.
  for (const { oid } of elsewhere) graph.unmark(graph.node(oid), SENT)
  const rest = nodes.filter((node) => graph.isMarked(node, SENT))
  return new Selection(graph, rest, new NodeFilter(graph, filter))
}
