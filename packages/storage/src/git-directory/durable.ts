/**
 * Files that survive: what is written is on the disk before anything relies on it, and a crash leaves the old file or
 * the new one, never a part.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readdir, readFile, rename, rm, rmdir, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'

import { encodeName } from '@datakit/git/bytes'

/** A path as Node takes it: text, or bytes where a name is not UTF-8. */
export type NativePath = string | Buffer

/** The `code` of an error of Node's, such as `ENOENT`; `undefined` for every other error. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** Whether the error says that there is nothing under a path: no such file, or a file where a directory should be. */
export function isAbsent(error: unknown): boolean {
  const code = errorCode(error)
  return code === 'ENOENT' || code === 'ENOTDIR'
}

/** A name below a directory as a path. Names that are not UTF-8 (see `decodeName`) become the bytes that they were. */
export function pathOf(directory: string, name: string): NativePath {
  if (name.isWellFormed()) return `${directory}/${name}`
  return Buffer.concat([Buffer.from(`${directory}/`), encodeName(name)])
}

/** The bytes of a path. */
export function bytesOf(path: NativePath): Buffer {
  return typeof path === 'string' ? Buffer.from(path) : path
}

/** The directory that a path is in. */
export function parentOf(path: NativePath): Buffer {
  const bytes = bytesOf(path)
  return bytes.subarray(0, bytes.lastIndexOf(47))
}

/** What the promise gives, or `undefined` when it fails because there is no such file. */
export async function ifThere<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

/** The bytes of a file, `undefined` when there is none. */
export async function readIfThere(path: NativePath): Promise<Uint8Array | undefined> {
  return await ifThere(readFile(path))
}

/** Removes a file; says whether there was one. */
export async function removeIfThere(path: NativePath): Promise<boolean> {
  return (await ifThere(unlink(path).then(() => true))) ?? false
}

/** Removes a directory that holds nothing but empty directories, as Git leaves them where refs were. */
export async function removeEmptyDirectories(path: NativePath): Promise<void> {
  const entries = await ifThere(readdir(path, { encoding: 'buffer' }))
  if (entries === undefined) return
  for (const entry of entries) {
    await removeEmptyDirectories(Buffer.concat([bytesOf(path), Buffer.from('/'), entry]))
  }
  try {
    await rmdir(path)
  } catch (error) {
    if (errorCode(error) !== 'ENOTEMPTY' && errorCode(error) !== 'EEXIST' && !isAbsent(error))
      throw error
  }
}

/** Makes a hard link; `false` when there is something under the new name already. */
export async function linkUnlessThere(from: NativePath, to: NativePath): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false
    throw error
  }
}

/** Writes a file and returns when it is on the disk; its name is only after {@link syncDirectory}. */
export async function writeSynced(
  path: NativePath,
  body: Uint8Array | string,
  flags = 'w',
): Promise<void> {
  const file = await open(path, flags)
  try {
    await file.writeFile(body)
    await file.datasync()
  } finally {
    await file.close()
  }
}

/** Appends in one write, so that lines of several processes do not mix. */
export async function appendSynced(path: NativePath, body: Uint8Array | string): Promise<void> {
  await writeSynced(path, body, 'a')
}

/** Returns when names that were made, moved or removed in a directory are so on the disk. */
export async function syncDirectory(path: NativePath): Promise<void> {
  let directory
  try {
    directory = await open(path, 'r')
  } catch (error) {
    // Windows cannot open a directory; its file systems keep their own order.
    if (process.platform === 'win32') return
    throw error
  }
  try {
    await directory.sync()
  } catch (error) {
    if (process.platform !== 'win32') throw error
  } finally {
    await directory.close()
  }
}

/** Makes a directory and those above it that are not there, and returns when their names are on the disk. */
export async function makeDirectories(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true })
  if (first === undefined) return
  for (let made = path; made.length >= first.length; made = dirname(made))
    await syncDirectory(dirname(made))
}

/** Returns when all names in a directory and below it are on the disk. */
export async function syncTree(path: string): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true }))
    if (entry.isDirectory()) await syncTree(`${path}/${entry.name}`)
  await syncDirectory(path)
}

/** Replaces a file as a whole, by way of a name that ends with `.tmp` in `scratch`, a directory of the same file system. */
export async function replaceFile(
  scratch: string,
  path: NativePath,
  body: Uint8Array | string,
): Promise<void> {
  const temporary = `${scratch}/${randomName()}.tmp`
  try {
    await writeSynced(temporary, body, 'wx')
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** A name that nobody else has: 32 hexadecimal digits. */
export function randomName(): string {
  return randomBytes(16).toString('hex')
}
