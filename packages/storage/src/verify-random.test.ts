import { utf8 } from '@datakit/git/bytes'
import { nameObject, type ObjectType } from '@datakit/git/object'
import type { Oid } from '@datakit/git/oid'
import { makeDelta } from '@datakit/git/pack/delta'
import { rowsOfIndex } from '@datakit/git/pack/index-table'
import type { Links } from '@datakit/git/pack/links'
import { openPackIndexBytes } from '@datakit/git/pack/pack-index'
import { packRow, PackTable, unpackRow, type PackRow } from '@datakit/git/pack/pack-table'
import { encodePack, type PackObject } from '@datakit/git/pack/write-pack'
import type { PackId, Place } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { decodeTree, encodeTree, isGitlinkMode, MODES, type TreeEntry } from '@datakit/git/tree'
import { expect, it } from 'vitest'
import { done, oid, request } from '../test/samples.ts'
import { memoryPlace } from './memory.ts'
import { verifyPacks } from './verify.ts'

const CASES = 150
const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 30))
console.log(`SEED=${seed}, ${CASES} cases each`)
const seeds = Array.from({ length: CASES }, (_, i) => seed + i)

type Named = PackObject & { readonly children: readonly Oid[] }
type Below = (limit: number) => number

/** Whole numbers below a limit, that follow from a seed (mulberry32). */
function numbers(seed: number): Below {
  let state = seed >>> 0
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
  }
}

function named(type: ObjectType, body: Uint8Array, children: readonly Oid[]): Named {
  return { type, body, oid: nameObject(nodeRuntime, { type, body }), children }
}

/** A tree, with what it names worked out from text. */
function tree(entries: readonly TreeEntry[]): Named {
  const body = encodeTree(entries)
  const own = decodeTree(body).filter(({ mode }) => !isGitlinkMode(mode))
  return named('tree', body, [...new Set(own.map(({ oid }) => oid))])
}

/** Commits, one on the other, that change, add and remove files in a directory and beside it; most of it as deltas. */
function history(below: Below): Named[] {
  const objects = new Map<Oid, Named>()
  const keep = (made: Named, old: Named | undefined): Named => {
    if (objects.has(made.oid)) return objects.get(made.oid) ?? made
    const isDelta = old !== undefined && old.oid !== made.oid && below(4) > 0
    const bytes = isDelta ? makeDelta(old.body, made.body) : undefined
    const delta = old && bytes && bytes.length >= 4 ? { base: old.oid, bytes } : undefined
    const kept = { ...made, delta }
    objects.set(made.oid, kept)
    return kept
  }
  const files = new Map<string, TreeEntry>()
  let [inner, outer, last]: (Named | undefined)[] = []
  for (let n = 0; n < 4 + below(12); n++) {
    for (let edit = 0; edit <= below(4); edit++) {
      const name = `f${below(30)}`
      const blob = keep(named('blob', utf8(`content ${below(40)}`), []), undefined)
      if (below(5) === 0) files.delete(name)
      else if (below(9) === 0) files.set(name, { name, mode: MODES.gitlink, oid: oid(below(99)) })
      else files.set(name, { name, mode: MODES.file, oid: blob.oid })
    }
    inner = keep(tree([...files.values()]), inner)
    const beside = [...files.values()].filter(() => below(3) > 0)
    outer = keep(tree([...beside, { name: 'in', mode: MODES.tree, oid: inner.oid }]), outer)
    last = keep(commit(outer, last, n), undefined)
  }
  if (last !== undefined) {
    const body = utf8(`object ${last.oid}\ntype commit\ntag v1\ntagger Ada <a@b> 1 +0000\n\nv1\n`)
    keep(named('tag', body, [last.oid]), undefined)
  }
  return [...objects.values()]
}

function commit(of: Named, parent: Named | undefined, n: number): Named {
  const ada = `Ada <ada@example.org> ${1_700_000_000 + n} +0000`
  const above = parent === undefined ? '' : `parent ${parent.oid}\n`
  const body = utf8(`tree ${of.oid}\n${above}author ${ada}\ncommitter ${ada}\n\n${n}\n`)
  return named('commit', body, parent === undefined ? [of.oid] : [of.oid, parent.oid])
}

/** Keeps objects in up to three packs that nobody verified, in their order: later ones have bases in those before. */
async function keepInPacks(
  place: Place,
  objects: readonly Named[],
  { below, change }: { readonly below: Below; readonly change: (row: PackRow) => PackRow },
): Promise<void> {
  const cuts = [0, below(objects.length), below(objects.length), objects.length]
  const packs: PackId[] = []
  for (const [i, from] of cuts.toSorted((a, b) => a - b).entries()) {
    const part = objects.slice(from, cuts.toSorted((a, b) => a - b)[i + 1] ?? from)
    if (part.length === 0) continue
    const { bytes, table } = await encodePack(nodeRuntime, part)
    const claimed = new PackTable()
    for (const row of await rowsOfIndex(await openPackIndexBytes(table.encodeIndex())))
      claimed.addRaw(packRow(change(unpackRow(row))))
    const writer = await place.writePack()
    await writer.write(bytes)
    const staged = await writer.finish({ table: claimed, needs: [...packs], verified: false })
    await done(place, request([], { addPacks: [staged] }))
    packs.push(staged.id)
  }
}

