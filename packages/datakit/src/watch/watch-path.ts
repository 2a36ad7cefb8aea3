/**
 * Watching a path of a branch: a file, a link, a directory with all that is in it, or nothing at all.
 *
 * A look goes down from the root and stops at the first directory whose oid is the one of the look before: what is below it
 * cannot differ. So it costs the directories on the path that changed, whatever the size of the repository.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import { findEntry, isTreeMode } from '@datakit/git/tree'
import { checkOptions, positive, signal } from '../argument.ts'
import type { Side } from '../merge/conflict.ts'
import { readTreeBody, type ObjectSource } from '../files/object-source.ts'
import { splitPath } from '../files/path.ts'
import type { Repository } from '../repository.ts'
import { Snapshot } from '../files/snapshot.ts'
import type { Store } from '../store.ts'
import { kindOf, type Kind } from '../files/tree-reader.ts'
import { watchPlace, type WatchOptions } from './watch.ts'

/** What is watched. */
export interface BranchPath {
  /** The branch by its short name; it need not exist. */
  readonly branch: string
  /** Empty for the root; nothing need be there. */
  readonly path: string
}

/** What is at a path. */
export interface PathEntry extends Side {
  readonly kind: Kind
}

/** A path at one moment. */
export interface PathValue {
  readonly path: string
  /** What is there; `undefined` when nothing is. */
  readonly entry: PathEntry | undefined
  /** The head of the branch when this was seen, to read from; `undefined` while it has no commit. */
  readonly head: Snapshot | undefined
}

/**
 * What is at a path now, and whenever that differs: content, kind or mode. Changes elsewhere give nothing.
 *
 * @throws RangeError for what is no name of a branch, PathError `bad-path`
 */
export function watchPath(
  repository: Repository,
  at: BranchPath,
  options: WatchOptions = {},
): AsyncIterableIterator<PathValue, void, undefined> {
  checkOptions(options, WATCHING)
  checkOptions(at, {})
  const { branch, path } = at
  const { store } = repository
  const { ref } = repository.branch(branch)
  const finder = new PathFinder(path)
  const read = async (): Promise<PathValue> => {
    const head = await readHead(store, ref)
    const side = await finder.find(store, head?.tree)
    return { path, head, entry: side && { ...side, kind: kindOf(side.mode) } }
  }
  const isEqual = (a: PathValue, b: PathValue): boolean => isSameSide(a.entry, b.entry)
  return watchPlace(store.place, read, { ...options, isEqual })
}

/** Rules for how somebody watches. */
export const WATCHING = { signal, poll: positive }

/** The newest commit of a ref; `undefined` when there is none. @throws MalformedError when it is at something else */
export async function readHead(store: Store, ref: string): Promise<Snapshot | undefined> {
  const oid = await (await store.state()).ref(ref)
  return oid && Snapshot.read(store, oid)
}

/** Whether two paths have the same: content, kind and mode, or nothing. */
export function isSameSide(a: Side | undefined, b: Side | undefined): boolean {
  return a?.oid === b?.oid && a?.mode === b?.mode
}

/** Finds what is at one path in one tree after the other, and reads only the trees that differ on the way. */
export class PathFinder {
  readonly #path: string
  readonly #steps: readonly string[]
  /** The trees on the way of the look before, from the root on. */
  #trail: readonly Oid[] = []
  #found: Side | undefined

  /** @throws PathError `bad-path` */
  constructor(path: string) {
    this.#path = path
    this.#steps = splitPath(path)
  }

  /** What is at the path below `root`; `undefined` when nothing is, also when a step on the way is a file. */
  async find(source: ObjectSource, root: Oid | undefined): Promise<Side | undefined> {
    const trail: Oid[] = []
    let at: Side | undefined = root && { mode: TREE_MODE, oid: root }
    for (const [i, step] of this.#steps.entries()) {
      if (at === undefined || !isTreeMode(at.mode)) return this.#keep(trail, undefined)
      if (at.oid === this.#trail[i])
        return this.#keep([...trail, ...this.#trail.slice(i)], this.#found)
      trail.push(at.oid)
      const entry = findEntry(await readTreeBody(source, at.oid, this.#path), step)
      at = entry && { mode: entry.mode, oid: entry.oid }
    }
    return this.#keep(trail, at)
  }

  #keep(trail: readonly Oid[], found: Side | undefined): Side | undefined {
    this.#trail = trail
    this.#found = found
    return found
  }
}

const TREE_MODE = 0o040000
