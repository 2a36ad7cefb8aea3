/**
 * Reflogs: the log of each ref, in the files that `git reflog` reads.
 *
 * `logs/<ref>` has a line a move: `old new Name <address> seconds +hhmm<TAB>why`. The time of a line
 * is a whole second, so that of an entry that was read is too.
 *
 * Git removes a reflog along with its ref, and complains about one without a ref. What the log of a deleted ref said is
 * kept under `datakit/logs/`, and goes on when the ref is made again.
 *
 * A move that somebody made without a line (stock git in a bare repository keeps no reflogs unless told) is found when the
 * last line does not lead to where the ref is; it is logged as done by {@link STRANGER}.
 *
 * A line of ours has two spaces before the address. Git shows one, and keeps both when it cuts or renames a log: so who wrote
 * a line can be told.
 *
 * Spec: https://git-scm.com/docs/git-reflog
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { appendFile, mkdir, open, readFile, stat, unlink, type FileHandle } from 'node:fs/promises'

import { concat, decodeName, encodeName, utf8 } from '@datakit/git/bytes'
import { isOid, ZERO_OID, type Oid } from '@datakit/git/oid'
import type { LogEntry } from '@datakit/git/place'

import {
  errorCode,
  ifThere,
  parentOf,
  pathOf,
  readIfThere,
  removeEmptyDirectories,
  removeIfThere,
  type NativePath,
} from './durable.ts'

const LF = 10

/** Who moved a ref when nobody said so. */
const STRANGER = 'another program <>'

/** A line of a reflog, with its line feed. */
export function formatReflogLine(entry: Omit<LogEntry, 'external'>): string {
  return formatLine(entry, identityOf(entry.who).replace(/ <(?=[^<]*$)/, '  <'))
}

function formatLine(entry: Omit<LogEntry, 'external'>, identity: string): string {
  const seconds = Math.floor(entry.at / 1000)
  const why = entry.why.replaceAll(/[\s\0]+/g, ' ').trim()
  return `${entry.from ?? ZERO_OID} ${entry.to ?? ZERO_OID} ${identity} ${seconds} +0000\t${why}\n`
}

/** The line for a move that was found. */
export function formatFoundLine(ref: string, from: Oid | undefined, to: Oid, at: number): string {
  const why = 'moved without a line in the reflog'
  return formatLine({ ref, from, to, at, who: STRANGER, why }, STRANGER)
}

/** The entries of a ref's log, oldest first, those from before it was deleted and made again included. */
export async function readReflog(gitDirectory: string, ref: string): Promise<LogEntry[]> {
  const old = await readIfThere(archiveOf(gitDirectory, ref))
  const current = await readFileUnlessDirectory(reflogOf(gitDirectory, ref))
  return [...decodeReflog(ref, old), ...decodeReflog(ref, current)]
}

/** Where the last line of a ref's own reflog leads; `undefined` when it has none. */
export async function endOfReflog(gitDirectory: string, ref: string): Promise<Oid | undefined> {
  const line = await readLastLine(reflogOf(gitDirectory, ref))
  const to = line?.toString('latin1', 41, 81) ?? ''
  return isOid(to) ? to : undefined
}

/** The lines of a ref's own reflog as they stand there, for one that goes on under another name. */
export async function readReflogLines(gitDirectory: string, ref: string): Promise<string> {
  const lines = decodeName((await readFileUnlessDirectory(reflogOf(gitDirectory, ref))) ?? EMPTY)
  // As for Git, a last line without its line feed is none.
  return lines.slice(0, lines.lastIndexOf('\n') + 1)
}

const EMPTY = new Uint8Array()

/** Lines that are to be added to a reflog. */
export interface ReflogLines {
  readonly ref: string
  readonly lines: string
  /** Whether the ref is gone with them: its log is put away. */
  readonly ends: boolean
  /** {@link sizeOfReflog} when this was decided: what is behind may be these very lines. */
  readonly size: number
}

/** Length of the file that lines for a ref go to, in bytes. */
export async function sizeOfReflog(
  gitDirectory: string,
  ref: string,
  ends: boolean,
): Promise<number> {
  const path = ends ? archiveOf(gitDirectory, ref) : reflogOf(gitDirectory, ref)
  const found = await ifThere(stat(path))
  return found?.isFile() === true ? found.size : 0
}

/** Adds lines to a reflog, unless that was done before, whoever has added others since. */
export async function appendReflog(gitDirectory: string, entry: ReflogLines): Promise<void> {
  const { ref, ends, size } = entry
  const lines = encodeName(entry.lines)
  if (ends) return await putAway(gitDirectory, ref, { lines, size })
  const path = reflogOf(gitDirectory, ref)
  const since = await readSince(path, size)
  if (since?.bytes.includes(lines) === true) return
  await makeRoom(gitDirectory, ref)
  // As in Git, nothing waits for reflogs to be on the disk.
  await appendFile(path, since?.isCut === true ? concat([utf8('\n'), lines]) : lines)
}