/** Has a tree told by any other, with more taken away and added than there has to be. */
function toldByAnother(objects: readonly Named[], below: Below): (row: PackRow) => PackRow {
  const trees = new Map(objects.flatMap((each) => (each.type === 'tree' ? [[each.oid, each]] : [])))
  return (row) => {
    const own = trees.get(row.oid)?.children
    if (own === undefined || below(2) === 0) return row
    const other = [...trees.values()][below(trees.size)]
    const theirs = other?.children ?? []
    const removed = theirs.filter((child) => !own.includes(child) || below(8) === 0)
    const added = own.filter(
      (child) => !theirs.includes(child) || removed.includes(child) || below(8) === 0,
    )
    return { ...row, links: { kind: 'tree', against: other?.oid, removed, added } }
  }
}

it.each(seeds)('takes what is whole, however trees are told (%i)', async (seed) => {
  const below = numbers(seed)
  const objects = history(below)
  const place = memoryPlace()
  await keepInPacks(place, objects, { below, change: toldByAnother(objects, below) })
  const { verified, damaged } = await verifyPacks(place, nodeRuntime)
  expect(damaged).toEqual([])
  expect(verified).toBe((await place.read()).packs.length)
})

/** Whether an object names another one, or is made of it, however many deltas are in between. */
function wants({ children, delta }: Named, other: Oid | undefined, all: readonly Named[]): boolean {
  if (other === undefined || children.includes(other) || delta?.base === other) return true
  const base = all.find(({ oid }) => oid === delta?.base)
  return base !== undefined && wants({ ...base, children: [] }, other, all)
}

it.each(seeds)('misses what is named, and nothing else (%i)', async (seed) => {
  const below = numbers(seed)
  const objects = history(below)
  const gone = objects[below(objects.length)]
  const left = objects.filter((each) => each !== gone)
  const place = memoryPlace()
  await keepInPacks(place, left, { below, change: (row) => row })
  const { packs } = await place.read()
  // What was proved once is not looked at again, but what is made of it is.
  const proved = below(packs.length)
  await place.markVerified(packs.slice(0, proved).map(({ id }) => id))
  const count = packs.slice(0, proved).reduce((sum, pack) => sum + pack.objects, 0)
  const isNamed = left.slice(count).some((each) => wants(each, gone?.oid, objects))
  const { damaged } = await verifyPacks(place, nodeRuntime)
  expect(damaged.length > 0).toBe(isNamed)
  for (const { problem } of damaged) expect(problem).toContain(gone?.oid)
})

/** The links with one change that matters. */
function lieAbout(links: Links, children: readonly Oid[], below: Below): Links {
  if (links.kind === 'tag') return { kind: 'tag', target: oid(1) }
  if (links.kind === 'tree') {
    const { removed, added } = links
    const child = children[below(children.length)]
    if (child === undefined || below(2) === 0) return { ...links, added: [...added, oid(1)] }
    const rest = added.filter((each) => each !== child)
    return { ...links, removed: [...removed, child], added: rest }
  }
  const { tree, parents, time } = links
  const lies: readonly Links[] = [
    { ...links, tree: oid(1) },
    { ...links, time: time + 1 },
    { ...links, parents: [...parents, tree] },
    { ...links, parents: parents.length > 0 ? [] : [oid(1)] },
  ]
  return lies[below(lies.length)] ?? links
}

it.each(seeds)('finds a lie about any object (%i)', async (seed) => {
  const below = numbers(seed)
  const objects = history(below)
  const of = objects[below(objects.length)]
  const field = below(5)
  const place = memoryPlace()
  const told = below(2) === 0 ? toldByAnother(objects, below) : (row: PackRow) => row
  const change = (truth: PackRow): PackRow => {
    const row = told(truth)
    if (row.oid !== of?.oid) return row
    if (row.links !== undefined && field < 4)
      return { ...row, links: lieAbout(row.links, of.children, below) }
    const lies = [
      { crc: row.crc ^ 1 },
      { size: row.size + 1 },
      { offset: row.offset + 1 },
      { length: row.length - 1 },
      { base: row.base === undefined ? of.oid : undefined },
    ]
    return { ...row, ...lies[below(lies.length)] }
  }
  await keepInPacks(place, objects, { below, change })
  const { damaged } = await verifyPacks(place, nodeRuntime)
  expect(damaged.length).toBeGreaterThan(0)
})
