/**
 * Answers to a choice: which refs a client is told of that wants a part of a repository, and which objects it is sent.
 *
 * Spec: docs/sync-protocol.md, "A part of a repository"
 *
 * @module
 */
import { toHex, utf8 } from '@datakit/git/bytes'
import type { Objects } from '@datakit/git/objects'
import { encodeOid, type Oid } from '@datakit/git/oid'
import { OidMap } from '@datakit/git/oid-map'
import type { Place, Ref } from '@datakit/git/place'
import type { ObjectFilter } from '@datakit/git/protocol/filter'
import type { SyncRequest } from '@datakit/git/protocol/sync'
import {
  covers,
  parseChoice,
  parseScope,
  refChooser,
  type SyncChoice,
  type SyncScope,
} from '@datakit/git/protocol/sync-choice'
import { KINDS } from '@datakit/git/transport/children'
import { contentFor } from '@datakit/git/transport/negotiate'
import type { FetchPolicy } from '@datakit/git/transport/fetch-policy'
import { Reach, type Readable } from '@datakit/git/transport/reach'
import { peelRef } from '@datakit/git/transport/refs'
import { selectObjects, type Selection, type SelectRequest } from '@datakit/git/transport/select'

const TAGS = 'refs/tags/'
/** Answers that are remembered of each place, so that tags need not be followed again as long as nothing moves. */
const MAX_KEPT = 16

/** Names of tags, by what they were found for. */
const kept = new WeakMap<Place, Map<string, ReadonlySet<string>>>()

/** Names a choice of refs, to be part of a version; empty where all are chosen. */
export function keyOfBranches({ runtime }: Objects, choice: SyncChoice | undefined): string {
  const branches = choice?.branches
  return branches === undefined ? '' : toHex(runtime.sha1(utf8(JSON.stringify(branches))))
}

/** Of the refs that a caller may read, those that are chosen, and the tags that lead to a commit which comes with them. */
export async function chosenRefs(
  objects: Objects,
  refs: readonly Ref[],
  { choice, readable }: { readonly choice: SyncChoice | undefined; readonly readable: Readable },
): Promise<readonly Ref[]> {
  if (choice?.branches === undefined) return refs
  const isChosen = refChooser(choice.branches)
  const chosen = new Set(refs.filter(({ name }) => isChosen(name)))
  const tags = refs.filter((ref) => ref.name.startsWith(TAGS) && !chosen.has(ref))
  const key = `${objects.state.version} ${readable.key} ${keyOfBranches(objects, choice)}`
  const known = kept.get(objects.place)?.get(key)
  const near = known ?? (await leadingTags(objects, [...chosen], tags))
  if (known === undefined) remember(objects.place, key, near)
  return refs.filter((ref) => chosen.has(ref) || near.has(ref.name))
}

async function leadingTags(
  objects: Objects,
  chosen: readonly Ref[],
  tags: readonly Ref[],
): Promise<ReadonlySet<string>> {
  const wanted = new OidMap()
  const targets: { readonly name: string; readonly oid: Oid }[] = []
  for (const tag of tags) {
    const oid = (await peelRef(objects, tag)) ?? tag.oid
    if (!(await objects.has(oid)) || (await objects.stat(oid)).type !== 'commit') continue
    targets.push({ name: tag.name, oid })
    wanted.setValue(wanted.add(encodeOid(oid)), KINDS.commit)
  }
  if (targets.length === 0) return new Set()
  const reach = new Reach()
  reach.addRoots(chosen.map(({ oid }) => oid))
  const others = new Set(await reach.prove(objects, wanted))
  return new Set(targets.flatMap(({ name, oid }) => (others.has(oid) ? [] : [name])))
}

function remember(place: Place, key: string, names: ReadonlySet<string>): void {
  const ofPlace = kept.get(place) ?? new Map<string, ReadonlySet<string>>()
  kept.set(place, ofPlace.set(key, names))
  const [oldest] = ofPlace.size > MAX_KEPT ? ofPlace.keys() : []
  if (oldest !== undefined) ofPlace.delete(oldest)
}

const everything: ObjectFilter = { blobLimit: Infinity, treeDepth: Infinity, types: undefined }

/** What of trees is sent, as objects are selected by it. */
export function selectionOf(scope: SyncScope = {}): Pick<SelectRequest, 'filter' | 'paths'> {
  const { paths, blobLimit } = scope
  const filter = blobLimit === undefined ? undefined : { ...everything, blobLimit }
  return { paths, filter }
}

/** What a request says of parts. */
export interface AskedPart {
  /** `undefined` for all. */
  readonly choice: SyncChoice | undefined
  /** What the client has of its haves, where that is less than it is to have in the end; `undefined` where it is not. */
  readonly held: SelectRequest['held']
}

/** Reads it. @throws MalformedError when it is no choice */
export function readPart({ choice, held }: SyncRequest): AskedPart {
  const asked = choice === undefined ? undefined : parseChoice(choice)
  const scope = held === undefined ? undefined : parseScope(held)
  const isLess = scope !== undefined && !covers(scope, asked ?? {})
  return { choice: asked, held: isLess ? selectionOf(scope) : undefined }
}

/** The objects that are asked for by name, as far as the caller may have them; of a tree, the trees in it as well. */
export async function selectNamed(
  objects: Objects,
  oids: readonly Oid[],
  policy: Pick<FetchPolicy, 'readable' | 'wants'>,
): Promise<{ readonly wants: readonly Oid[]; readonly selection: Selection | undefined }> {
  const wants = await contentFor(objects, [...new Set(oids)], policy)
  if (wants.length === 0) return { wants, selection: undefined }
  const selection = await selectObjects(objects, {
    wants,
    haves: [],
    ...selectionOf({ blobLimit: 0 }),
  })
  await selection.locate()
  return { wants, selection }
}
