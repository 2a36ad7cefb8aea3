/**
 * Config edit: changes in the `config` of a Git directory, as Git makes them.
 *
 * A new file is written beside it as `config.lock`, which keeps others out, and takes its place. All that a change is not
 * about stays as it is, byte for byte.
 *
 * Spec: https://git-scm.com/docs/git-config ("CONFIGURATION FILE")
 *
 * @module
 */
import { open, rename, rm } from 'node:fs/promises'

import { concat, decodeName, encodeName, utf8 } from '@datakit/git/bytes'
import { UnavailableError } from '@datakit/git/error'

import { errorCode, readIfThere } from './durable.ts'

const LINE_FEED = 10
const QUOTE = 34
const BACKSLASH = 92
/** `#` and `;`, which begin a comment outside of quotes. */
const COMMENTS: ReadonlySet<number | undefined> = new Set([35, 59])

/**
 * Changes the file. What `edit` throws leaves it as it is.
 *
 * @throws UnavailableError when somebody else is changing the file
 */
export async function changeConfig(
  directory: string,
  edit: (before: Uint8Array) => Uint8Array,
): Promise<void> {
  const lock = `${directory}/config.lock`
  const handle = await open(lock, 'wx').catch((cause: unknown) => {
    if (errorCode(cause) !== 'EEXIST') throw cause
    throw new UnavailableError(
      `Cannot change "${directory}/config": "${lock}" is there, somebody else is changing it; if nobody is, remove it`,
      { cause },
    )
  })
  try {
    try {
      const before = (await readIfThere(`${directory}/config`)) ?? new Uint8Array(0)
      await handle.writeFile(edit(before))
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(lock, `${directory}/config`)
  } catch (error) {
    await rm(lock, { force: true })
    throw error
  }
}

/** The file with a section behind everything else. */
export function withSection(
  before: Uint8Array,
  section: { readonly name: string; readonly below?: string | undefined },
  settings: readonly (readonly [key: string, value: string])[],
): Uint8Array {
  const isOpen = before.length > 0 && before.at(-1) !== LINE_FEED
  const below = section.below === undefined ? '' : ` "${escaped(section.below)}"`
  const lines = [`[${section.name}${below}]`, ...settings.map(([key, value]) => line(key, value))]
  return concat([before, utf8(isOpen ? '\n' : ''), encodeName(`${lines.join('\n')}\n`)])
}

/**
 * The file with a key set to a value: in its last line if it has one, else behind the last section of its name, else in a
 * new one.
 *
 * @param key `section.key` or `section.SUBSECTION.key`
 */
export function withSetting(before: Uint8Array, key: string, value: string): Uint8Array {
  const end = key.lastIndexOf('.')
  const [section, name] = [key.slice(0, end), key.slice(end + 1)]
  const lines = [...logicalLines(before)]
  let [last, at] = [-1, -1]
  let isWithin = false
  for (const [i, bytes] of lines.entries()) {
    const header = sectionOf(bytes)
    if (header !== undefined) isWithin = header === section
    if (!isWithin) continue
    last = i
    if (header === undefined && keyOf(bytes) === name.toLowerCase()) at = i
  }
  if (last < 0) {
    const [first = '', ...below] = section.split('.')
    const named = { name: first, below: below.length === 0 ? undefined : below.join('.') }
    return withSection(before, named, [[name, value]])
  }
  const added = encodeName(`${line(name, value)}\n`)
  if (at >= 0) lines[at] = added
  else {
    const isOpen = lines[last]?.at(-1) !== LINE_FEED
    lines.splice(last + 1, 0, isOpen ? concat([utf8('\n'), added]) : added)
  }
  return concat(lines)
}

/** The file with another value of a key that it has: where the first one was, and nowhere else. */
export function withReplaced(before: Uint8Array, key: string, value: string): Uint8Array {
  const end = key.lastIndexOf('.')
  const [section, name] = [key.slice(0, end), key.slice(end + 1)]
  // A key may stand behind the name of its section.
  const pattern = new RegExp(`^(\\s*(?:\\[[^\\n]*\\])?[ \\t]*${name}[ \\t]*=)`, 'i')
  const kept: Uint8Array[] = []
  let [isWithin, isSet] = [false, false]
  for (const bytes of logicalLines(before)) {
    const header = sectionOf(bytes)
    if (header !== undefined) isWithin = header === section
    const found = isWithin ? pattern.exec(decodeName(bytes))?.[1] : undefined
    if (found === undefined) kept.push(bytes)
    else if (!isSet) kept.push(encodeName(`${found} ${quoted(value)}\n`))
    isSet ||= found !== undefined
  }
  return concat(kept)
}

/** The file without the sections of a name, as in `remote.origin`: from the line that begins one to the line that begins another. */
export function withoutSection(before: Uint8Array, section: string): Uint8Array {
  const kept: Uint8Array[] = []
  let isOurs = false
  for (const bytes of logicalLines(before)) {
    const header = sectionOf(bytes)
    if (header !== undefined) isOurs = header === section
    if (!isOurs) kept.push(bytes)
  }
  return concat(kept)
}

function line(key: string, value: string): string {
  return `\t${key} = ${quoted(value)}`
}

/** Quoted where it would be read as something else. */
function quoted(value: string): string {
  return /^[\w@:/+.*~^=-]*$/.test(value) ? value : `"${escaped(value)}"`
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

/** Lines with their line feeds; one that ends with a backslash goes on, unless that is in a comment. */
function* logicalLines(bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
  let start = 0
  let [isQuoted, isComment] = [false, false]
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === BACKSLASH && !isComment) at++
    else if (byte === QUOTE && !isComment) isQuoted = !isQuoted
    else if (COMMENTS.has(byte) && !isQuoted) isComment = true
    else if (byte === LINE_FEED) {
      yield bytes.subarray(start, at + 1)
      start = at + 1
      ;[isQuoted, isComment] = [false, false]
    }
  }
  if (start < bytes.length) yield bytes.subarray(start)
}

/** `remote.origin` for a line that begins with `[remote "origin"]`; `undefined` for one that begins no section. */
function sectionOf(bytes: Uint8Array): string | undefined {
  const text = new TextDecoder().decode(bytes)
  const match = /^\s*\[([A-Za-z0-9.-]+)(?:[ \t]+"((?:[^"\\\n]|\\[^\n])*)")?[ \t]*\]/.exec(text)
  if (match === null) return undefined
  const [, section = '', below] = match
  const name = below === undefined ? '' : `.${below.replaceAll(/\\(.)/g, '$1')}`
  return `${section.toLowerCase()}${name}`
}

/** The key of a line that sets one, in lower case. */
function keyOf(bytes: Uint8Array): string | undefined {
  return /^\s*([A-Za-z][A-Za-z0-9-]*)/.exec(new TextDecoder().decode(bytes))?.[1]?.toLowerCase()
}
