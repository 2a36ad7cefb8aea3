/**
 * Diff: the files that differ between two commits. Equal directories are passed over by their oid, so the cost follows the
 * change and not the size of the repository.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import { isTreeMode, type TreeEntry } from '@datakit/git/tree'
import { compareEntries } from '@datakit/git/tree-entry'
import { checkOptions } from '../argument.ts'
import type { Side } from '../merge/conflict.ts'
import { ChosenPaths, PATHS } from './chosen-paths.ts'
import { History, type LinkSource } from './history.ts'
import { fetchAhead } from '../files/fetch-ahead.ts'
import { readTreeBody, type ObjectSource } from '../files/object-source.ts'
import type { OnDemand } from '../files/demand.ts'
import { joinPath } from '../files/path.ts'
import type { Store } from '../store.ts'
import type { Work } from '../transaction/transaction-work.ts'
import { compareTrees, type Difference } from './tree-difference.ts'

/** A file that is not the same in both. A directory that became a file is some files removed and one added. */
export interface Change {
  readonly path: string
  readonly kind: 'added' | 'removed' | 'changed'
  readonly before: Side | undefined
  readonly after: Side | undefined
}

/** What is compared. */
export interface DiffOptions {
  /**
   * Only these files, and what is in these directories; all when left out. No patterns; nothing need be there. What lies
   * elsewhere is not read, but for the directories on the way.
   */
  readonly paths?: readonly string[] | undefined
}

/**
 * Files, links and submodules that differ between two commits, ordered as `git diff-tree -r` orders them.
 *
 * @throws PathError `bad-path`, ArgumentError when the list of paths is empty
 * @throws NotHereError with the path of a directory that was left with a remote, when that is out of reach
 */
export async function* diffCommits(
  store: Store,
  before: Oid | undefined,
  after: Oid,
  options: DiffOptions = {},
): AsyncGenerator<Change, void, undefined> {
  const root = { path: '', chosen: choose(options) }
  yield* diffDirectories({ source: store, onDemand: store.onDemand }, root, [
    before === undefined ? undefined : await treeOf(store, before),
    await treeOf(store, after),
  ])
}

/** The same between a commit, or what a transaction began with, and the tree of the transaction. */
export async function* diffSince(
  { draft, start, reads }: Work,
  tree: Oid,
  since: Oid | undefined,
  options: DiffOptions = {},
): AsyncGenerator<Change, void, undefined> {
  const root = { path: '', chosen: choose(options) }
  // What the transaction began with differs from it where it has written; any other commit may differ anywhere.
  if (since !== undefined) for (const path of options.paths ?? ['']) reads.add(path)
  const before = since === undefined ? start.from?.tree : await treeOf(draft, since)
  const { onDemand } = draft
  yield* diffDirectories({ source: draft, onDemand }, root, [before, tree])
}

/** The paths that differ between two trees. */
export async function* changedPaths(
  source: ObjectSource,
  trees: readonly [Oid | undefined, Oid | undefined],
): AsyncGenerator<string, void, undefined> {
  const root = { path: '', chosen: ChosenPaths.of() }
  const changes = diffDirectories({ source, onDemand: undefined }, root, trees)
  for await (const { path } of changes) yield path
}

function choose(options: DiffOptions): ChosenPaths {
  checkOptions(options, { paths: PATHS })
  return ChosenPaths.of(options.paths)
}

async function treeOf(source: LinkSource, commit: Oid): Promise<Oid> {
  return (await new History(source).node(commit)).tree
}

/** A directory, and what of it is compared. */
interface Directory {
  readonly path: string
  readonly chosen: ChosenPaths
}

/** What stands at one place of Git's order, before and after. */
interface Row extends TreeEntry, Directory {
  readonly sides: readonly [Side | undefined, Side | undefined]
}

interface DiffSource {
  readonly source: ObjectSource
  /** Brings what is not here. */
  readonly onDemand: OnDemand | undefined
}

async function* diffDirectories(
  from: DiffSource,
  at: Directory,
  [before, after]: readonly [Oid | undefined, Oid | undefined],
): AsyncGenerator<Change, void, undefined> {
  if (before === after) return
  const { source, onDemand } = from
  if (at.path === '') await onDemand?.ahead([before, after])
  const body = (oid: Oid | undefined): Promise<Uint8Array> => readTreeBody(source, oid, at.path)
  const rows = rowsOf(at, compareTrees(await body(before), await body(after)))
  await fetchDirectories(from, rows)
  for (const row of rows) {
    const { path, sides } = row
    const [a, b] = sides
    if (isTreeMode(row.mode)) yield* diffDirectories(from, row, [a?.oid, b?.oid])
    else {
      const kind = a === undefined ? 'added' : b ? 'changed' : 'removed'
      yield { path, kind, before: a, after: b }
    }
  }
}

/** The chosen names that differ, in Git's order. */
function rowsOf({ path, chosen }: Directory, differences: ReadonlyMap<string, Difference>): Row[] {
  const rows: Row[] = []
  const add = (name: string, sides: Row['sides']): void => {
    const side = sides[0] ?? sides[1]
    const inside = side && chosen.at(name, isTreeMode(side.mode))
    if (inside) rows.push({ ...side, name, path: joinPath(path, name), chosen: inside, sides })
  }
  for (const [name, { before, after }] of differences) {
    // A file that became a directory is two rows, each at the place where Git has it.
    if (before && after && isTreeMode(before.mode) !== isTreeMode(after.mode)) {
      add(name, [before, undefined])
      add(name, [undefined, after])
    } else add(name, [before, after])
  }
  return rows.toSorted(compareEntries)
}

/** Brings the directories among the rows in one request, where they were left with a remote. */
async function fetchDirectories({ onDemand }: DiffSource, rows: readonly Row[]): Promise<void> {
  const wanted = new Map<Oid | undefined, string>()
  for (const { mode, path, sides } of rows)
    if (isTreeMode(mode)) for (const side of sides) wanted.set(side?.oid, path)
  await fetchAhead(onDemand, wanted)
}
