/**
 * Files: what can be read of a commit, of a tree or of an open transaction, and more ways to read it.
 *
 * @module
 */
import { text } from '@datakit/git/bytes'
import { PIECE } from '@datakit/git/object-stream'
import { EMPTY_TREE, type Oid } from '@datakit/git/oid'
import { action, ArgumentError, check, checkOptions, text as textRule } from '../argument.ts'
import { DataKitError } from '../error.ts'
import { readBody } from './object-source.ts'
import { readAllFiles, type ReadFile } from './read-all.ts'
import type { Store } from '../store.ts'
import { notThere, pageOf, streamFile } from './stream-file.ts'
import { findPath, listPath, readFile, statSide, type Entry, type Stat } from './tree-reader.ts'
import { walkTree, type WalkedFile, type WalkOptions } from './walk.ts'

/** Files that never change; a {@link Snapshot} is these and a commit. */
export interface Files {
  /** The tree of the root directory. */
  readonly tree: Oid
  /** The bytes of a file, or the target of a link; `undefined` when nothing is there. @throws PathError `is-a-directory` */
  read(path: string): Promise<Uint8Array | undefined>
  /** The same as text: UTF-8, with U+FFFD for what is not. */
  readText(path: string): Promise<string | undefined>
  /** What is in a directory, ordered as Git orders it; the empty path is the root. Empty when nothing is there. */
  list(path?: string): Promise<Entry[]>
  /** What is at a path, with its size if it is a file; `undefined` when nothing is. */
  stat(path: string): Promise<Stat | undefined>
  /** Some entries of a directory, in Git's order. @throws RangeError when there is no `after` in it, or `limit` is below 1 */
  page(path: string, options: PageOptions): Promise<Page>
  /**
   * The bytes of a file in pieces of at most 64 kB; none when nothing is there. A file of more than 1 MB that its pack holds as a whole
   * is inflated as it is read, and never held; a wrong byte in it is an error behind the last piece. Others are read and checked first.
   *
   * @throws PathError `is-a-directory`
   */
  stream(path: string): AsyncIterable<Uint8Array>
  /** Every file below `path`, ordered by path. */
  walk(options?: WalkOptions): AsyncIterable<WalkedFile>
  /** The same files with their bytes, in the order in which they are stored. */
  readAll(options?: WalkOptions): AsyncIterable<ReadFile>
}

/** The files of a tree, by the oid that an entry of kind `directory` names. @throws MissingError */
export async function openTree(store: Store, tree: Oid): Promise<Files> {
  if (tree !== EMPTY_TREE) await readBody(store, tree, 'tree')
  const read = (path: string) => readFile(store, tree, path)
  return {
    tree,
    read,
    async readText(path) {
      const body = await read(path)
      return body && text(body)
    },
    list: (path = '') => listPath(store, tree, path),
    async stat(path) {
      const found = await findPath(store, tree, path)
      return found && statSide(store, found)
    },
    page: (path, options) => pageOf(store, tree, { path, ...checkLimit(options) }),
    stream: (path) => streamFile(store, tree, path),
    walk: (options = {}) => walkTree(store, tree, options),
    readAll: (options = {}) => readAllFiles(store, tree, options),
  }
}

/** A file that does not hold what it should. */
export class ContentError extends DataKitError {
  override readonly name = 'ContentError'
  override readonly code = 'malformed'
  readonly path: string

  constructor(path: string, options: { readonly cause: unknown }) {
    const { cause } = options
    const problem = cause instanceof Error ? cause.message : String(cause)
    super(`Cannot make sense of the file "${path}": ${problem}`, options)
    this.path = path
  }
}

/**
 * A file as a parser understands it; `undefined` when nothing is there.
 *
 * @throws ContentError with what the parser threw as its cause
 */
export async function readParsed<T>(
  files: Pick<Files, 'read'>,
  path: string,
  parse: (body: Uint8Array) => T,
): Promise<T | undefined> {
  checkFiles(files, 'read')
  check('parse', parse, action)
  const body = await files.read(path)
  if (body === undefined) return undefined
  try {
    return parse(body)
  } catch (cause) {
    throw new ContentError(path, { cause })
  }
}

/**
 * A file of JSON; `undefined` when nothing is there. A byte order mark is passed over.
 *
 * @throws ContentError when it is no JSON, or not UTF-8
 */
export function readJson(files: Pick<Files, 'read'>, path: string): Promise<unknown> {
  return readParsed(files, path, (body): unknown =>
    JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(body)),
  )
}

/**
 * The bytes of a file in pieces of at most 64 kB; none when nothing is there. Of a commit or a tree see {@link Files.stream}; of a
 * transaction the file is read as a whole.
 */
export async function* readStream(
  files: Pick<Files, 'stream'> | Pick<Files, 'read'>,
  path: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  checkFiles(files, 'read')
  if ('stream' in files) return yield* files.stream(path)
  const body = (await files.read(path)) ?? new Uint8Array(0)
  for (let at = 0; at < body.length; at += PIECE) yield body.subarray(at, at + PIECE)
}

/** Some entries of a directory. */
export interface Page {
  readonly entries: readonly Entry[]
  /** What to go on behind; `undefined` when that was all. */
  readonly next: string | undefined
}

/** Where a page begins, and how many entries it has at most. */
export interface PageOptions {
  /** The name that the page before ended with; the first page when left out. */
  readonly after?: string | undefined
  readonly limit: number
}

/** @throws RangeError when the limit is below 1; ArgumentError for what are no options */
export function checkLimit(options: PageOptions): PageOptions {
  checkOptions(options, { after: textRule })
  if (typeof options.limit === 'number' && options.limit >= 1) return options
  throw new RangeError(`Not a number of entries: ${options.limit}, expected 1 or more`)
}

/** @throws ArgumentError for what is no snapshot, no tree and no transaction */
function checkFiles(files: object, way: 'read' | 'list'): void {
  if (files instanceof Object && way in files) return
  throw new ArgumentError('files', files, 'a snapshot, a tree or a transaction')
}

/**
 * The entries of a directory, some at a time, in Git's order. Of a commit or a tree a page makes its own entries and no others, out of
 * the directory's bytes, which are read as a whole (its name covers them) and kept; of a transaction all are listed for each page.
 *
 * @throws RangeError when there is no such name in the directory, or the limit is below 1
 */
export async function listPage(
  files: Pick<Files, 'page'> | Pick<Files, 'list'>,
  path: string,
  options: PageOptions,
): Promise<Page> {
  checkFiles(files, 'list')
  const { after, limit } = checkLimit(options)
  if ('page' in files) return files.page(path, options)
  const all = await files.list(path)
  const start = after === undefined ? 0 : all.findIndex(({ name }) => name === after) + 1
  if (after !== undefined && start === 0) throw notThere(path, after)
  const entries = all.slice(start, start + limit)
  return { entries, next: start + limit < all.length ? entries.at(-1)?.name : undefined }
}
