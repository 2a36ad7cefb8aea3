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
 * Spec: https://git-scm.com/docs/git-reflog
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { appendFile, mkdir, open, readFile, unlink } from 'node:fs/promises'

import { decodeName, encodeName, text } from '@datakit/git/bytes'
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

/** Who moved a ref when nobody said so. */
const STRANGER = 'another program <>'

/** A line of a reflog, with its line feed. */
export function formatReflogLine(entry: Omit<LogEntry, 'external'>): string {
  const seconds = Math.floor(entry.at / 1000)
  const why = entry.why.replaceAll(/\s+/g, ' ').trim()
  return `${entry.from ?? ZERO_OID} ${entry.to ?? ZERO_OID} ${identityOf(entry.who)} ${seconds} +0000\t${why}\n`
}

/** The line for a move that was found. */
export function formatFoundLine(ref: string, from: Oid | undefined, to: Oid, at: number): string {
  return formatReflogLine({
    ref,
    from,
    to,
    at,
    who: STRANGER,
    why: 'moved without a line in the reflog',
  })
}

/** The entries of a ref's log, oldest first, those from before it was deleted and made again included. */
export async function readReflog(gitDirectory: string, ref: string): Promise<LogEntry[]> {
  const old = await readIfThere(archiveOf(gitDirectory, ref))
  const current = await readFileUnlessDirectory(reflogOf(gitDirectory, ref))
  return [...decodeReflog(ref, old), ...decodeReflog(ref, current)]
}

/** Where the last line of a ref's own reflog leads; `undefined` when it has none. */
export async function endOfReflog(gitDirectory: string, ref: string): Promise<Oid | undefined> {
  const tail = await readTail(reflogOf(gitDirectory, ref))
  const last = tail?.trimEnd().split('\n').at(-1) ?? ''
  const to = last.slice(41, 81)
  return isOid(to) ? to : undefined
}

/** Adds lines to a reflog, unless they are its last ones. `ends` says that the ref is gone: its log is put away. */
export async function appendReflog(
  gitDirectory: string,
  entry: { readonly ref: string; readonly lines: string; readonly ends: boolean },
): Promise<void> {
  const { ref, lines, ends } = entry
  const path = reflogOf(gitDirectory, ref)
  if (ends) return await putAway(gitDirectory, ref, lines)
  if ((await readTail(path))?.endsWith(lines) === true) return
  await makeRoom(gitDirectory, ref)
  // As in Git, nothing waits for reflogs to be on the disk.
  await appendFile(path, encodeName(lines))
}

async function putAway(gitDirectory: string, ref: string, lines: string): Promise<void> {
  const path = reflogOf(gitDirectory, ref)
  const archive = archiveOf(gitDirectory, ref)
  const body = (await readFileUnlessDirectory(path)) ?? new Uint8Array()
  const whole = `${decodeName(body)}${lines}`
  if ((await readTail(archive))?.endsWith(lines) !== true) {
    await mkdir(`${gitDirectory}/datakit/logs`, { recursive: true })
    await appendFile(archive, encodeName(whole))
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

async function readTail(path: NativePath): Promise<string | undefined> {
  const file = await ifThere(open(path, 'r'))
  if (file === undefined) return undefined
  try {
    const { size } = await file.stat()
    const start = Math.max(0, size - 8192)
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(size - start),
      0,
      size - start,
      start,
    )
    return text(buffer.subarray(0, bytesRead))
  } catch (error) {
    if (errorCode(error) === 'EISDIR') return undefined
    throw error
  } finally {
    await file.close()
  }
}

function decodeReflog(ref: string, bytes: Uint8Array | undefined): LogEntry[] {
  if (bytes === undefined) return []
  const lines = decodeName(bytes).split('\n')
  return lines.map((line) => decodeLine(ref, line)).filter((entry) => entry !== undefined)
}

function decodeLine(ref: string, line: string): LogEntry | undefined {
  const match = /^([0-9a-f]{40}) ([0-9a-f]{40}) (.*?>) (\d+) [+-]\d{4}(?:\t(.*))?$/.exec(line)
  if (match === null) return undefined
  const [, from = '', to = '', who = '', seconds = '', why = ''] = match
  const external = who === STRANGER
  const at = Number(seconds) * 1000
  return { ref, from: known(from), to: known(to), who: external ? '' : who, at, why, external }
}

function known(oid: string): Oid | undefined {
  return isOid(oid) && oid !== ZERO_OID ? oid : undefined
}

/** `Name <address>` without what would break the line. */
function identityOf(who: string): string {
  const line = who.replaceAll(/[\0-\x1f]+/g, ' ').trim()
  return /^[^<>]* <[^<>]*>$/.test(line) ? line : `${line.replaceAll(/[<>]/g, '').trim()} <>`
}
