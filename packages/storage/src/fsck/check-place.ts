/**
 * Checking a place: everything that can be told of a repository through the seam, whatever keeps it. Nothing is changed.
 *
 * Each live pack, the catalogs against the packs that they cover, the refs, and all that the refs lead to.
 *
 * @module
 */
import { GitError } from '@datakit/git/error'
import { Objects } from '@datakit/git/objects'
import type { Oid } from '@datakit/git/oid'
import { OidMap } from '@datakit/git/oid-map'
import { openPackIndex, type PackIndex } from '@datakit/git/pack/pack-index'
import type { CatalogInfo, Place, Ref } from '@datakit/git/place'
import { isRefName } from '@datakit/git/ref-name'
import type { Runtime } from '@datakit/git/runtime'
import { KINDS } from '@datakit/git/transport/children'
import { findDangling } from '../update.ts'
import { checkLinks, type Root } from './check-links.ts'
import {
  checkPack,
  probePack,
  withPacks,
  type CheckPackOptions,
  type PackHealth,
  type ProbedPack,
} from './check-pack.ts'
import { found, messageOf, progress, type CheckEvent } from './finding.ts'

/** What a check knows in the end, for who mends it. */
export interface Health {
  readonly packs: readonly PackHealth[]
  /** Objects that the refs lead to, without one copy that can be read. */
  readonly lost: readonly Oid[]
  /** Whether some catalog is wrong. */
  readonly hasBadCatalogs: boolean
}

/** Bytes of packs and objects that are kept meanwhile. */
const CACHE = 16_000_000

/**
 * Checks everything.
 *
 * @throws GitError when not even the state can be read
 */
export async function* checkPlace(
  place: Place,
  runtime: Runtime,
  options: CheckPackOptions = {},
): AsyncGenerator<CheckEvent, Health> {
  const state = await place.read()
  const probes: ProbedPack[] = []
  for (const pack of state.packs) probes.push(await probePack(place, pack))
  const usable = new Set(probes.filter(isUsable).map(({ pack }) => pack.id))
  const objects = await Objects.open(
    withPacks(place, (id) => usable.has(id)),
    runtime,
    { bytes: CACHE },
  )
  const packs: PackHealth[] = []
  for (const [i, probe] of probes.entries()) {
    options.signal?.throwIfAborted()
    yield progress('packs', i, probes.length)
    packs.push(yield* checkPack(objects, probe, options))
    const { id, verified } = probe.pack
    if (verified) continue
    const message = `pack ${id} has an index from elsewhere, which nobody has proved yet`
    yield found('unverified', id, { message, severity: 'info', remedy: 'time' })
  }
  for (const id of findDangling(state.packs)) {
    const message = `pack ${id} is needed by another one for its deltas, and is not listed`
    yield found('pack-gone', id, { message, remedy: 'repair' })
  }
  const hasBadCatalogs = yield* checkCatalogs(state.catalogs, packs)
  const roots = yield* checkRefs(objects, options.signal)
  const suspects = new Set(packs.flatMap(({ damaged }) => damaged))
  const reached = yield* checkLinks(objects, roots, { suspects, signal: options.signal })
  yield { kind: 'counts', counts: count(packs, roots.length, reached.count) }
  return { packs, lost: reached.lost, hasBadCatalogs }
}

function isUsable({ index, isGone }: ProbedPack): boolean {
  return index !== undefined && !isGone
}

async function* checkCatalogs(
  catalogs: readonly CatalogInfo[],
  packs: readonly PackHealth[],
): AsyncGenerator<CheckEvent, boolean> {
  const listed = new Map(packs.map(({ pack, listed: index }) => [pack.id, index]))
  let isBad = false
  for (const catalog of catalogs) {
    const problem = await problemOfCatalog(catalog, listed)
    if (problem === undefined) continue
    isBad = true
    const about = catalog.covers.join(' ')
    yield found('catalog', about, { message: `a catalog is wrong: ${problem}`, remedy: 'repair' })
  }
  return isBad
}

