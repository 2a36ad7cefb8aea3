import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'

import { readWhole, tableLines } from '../../test/pack-reading.ts'
import { RealRepository } from '../../test/real-git.ts'
import { cases } from '../../test/seed.ts'
import { utf8 } from '../bytes.ts'
import { nameObject, type GitObject } from '../object.ts'
import type { PackContents } from '../place.ts'
import { nodeRuntime } from '../runtime/node.ts'
import { portableRuntime } from '../runtime/portable.ts'
import { encodeTree } from '../tree.ts'
import { makeDelta } from './delta.ts'
import { encodeStockIdx } from './idx.ts'
import { tableOfIndex } from './merge-indexes.ts'
import { openPackIndexBytes } from './pack-index.ts'
import { findRow, unpackRow, type PackTable } from './pack-table.ts'
import { encodePack, type PackObject } from './write-pack.ts'

let git: RealRepository
beforeAll(() => {
  git = new RealRepository()
})
afterAll(() => git.remove())

function named(object: GitObject): PackObject {
  return { ...object, oid: nameObject(nodeRuntime, object) }
}

/** What `git verify-pack -v` says of a pack that `git index-pack --strict` has accepted, and the index of Git. */
function verify(pack: Uint8Array): { lines: string[]; idx: Uint8Array } {
  const file = join(git.folder, 'test.pack')
  rmSync(join(git.folder, 'test.idx'), { force: true })
  writeFileSync(file, pack)
  git.run(['index-pack', '--strict', file])
  return {
    lines: git.run(['verify-pack', '-v', file]).split('\n'),
    idx: readFileSync(join(git.folder, 'test.idx')),
  }
}

/** Versions of a file, each an edit of the one before it. */
const versions = fc
  .tuple(
    fc.array(fc.string({ maxLength: 40 }), { minLength: 5, maxLength: 60 }),
    fc.array(fc.nat(59), { maxLength: 8 }),
  )
  .map(([lines, edits]) => {
    const all = [lines.join('\n')]
    for (const [i, at] of edits.entries()) {
      lines[at % lines.length] = `edit ${i}`
      all.push(lines.join('\n'))
    }
    return [...new Set(all)].map((text) => utf8(text))
  })

// Seen to catch: OFS_DELTA distances that are one off, and copies whose size lacks its high bytes.
it.each([
  ['node', nodeRuntime],
  ['portable', portableRuntime],
])('writes packs that git accepts, with deltas of ours (%s)', async (_, runtime) => {
  await fc.assert(
    fc.asyncProperty(versions, async (bodies) => {
      const blobs = bodies.map((body) => named({ type: 'blob', body }))
      const objects = blobs.map((blob, i) => {
        const base = blobs[i - 1]
        return base === undefined
          ? blob
          : { ...blob, delta: { base: base.oid, bytes: makeDelta(base.body, blob.body) } }
      })
      const { bytes, ...encoded } = await encodePack(runtime, objects)
      const table = await reopened(encoded.table)
      const { lines, idx } = verify(bytes)
      expect(Buffer.compare(encodeStockIdx(table, bytes.subarray(-20), runtime), idx)).toBe(0)
      for (const { oid, body } of blobs) {
        expect(lines.some((line) => line.startsWith(`${oid} blob`))).toBe(true)
        expect(
          Buffer.compare(git.bytes(['hash-object', '--stdin'], body), Buffer.from(`${oid}\n`)),
        ).toBe(0)
      }
      expect(tableLines(await readWhole(bytes))).toEqual(tableLines({ table }))
    }),
    cases(12),
  )
})

it('writes a large blob as a delta of another that git resolves to the same bytes', async () => {
  const base = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 2_654_435_761) >>> 24)
  const target = base.slice()
  target.fill(7, 150_000, 150_100)
  const [one, two] = [named({ type: 'blob', body: base }), named({ type: 'blob', body: target })]
  const delta = { base: one.oid, bytes: makeDelta(base, target) }
  const { bytes } = await encodePack(nodeRuntime, [one, { ...two, delta }])
  git.run(['unpack-objects', '-q'], bytes)
  expect(Buffer.compare(git.bytes(['cat-file', 'blob', two.oid]), target)).toBe(0)
})

it('writes deltas against objects that it does not hold by name: a thin pack', async () => {
  const base = utf8('a line\n'.repeat(50))
  const oid = git.write('blob', base)
  const two = named({ type: 'blob', body: utf8(`${'a line\n'.repeat(50)}and another\n`) })
  const one = named({ type: 'blob', body: base })
  expect(one.oid).toBe(oid)
  const delta = { base: one.oid, bytes: makeDelta(base, two.body) }
  const { bytes, table } = await encodePack(nodeRuntime, [{ ...two, delta }])
  const rows = await reopened(table)
  git.run(['index-pack', '--fix-thin', '--stdin'], bytes)
  expect(Buffer.compare(git.bytes(['cat-file', 'blob', two.oid]), two.body)).toBe(0)
  expect(rows.base(0)).toBe(oid)
})

it('reads the links of what it writes from the bodies', async () => {
  const blob = named({ type: 'blob', body: utf8('content\n') })
  const tree = named({
    type: 'tree',
    body: encodeTree([{ mode: 0o100644, name: 'a', oid: blob.oid }]),
  })
  const table = await reopened((await encodePack(nodeRuntime, [blob, tree])).table)
  expect(unpackRow(table.rawRow(findRow(table, tree.oid))).links).toEqual({
    kind: 'tree',
    against: undefined,
    removed: [],
    added: [blob.oid],
  })
})

/** The table, as a reader of its index finds it. */
async function reopened(table: PackContents): Promise<PackTable> {
  return tableOfIndex(await openPackIndexBytes(table.encodeIndex()))
}

it('asks what objects name only for an index', async () => {
  let asked = 0
  const object: PackObject = {
    ...named({ type: 'tree', body: encodeTree([]) }),
    get links() {
      asked++
      return undefined
    },
  }
  const pack = await encodePack(portableRuntime, [object])
  expect([pack.bytes.length > 32, asked]).toEqual([true, 0])
  expect([pack.table.count, asked]).toEqual([1, 1])
})
