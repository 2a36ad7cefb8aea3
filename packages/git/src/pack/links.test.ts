import fc from 'fast-check'
import { expect, it } from 'vitest'

import { cases } from '../../test/seed.ts'
import { utf8 } from '../bytes.ts'
import { EMPTY_TREE, encodeOid, type Oid } from '../oid.ts'
import { encodeTree, MODES, type TreeEntry } from '../tree.ts'
import { makeDelta, readSharedEnds, type SharedEnds } from './delta.ts'
import { readTreeDifference } from './links-difference.ts'
import { packLinks, readLinks, unpackLinks, type Links } from './links.ts'

const oid = (digit: string): Oid => digit.repeat(40) as Oid
const against = encodeOid(EMPTY_TREE)

const entry = fc.record({
  mode: fc.constantFrom(0o100644, 0o100755, 0o40000, 0o160000),
  name: fc.stringMatching(/^[a-z]{1,2}$/),
  oid: fc.constantFrom(...'0123456789abcdef').map(oid),
})
const tree = fc.uniqueArray(entry, { selector: ({ name }) => name, maxLength: 25 })
/** A tree, and one that differs from it in some entries. */
const versions = fc
  .tuple(
    tree,
    fc.array(fc.nat(24), { maxLength: 4 }),
    fc.uniqueArray(entry, { selector: ({ name }) => name, maxLength: 3 }),
  )
  .map(([before, dropped, changed]) => {
    const names = new Set(changed.map(({ name }) => name))
    const kept = before.filter(({ name }, i) => !dropped.includes(i) && !names.has(name))
    return { before, after: [...kept, ...changed] }
  })

function children(entries: readonly TreeEntry[]): Set<Oid> {
  return new Set(entries.filter(({ mode }) => mode !== MODES.gitlink).map((each) => each.oid))
}

function treeLinks(
  body: Uint8Array,
  base?: Uint8Array,
  shared?: SharedEnds,
): Extract<Links, { kind: 'tree' }> | undefined {
  const packed =
    base === undefined
      ? readLinks('tree', body)
      : readTreeDifference(body, { oid: against, body: base, shared })
  const links = packed === undefined ? undefined : unpackLinks(packed)
  return links?.kind === 'tree' ? links : undefined
}

// Seen to catch: an oid called removed that the tree still has under another name (`keepAbsent` taken
// out), also when it has it as a submodule alone.
it('tells a tree as the difference of its children to those of another', () => {
  fc.assert(
    fc.property(versions, fc.boolean(), ({ before, after }, isDelta) => {
      const [base, body] = [encodeTree(before), encodeTree(after)]
      const shared = isDelta ? readSharedEnds(makeDelta(base, body)) : undefined
      const links = treeLinks(body, base, shared)
      const [old, now] = [children(before), children(after)]
      expect(links?.against).toBe(EMPTY_TREE)
      expect(links?.removed.filter((child) => now.has(child) || !old.has(child))).toEqual([])
      const kept = [...old].filter((child) => links?.removed.includes(child) === false)
      expect(new Set([...kept, ...(links?.added ?? [])])).toEqual(now)
    }),
    cases(1000),
  )
})

it('tells a tree without another as all its children, each once', () => {
  fc.assert(
    fc.property(tree, (entries) => {
      const links = treeLinks(encodeTree(entries))
      expect(links?.added.toSorted()).toEqual([...children(entries)].toSorted())
      expect(links?.against).toBeUndefined()
    }),
    cases(200),
  )
})

it('costs as much as what changed, not as much as there is', () => {
  const entries = Array.from({ length: 1000 }, (_, i) => ({
    mode: 0o100644,
    name: `file-${i}`,
    oid: i.toString(16).padStart(40, '0') as Oid,
  }))
  const changed = entries.map((each, i) => (i === 500 ? { ...each, oid: oid('f') } : each))
  const links = treeLinks(encodeTree(changed), encodeTree(entries))
  expect(links).toMatchObject({ removed: [entries[500]?.oid], added: [oid('f')] })
})

it('finds no links in a tree that is cut short inside an entry', () => {
  const body = encodeTree([{ mode: 0o100644, name: 'a', oid: oid('1') }])
  for (let length = 1; length < body.length; length++) {
    expect(treeLinks(body.subarray(0, length))).toBeUndefined()
    expect(treeLinks(body.subarray(0, length), body)).toBeUndefined()
  }
})

it('reads what a commit names, and when it was committed', () => {
  const who = 'Ada > Grace <ada@example.org>'
  const body = utf8(
    `tree ${oid('1')}\nparent ${oid('2')}\nparent ${oid('3')}\nauthor ${who} 5 +0000\ncommitter ${who} 1700000000 -0130\n\nparent ${oid('4')}\n`,
  )
  const packed = readLinks('commit', body)
  expect(packed && unpackLinks(packed)).toEqual({
    kind: 'commit',
    tree: oid('1'),
    parents: [oid('2'), oid('3')],
    time: 1_700_000_000,
    generation: 0,
  })
})

it('reads what a tag names', () => {
  const packed = readLinks('tag', utf8(`object ${oid('a')}\ntype commit\ntag v1\n\nfirst\n`))
  expect(packed && unpackLinks(packed)).toEqual({ kind: 'tag', target: oid('a') })
})

it('finds no links in blobs, nor in what is broken', () => {
  expect(readLinks('blob', utf8(`tree ${oid('1')}\n`))).toBeUndefined()
  expect(readLinks('commit', utf8(`tree ${oid('1')}`))).toBeUndefined()
  expect(readLinks('commit', utf8(`tree ${'X'.repeat(40)}\n`))).toBeUndefined()
  expect(readLinks('tag', utf8('type commit\n'))).toBeUndefined()
})

it('packs links and gives the same again', () => {
  const oids = fc.array(fc.constantFrom(...'0123456789abcdef').map(oid), { maxLength: 5 })
  const links: fc.Arbitrary<Links> = fc.oneof(
    fc.record({
      kind: fc.constant('commit' as const),
      tree: fc.constant(oid('1')),
      parents: oids,
      time: fc.nat(),
      generation: fc.nat(),
    }),
    fc.record({
      kind: fc.constant('tree' as const),
      against: fc.option(fc.constant(oid('2')), { nil: undefined }),
      removed: oids,
      added: oids,
    }),
    fc.record({ kind: fc.constant('tag' as const), target: fc.constant(oid('3')) }),
  )
  fc.assert(
    fc.property(links, (each) => {
      expect(unpackLinks(packLinks(each))).toEqual(each)
    }),
    cases(200),
  )
})