async function problemOfCatalog(
  catalog: CatalogInfo,
  listed: ReadonlyMap<string, PackIndex | undefined>,
): Promise<string | undefined> {
  let merged: PackIndex
  try {
    merged = await openPackIndex((start, end) => catalog.read(start, end), catalog.size)
  } catch (error) {
    if (!(error instanceof GitError) || error.code === 'unavailable') throw error
    return messageOf(error)
  }
  for (let ordinal = 0; ordinal < merged.count; ordinal++) {
    const id = merged.packs[merged.packOf(ordinal)] ?? ''
    const index = listed.get(id)
    if (!catalog.covers.includes(id)) return `it leads to pack ${id}, which it does not cover`
    if (index !== undefined && !isSameRow(merged, ordinal, index))
      return `it is wrong about ${merged.oid(ordinal)} in pack ${id}`
  }
  for (const id of catalog.covers) {
    const index = listed.get(id)
    for (let ordinal = 0; ordinal < (index?.count ?? 0); ordinal++) {
      const bytes = index?.oidBytes(ordinal)
      if (bytes !== undefined && merged.findBytes(bytes) < 0)
        return `it leaves out ${index?.oid(ordinal)} of pack ${id}`
    }
  }
  return undefined
}

function isSameRow(merged: PackIndex, ordinal: number, index: PackIndex): boolean {
  const own = index.findBytes(merged.oidBytes(ordinal))
  return (
    own >= 0 &&
    index.offset(own) === merged.offset(ordinal) &&
    index.length(own) === merged.length(ordinal) &&
    index.size(own) === merged.size(ordinal) &&
    index.type(own) === merged.type(ordinal) &&
    index.linkOid(index.base(own)) === merged.linkOid(merged.base(ordinal))
  )
}

/** Checks names and what tags peel to; gives where links begin. */
async function* checkRefs(
  objects: Objects,
  signal: AbortSignal | undefined,
): AsyncGenerator<CheckEvent, Root[]> {
  const { head } = objects.state
  const roots: Root[] = []
  if ('oid' in head) roots.push({ name: 'HEAD', oid: head.oid, kind: KINDS.commit })
  else if (!head.ref.startsWith('refs/heads/')) {
    yield found('head', 'HEAD', { message: `HEAD leads to "${head.ref}", which is no branch` })
  }
  try {
    for await (const ref of objects.state.refs()) {
      signal?.throwIfAborted()
      yield* checkRef(objects, ref)
      const kind = ref.name.startsWith('refs/heads/') ? KINDS.commit : KINDS.any
      roots.push({ name: ref.name, oid: ref.oid, kind })
    }
  } catch (error) {
    if (!(error instanceof GitError) || error.code === 'unavailable') throw error
    const message = `the refs cannot all be read: ${error.message}`
    yield found('refs', 'refs', { message, remedy: 'repair' })
  }
  return roots
}

async function* checkRef(
  objects: Objects,
  { name, oid, peeled }: Ref,
): AsyncGenerator<CheckEvent, void> {
  if (!isRefName(name)) {
    yield found('badRefName', name, { message: `"${name}" cannot be the name of a ref` })
  }
  if (peeled === undefined) return
  const target = await peel(objects, oid)
  if (target === undefined || target === peeled) return
  const message = `${name} is said to lead to ${peeled} in the end, it leads to ${target}`
  yield found('peeled', name, { message, remedy: 'repair' })
}

/** What a tag leads to in the end; `undefined` where that cannot be read. */
async function peel(objects: Objects, oid: Oid): Promise<Oid | undefined> {
  try {
    let at = oid
    for (let depth = 0; depth < 100; depth++) {
      const links = await objects.links(at)
      if (links?.kind !== 'tag') return at
      at = links.target
    }
    return undefined
  } catch (error) {
    if (error instanceof GitError && error.code !== 'unavailable') return undefined
    throw error
  }
}

function count(packs: readonly PackHealth[], refs: number, reached: number) {
  const all = new OidMap()
  for (const { listed } of packs) {
    for (let ordinal = 0; ordinal < (listed?.count ?? 0); ordinal++) {
      const oid = listed?.oidBytes(ordinal)
      if (oid !== undefined) all.add(oid)
    }
  }
  return {
    packs: packs.length,
    bytes: packs.reduce((sum, { pack }) => sum + pack.size, 0),
    refs,
    objects: all.size,
    unreachable: Math.max(0, all.size - reached),
  }
}
