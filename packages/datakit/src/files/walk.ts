/**
 * Walking a tree: every file below a directory. Loaded when somebody first walks.
 *
 * @module
 */
import { decodeTree, isTreeMode } from '@datakit/git/tree'
import type { Oid } from '@datakit/git/oid'
import { action, checkOptions, signal, text } from '../argument.ts'
import type { Side } from '../merge/conflict.ts'
import type { Store } from '../store.ts'
import { fetchAhead } from './fetch-ahead.ts'
import { readTreeBody } from './object-source.ts'
import { joinPath } from './path.ts'
import { findPath } from './tree-reader.ts'

/** A file somewhere below a directory; also a link or a submodule. */
export interface WalkedFile extends Side {
  readonly path: string
}

/** Where a walk begins, and where it goes. */
export interface WalkOptions {
  /** The directory to walk; the root when left out. */
  readonly path?: string | undefined
  /**
   * Whether a path is of interest: a file is given, a directory is looked into. Paths are whole, from the root on;
   * `globFilter` of `path-filter.ts` makes one of a pattern.
   */
  readonly filter?: ((path: string, isDirectory: boolean) => boolean) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Every file below the directory at `options.path`, in Git's order. */
export async function* walkTree(
  store: Store,
  root: Oid,
  options: WalkOptions,
): AsyncGenerator<WalkedFile, void, undefined> {
  checkOptions(options, { path: text, filter: action, signal })
  const path = options.path ?? ''
  const found = await findPath(store, root, path)
  if (found && passes({ path, ...found }, options))
    yield* walkFile(store, { path, ...found }, options)
}

async function* walkFile(
  store: Store,
  file: WalkedFile,
  options: WalkOptions,
): AsyncGenerator<WalkedFile, void, undefined> {
  if (!isTreeMode(file.mode)) {
    yield file
    return
  }
  options.signal?.throwIfAborted()
  const children = decodeTree(await readTreeBody(store, file.oid, file.path))
    .map(({ name, mode, oid }) => ({ path: joinPath(file.path, name), mode, oid }))
    .filter((child) => passes(child, options))
  const directories = children.filter(({ mode }) => isTreeMode(mode))
  const wanted = new Map(directories.map(({ oid, path }) => [oid, path]))
  await fetchAhead(store.onDemand, wanted, options.signal)
  for (const child of children) yield* walkFile(store, child, options)
}

function passes({ path, mode }: WalkedFile, { filter }: WalkOptions): boolean {
  return path === '' || filter?.(path, isTreeMode(mode)) !== false
}
