/**
 * Diff: the files that differ between two commits. Equal directories are passed over by their oid, so the cost follows the
 * change and not the size of the repository.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import { isTreeMode, type TreeEntry } from '@datakit/git/tree'
import { compareEntries } from '@datakit/git/tree-entry'
import type { Side } from '../merge/conflict.ts'
import { History, type LinkSource } from './history.ts'
import { readTreeBody, type ObjectSource } from '../files/object-source.ts'
import type { OnDemand } from '../files/demand.ts'
import { joinPath } from '../files/path.ts'
import type { Store } from '../store.ts'
import type { Work } from '../transaction/transaction-work.ts'
import { compareTrees } from './tree-difference.ts'

/** A file that is not the same in both. A directory that became a file is some files removed and one added. */
export interface Change {
  readonly path: string
  readonly kind: 'added' | 'removed' | 'changed'
  readonly before: Side | undefined
  readonly after: Side | undefined
}

/** Files, links and submodules that differ between two commits, ordered as `git diff-tree -r` orders them. */
export async function* diffCommits(
  store: Store,
  before: Oid | undefined,
  after: Oid,
): AsyncGenerator<Change, void, undefined> {
  yield* diffDirectories({ source: store, onDemand: store.onDemand }, '', [
    before === undefined ? undefined : await treeOf(store, before),
    await treeOf(store, after),
  ])
}

/** The same between a commit, or what a transaction began with, and the tree of the transaction. */
export async function* diffSince(
  { draft, start, reads }: Work,
  tree: Oid,
  since: Oid | undefined,
): AsyncGenerator<Change, void, undefined> {
  // What the transaction began with differs from it where it has written; any other commit may differ anywhere.
  if (since !== undefined) reads.add('')
  const before = since === undefined ? start.from?.tree : await treeOf(draft, since)
  const { onDemand } = draft
  yield* diffDirectories({ source: draft, onDemand }, '', [before, tree])
}

/** The paths that differ between two trees. */
export async function* changedPaths(
  source: ObjectSource,
  trees: readonly [Oid | undefined, Oid | undefined],
): AsyncGenerator<string, void, undefined> {
  const changes = diffDirectories({ source, onDemand: undefined }, '', trees)
  for await (const { path } of changes) yield path
}

async function treeOf(source: LinkSource, commit: Oid): Promise<Oid> {
  return (await new History(source).node(commit)).tree
}

/** What stands at one place of Git's order, before and after. */
interface Row extends TreeEntry {
  readonly sides: readonly (Side | undefined)[]
}

interface DiffSource {
  readonly source: ObjectSource
  /** Brings what is not here. */
  readonly onDemand: OnDemand | undefined
}

async function* diffDirectories(
  from: DiffSource,
  path: string,
  [before, after]: readonly [Oid | undefined, Oid | undefined],
): AsyncGenerator<Change, void, undefined> {
  if (before === after) return
  const { source, onDemand } = from
  if (path === '') await onDemand?.ahead([before, after])
  const differences = compareTrees(
    await readTreeBody(source, before),
    await readTreeBody(source, after),
  )
  const rows: Row[] = []
  for (const [name, difference] of differences) {
    const [a, b] = [difference.before, difference.after]
    // A file that became a directory is two rows, each at the place where Git has it.
    if (a && b && isTreeMode(a.mode) !== isTreeMode(b.mode)) {
      rows.push({ ...a, name, sides: [a] }, { ...b, name, sides: [undefined, b] })
      continue
    }
    const side = a ?? b
    if (side) rows.push({ ...side, name, sides: [a, b] })
  }
  const directories = rows.filter(({ mode }) => isTreeMode(mode)).flatMap(({ sides }) => sides)
  await onDemand?.ahead(directories.map((side) => side?.oid))
  for (const { name, mode, sides } of rows.toSorted(compareEntries)) {
    const [a, b] = sides
    const below = joinPath(path, name)
    if (isTreeMode(mode)) yield* diffDirectories(from, below, [a?.oid, b?.oid])
    else
      yield {
        path: below,
        kind: a === undefined ? 'added' : b ? 'changed' : 'removed',
        before: a,
        after: b,
      }
  }
}
