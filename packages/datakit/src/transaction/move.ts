/**
 * Moving files and directories in a transaction, and changing modes. Nothing is read but the trees on the way.
 *
 * @module
 */
import { isTreeMode } from '@datakit/git/tree'
import type { Oid } from '@datakit/git/oid'
import type { Side } from '../merge/conflict.ts'
import type { Draft } from './draft.ts'
import { PathError } from '../error.ts'
import { readTree } from '../files/read-tree.ts'
import { joinPath } from '../files/path.ts'
import { nothingThere } from '../files/path-problems.ts'
import { checkWritable } from './refused.ts'
import type { Work } from './transaction-work.ts'
import { isFile, kindOf } from '../files/tree-reader.ts'

/** How to move. */
export interface MoveOptions {
  /** Whether a directory goes into the one that is there: each of its files then takes its place in that. */
  readonly merge?: boolean | undefined
}

/** Moves what is at `from` to `to`, or throws before anything has moved. @throws PathError */
export async function movePath(
  work: Work,
  { from, to, merge = false }: { from: string; to: string } & MoveOptions,
): Promise<void> {
  const { tree } = work
  work.reads.add(from).add(to)
  const found = await tree.find(from)
  if (found === undefined) throw nothingThere(from)
  if (from === to) return
  if (from === '' || `${to}/`.startsWith(`${from}/`))
    throw new PathError('bad-path', to, `it is inside of "${from}"; move it elsewhere`)
  const there = await tree.find(to)
  if (there === undefined || (!isTreeMode(there.mode) && !isTreeMode(found.mode))) {
    await tree.set(to, found)
    await tree.remove(from)
    return
  }
  if (!isTreeMode(there.mode))
    throw new PathError('exists', to, 'a file is where the directory should go; remove it first')
  if (!merge || !isTreeMode(found.mode)) {
    const hint = isTreeMode(found.mode) ? 'remove it first, or merge them' : 'remove it first'
    throw new PathError('is-a-directory', to, `it is a directory; ${hint}`)
  }
  await mergeDirectory(work, { from, to, found })
}

async function mergeDirectory(
  { draft, tree }: Work,
  { from, to, found }: { from: string; to: string; found: Side },
): Promise<void> {
  // What moves up out of a directory is in its way there: it goes first, and comes back if the two do not fit.
  await tree.remove(from)
  try {
    const rest = await tree.find(to)
    const oid = await joinTrees(draft, to, [rest?.oid, found.oid])
    if (to === '') tree.reset(oid)
    else await tree.set(to, { mode: found.mode, oid }, { replace: true })
  } catch (error) {
    await tree.set(from, found, { replace: true })
    throw error
  }
}

/** The tree of all that is in both; of files with one name, the second one's. */
async function joinTrees(
  draft: Draft,
  path: string,
  [into, from]: readonly [Oid | undefined, Oid],
): Promise<Oid> {
  const edits = new Map<string, Side>()
  for (const { name, mode, oid } of await readTree(draft, from)) {
    const there = into && (await draft.find(into, name))
    const isTree = isTreeMode(mode)
    const below = joinPath(path, name)
    if (there && isTreeMode(there.mode) !== isTree) {
      const what = isTree ? 'a file is where a directory' : 'a directory is where a file'
      throw new PathError('exists', below, `${what} should go; remove it first`)
    }
    const isBoth = there !== undefined && isTree
    edits.set(name, { mode, oid: isBoth ? await joinTrees(draft, below, [there.oid, oid]) : oid })
  }
  return (await draft.editTree(into, edits)) ?? from
}

/** Makes a file executable or not. @throws PathError `not-found`, `is-a-directory` */
export async function setPathMode(work: Work, path: string, mode: number): Promise<void> {
  const { tree } = work
  work.reads.add(path)
  const found = await tree.find(path)
  if (found === undefined) throw nothingThere(path)
  if (!isFile(found))
    throw new PathError(
      'is-a-directory',
      path,
      `a ${kindOf(found.mode)} has no mode of its own; name a file`,
    )
  checkWritable(new Uint8Array(0), mode)
  await tree.set(path, { mode, oid: found.oid })
}
