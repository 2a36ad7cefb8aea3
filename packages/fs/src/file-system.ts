/**
 * What of Node's `fs.promises` a Git client in JavaScript uses: Node's own has it, and so has a lightning-fs.
 *
 * @module
 */
import { text, utf8 } from '@datakit/git/bytes'

/** How a file is wanted: `'utf8'` asks for text, nothing for bytes. */
export type Encoding = 'utf8' | { readonly encoding?: string | undefined } | undefined

/** What is known of a file. */
export interface FileStats {
  readonly size: number
  readonly mode: number
  /** Milliseconds since 1970. */
  readonly mtimeMs: number
  /** Milliseconds since 1970; a lightning-fs has them under this name alone. */
  readonly ctimeMs?: number
  isFile(): boolean
  isDirectory(): boolean
  isSymbolicLink(): boolean
}

/**
 * The operations on files, by absolute paths with slashes. They fail with an error that has one of Node's codes (`ENOENT`,
 * `ENOTDIR`, `EISDIR`, `EEXIST`, `ENOTEMPTY`).
 */
export interface FilePromises {
  readFile(path: string): Promise<unknown>
  readFile(path: string, encoding: 'utf8'): Promise<unknown>
  writeFile(path: string, content: Uint8Array | string): Promise<unknown>
  unlink(path: string): Promise<unknown>
  readdir(path: string): Promise<string[]>
  mkdir(path: string): Promise<unknown>
  rmdir(path: string): Promise<unknown>
  stat(path: string): Promise<FileStats>
  lstat(path: string): Promise<FileStats>
  readlink(path: string): Promise<unknown>
  symlink(target: string, path: string): Promise<unknown>
}

/** A file system as Git clients take it. */
export interface FileSystem {
  readonly promises: FilePromises
}

/** A file system as {@link FileSystem}, which takes encodings in every way that Git clients name them. */
export interface OpenFileSystem {
  readonly promises: Omit<FilePromises, 'readFile'> & {
    readFile(path: string, options?: Encoding): Promise<unknown>
  }
}

/** An error of a file system, with the code that Node gives it. */
export class FileError extends Error {
  override readonly name = 'FileError'
  readonly code: 'ENOENT' | 'EISDIR' | 'EPERM'

  constructor(code: FileError['code'], path: string) {
    super(`${code}: ${path}`)
    this.code = code
  }
}

/** The file, or `undefined` when there is none; a directory is none. */
export async function readIfThere(
  files: FilePromises,
  path: string,
): Promise<Uint8Array | undefined> {
  const found = await unlessMissing(files.readFile(path))
  if (typeof found === 'string') return utf8(found)
  return found instanceof Uint8Array ? found : undefined
}

/** The names in a directory; none when there is none. */
export async function listIfThere(files: FilePromises, path: string): Promise<readonly string[]> {
  return (await unlessMissing(files.readdir(path))) ?? []
}

/** What comes of an operation; `undefined` when what it is about is not there. */
export async function unlessMissing<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** Whether an error says that a file is not there, or that it is a directory. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && missing.has(error.code)
}

const missing: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR', 'EISDIR'])

/** Content as whoever reads it wants it: text where there is an encoding. */
export function inEncoding(content: Uint8Array, options: Encoding): Uint8Array | string {
  return isText(options) ? text(content) : content
}

/** Whether text is asked for. */
export function isText(options: Encoding): boolean {
  const encoding = typeof options === 'string' ? options : options?.encoding
  return encoding === 'utf8' || encoding === 'utf-8'
}
