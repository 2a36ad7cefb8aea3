/**
 * Refs in blocks: thousands of them are a few rows, which are read at once and of which an update replaces one or two.
 *
 * A block holds the refs from its first key up to the next block's, a line each, in order: key, oid, and what it peels to if
 * that is known, separated by spaces. The first block begins at the empty key. A key is the bytes of a name as characters, so
 * keys are ordered as Git orders names; in a line it ends with a space, which no name holds and which comes before all that
 * names hold, so lines are in that order, too.
 *
 * What is read is never changed: a state keeps the blocks of its moment.
 *
 * @module
 */
import { decodeName, encodeName } from '@datakit/git/bytes'
import type { Oid } from '@datakit/git/oid'
import type { Ref, RefUpdate } from '@datakit/git/place'
import type { BlockRow } from './schema.ts'

/** Blocks in the order of their keys; none while there are no refs. */
export type Blocks = readonly BlockRow[]

/** The bytes of a name as characters. */
export function keyOf(name: string): string {
  return /[^ -~]/.test(name) ? String.fromCharCode(...encodeName(name)) : name
}

/** The name that {@link keyOf} made a key of. */
export function nameOf(key: string): string {
  return /[^ -~]/.test(key) ? decodeName(Uint8Array.from(key, (byte) => byte.charCodeAt(0))) : key
}

/** Where a ref is. */
export function findRef(blocks: Blocks, name: string): Oid | undefined {
  const key = keyOf(name)
  const { lines = '' } = blocks[placeOf(blocks, key)] ?? {}
  const at = lines.indexOf(`\n${key} `)
  // Only oids are put there.
  return at < 0 ? undefined : (lines.substr(at + key.length + 2, 40) as Oid)
}

/** The refs whose names begin with `prefix`, in order. */
export function* listRefs(blocks: Blocks, prefix: string): Generator<Ref> {
  const start = keyOf(prefix)
  for (const { lines } of blocks.slice(placeOf(blocks, start)))
    for (const line of lines.slice(1).split('\n')) {
      const [key = '', oid, peeled] = line.split(' ')
      if (key.startsWith(start)) {
        if (oid) yield { name: nameOf(key), oid: oid as Oid, peeled: peeled as Oid | undefined }
      } else if (key > start) return
    }
}

/** The blocks that moves of refs put in the place of others, by update `number`; however long they are, see `cut-blocks.ts`. */
export function changedBlocks(
  blocks: Blocks,
  moves: readonly RefUpdate[],
  number: number,
): BlockRow[] {
  const changed = new Map<string, Map<string, string>>()
  for (const { name, to, peeled } of moves) {
    const key = keyOf(name)
    const { first = '', lines = '' } = blocks[placeOf(blocks, key)] ?? {}
    const byKey =
      changed.get(first) ??
      new Map(lines.split('\n').map((line) => [line.split(' ', 1)[0] ?? '', line]))
    changed.set(first, byKey)
    if (to) byKey.set(key, `${key} ${to}${peeled ? ` ${peeled}` : ''}`)
    else byKey.delete(key)
  }
  return Array.from(changed, ([first, byKey]) => ({
    first,
    lines: joinLines([...byKey.values()]),
    number,
  }))
}

/** Lines in any order, as a block has them; empty ones are left out. */
export function joinLines(lines: string[]): string {
  return lines
    .sort()
    .map((line) => line && `\n${line}`)
    .join('')
}

/** Blocks, with some that were changed. */
export function mergeBlocks(blocks: Blocks, changed: Blocks): Blocks {
  const byFirst = new Map([...blocks, ...changed].map((block) => [block.first, block]))
  return [...byFirst.values()].sort((a, b) => (a.first < b.first ? -1 : 1))
}

/** Position of the last block that begins at `key` or before. */
function placeOf(blocks: Blocks, key: string): number {
  let [low, high] = [0, blocks.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((blocks[middle]?.first ?? '') <= key) low = middle + 1
    else high = middle
  }
  return low > 0 ? low - 1 : 0
}