async function putAway(
  gitDirectory: string,
  ref: string,
  { lines, size }: { readonly lines: Uint8Array; readonly size: number },
): Promise<void> {
  const path = reflogOf(gitDirectory, ref)
  const archive = archiveOf(gitDirectory, ref)
  const body = (await readFileUnlessDirectory(path)) ?? new Uint8Array()
  if ((await readSince(archive, size))?.bytes.includes(lines) !== true) {
    await mkdir(`${gitDirectory}/datakit/logs`, { recursive: true })
    await appendFile(archive, concat([body, lines]))
  }
  if (body.length > 0) await removeIfThere(path)
}

/** Clears the way for `logs/<ref>`: makes its directories, removes what is left of refs that were there before. */
async function makeRoom(gitDirectory: string, ref: string): Promise<void> {
  const path = reflogOf(gitDirectory, ref)
  await removeEmptyDirectories(path)
  for (let i = ref.indexOf('/'); i >= 0; i = ref.indexOf('/', i + 1)) {
    const parent = reflogOf(gitDirectory, ref.slice(0, i))
    // A file in the way is the reflog of a ref that somebody deleted without it: no ref of that name can exist.
    if ((await ifThere(readFileUnlessDirectory(parent))) !== undefined) await unlink(parent)
  }
  await mkdir(parentOf(path), { recursive: true })
}

function reflogOf(gitDirectory: string, ref: string): NativePath {
  return pathOf(gitDirectory, `logs/${ref}`)
}

function archiveOf(gitDirectory: string, ref: string): NativePath {
  return `${gitDirectory}/datakit/logs/${createHash('sha1').update(encodeName(ref)).digest('hex')}`
}

async function readFileUnlessDirectory(path: NativePath): Promise<Uint8Array | undefined> {
  try {
    return await ifThere(readFile(path))
  } catch (error) {
    if (errorCode(error) === 'EISDIR') return undefined
    throw error
  }
}

interface Since {
  readonly bytes: Buffer
  /** Whether the file ends inside a line. */
  readonly isCut: boolean
}

/** What is in a log from a place on; all of it where somebody has shortened it. `undefined` where there is none. */
async function readSince(path: NativePath, size: number): Promise<Since | undefined> {
  return await withFile(path, async (file, length) => {
    const start = length < size ? 0 : size
    const bytes = await readRange(file, start, length)
    const last = bytes.at(-1) ?? (await readRange(file, Math.max(0, length - 1), length)).at(-1)
    return { bytes, isCut: last !== undefined && last !== LF }
  })
}

/** The last line of a log that has its line feed, without it. */
async function readLastLine(path: NativePath): Promise<Buffer | undefined> {
  return await withFile(path, async (file, length) => {
    for (let take = 4096; ; take *= 4) {
      const start = Math.max(0, length - take)
      const bytes = await readRange(file, start, length)
      const end = bytes.lastIndexOf(LF)
      const before = end <= 0 ? -1 : bytes.lastIndexOf(LF, end - 1)
      if (before >= 0 || start === 0) return bytes.subarray(before + 1, Math.max(0, end))
    }
  })
}

async function withFile<T>(
  path: NativePath,
  use: (file: FileHandle, length: number) => Promise<T>,
): Promise<T | undefined> {
  const file = await ifThere(open(path, 'r'))
  if (file === undefined) return undefined
  try {
    const found = await file.stat()
    // An empty directory, where a ref was that had others below it.
    return found.isFile() ? await use(file, found.size) : undefined
  } finally {
    await file.close()
  }
}

async function readRange(file: FileHandle, start: number, end: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(end - start), 0, end - start, start)
  return buffer.subarray(0, bytesRead)
}

function decodeReflog(ref: string, bytes: Uint8Array | undefined): LogEntry[] {
  if (bytes === undefined) return []
  // As for Git, a last line without its line feed is none.
  const lines = decodeName(bytes).split('\n').slice(0, -1)
  return lines.map((line) => decodeLine(ref, line)).filter((entry) => entry !== undefined)
}

function decodeLine(ref: string, line: string): LogEntry | undefined {
  const match = /^([0-9a-f]{40}) ([0-9a-f]{40}) (.*?>) (\d+) [+-]\d{4}(?:\t(.*))?$/.exec(line)
  if (match === null) return undefined
  const [, from = '', to = '', identity = '', seconds = '', why = ''] = match
  const external = identity === STRANGER
  const isOurs = identity.includes('  <')
  return {
    ref,
    from: known(from),
    to: known(to),
    who: external ? '' : identity.replace('  <', ' <'),
    at: Number(seconds) * 1000,
    why,
    external,
    ...(external || isOurs ? {} : { isForeign: true }),
  }
}

function known(oid: string): Oid | undefined {
  return isOid(oid) && oid !== ZERO_OID ? oid : undefined
}

/** `Name <address>` without what would break the line. */
function identityOf(who: string): string {
  const line = who.replaceAll(/[\0-\x1f]+/g, ' ').trim()
  return /^[^<>]* <[^<>]*>$/.test(line) ? line : `${line.replaceAll(/[<>]/g, '').trim()} <>`
}
