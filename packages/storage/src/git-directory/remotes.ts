/**
 * Remotes of a Git directory: sections `[remote "NAME"]` of its `config`, which stock Git reads and writes too.
 *
 * The file is changed as Git changes it: a new one is written beside it as `config.lock`, which keeps others out, and takes
 * its place. All that is not about the remote stays as it is, byte for byte.
 *
 * Spec: https://git-scm.com/docs/git-config ("CONFIGURATION FILE", remote.<name>.url, remote.<name>.fetch)
 *
 * @module
 */
import { open, rename, rm } from 'node:fs/promises'

import { concat, decodeName, encodeName, utf8 } from '@datakit/git/bytes'
import { RefusedError, UnavailableError } from '@datakit/git/error'
import { compareNames } from '@datakit/git/ref-name'
import type { NamedRemote, RemoteList } from '@datakit/git/remote-list'

import { readConfig } from './config.ts'
import { errorCode, readIfThere } from './durable.ts'
import { readRemoteHead, setRemoteHead } from './remote-head.ts'

const LINE_FEED = 10
const QUOTE = 34
const BACKSLASH = 92
/** `#` and `;`, which begin a comment outside of quotes. */
const COMMENTS: ReadonlySet<number | undefined> = new Set([35, 59])

/** The remotes of the Git directory at `directory`. Read anew each time: others may change them. */
export function gitDirectoryRemotes(directory: string): RemoteList {
  const list = async (): Promise<NamedRemote[]> => readRemotes(directory)
  return {
    list,
    async add(remote) {
      await change(directory, (before) => {
        if (readRemotes(directory).some(({ name }) => name === remote.name))
          throw new RefusedError('exists', `There is a remote "${remote.name}" already`)
        return append(before, remote)
      })
    },
    async setUrl(name, url) {
      if (!readRemotes(directory).some((remote) => remote.name === name)) return false
      await change(directory, (before) => withUrl(before, name, url))
      return true
    },
    async remove(name) {
      let isThere = false
      await change(directory, (before) => {
        const after = withoutSection(before, name)
        isThere = after.length < before.length
        return after
      })
      // A symbolic ref is moved by nobody but who knows Git directories.
      if (isThere && (await readRemoteHead(directory, name)) !== undefined)
        await setRemoteHead(directory, name, undefined)
      return isThere
    },
  }
}

/** Those that have a URL, in the order of their names. */
function readRemotes(directory: string): NamedRemote[] {
  const config = readConfig(directory)
  const names = new Set<string>()
  for (const { key } of config.all()) {
    const name = /^remote\.(.+)\.url$/s.exec(key)?.[1]
    if (name !== undefined) names.add(name)
  }
  return [...names].toSorted(compareNames).map((name) => ({
    name,
    // Git fetches from the first of several.
    url: config.getAll(`remote.${name}.url`)[0] ?? '',
    fetch: config.getAll(`remote.${name}.fetch`),
  }))
}

/** @throws UnavailableError when somebody else is changing the file */
async function change(directory: string, edit: (before: Uint8Array) => Uint8Array): Promise<void> {
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

function append(before: Uint8Array, { name, url, fetch }: NamedRemote): Uint8Array {
  const isOpen = before.length > 0 && before.at(-1) !== LINE_FEED
  const lines = [`[remote "${escaped(name)}"]`, `\turl = ${quoted(url)}`]
  for (const spec of fetch) lines.push(`\tfetch = ${quoted(spec)}`)
  return concat([before, utf8(isOpen ? '\n' : ''), encodeName(`${lines.join('\n')}\n`)])
}

/** Quoted where it would be read as something else. */
function quoted(value: string): string {
  return /^[\w@:/+.*~^-]*$/.test(value) ? value : `"${escaped(value)}"`
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

/** The file without the sections of a remote: from the line that begins one to the line that begins another. */
function withoutSection(before: Uint8Array, name: string): Uint8Array {
  const kept: Uint8Array[] = []
  let isOurs = false
  for (const line of logicalLines(before)) {
    const header = sectionOf(line)
    if (header !== undefined) isOurs = header === `remote.${name}`
    if (!isOurs) kept.push(line)
  }
  return concat(kept)
}

const URL_KEY = /^(\s*(?:\[[^\n]*\])?[ \t]*url[ \t]*=)/i

/** The file with another URL in the sections of a remote: where the first one was, and nowhere else. */
function withUrl(before: Uint8Array, name: string, url: string): Uint8Array {
  const kept: Uint8Array[] = []
  let isOurs = false
  let isSet = false
  for (const line of logicalLines(before)) {
    const header = sectionOf(line)
    if (header !== undefined) isOurs = header === `remote.${name}`
    const key = isOurs ? URL_KEY.exec(decodeName(line))?.[1] : undefined
    if (key === undefined) kept.push(line)
    else if (!isSet) kept.push(encodeName(`${key} ${quoted(url)}\n`))
    isSet ||= key !== undefined
  }
  return concat(kept)
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
function sectionOf(line: Uint8Array): string | undefined {
  const text = new TextDecoder().decode(line)
  const match = /^\s*\[([A-Za-z0-9.-]+)(?:[ \t]+"((?:[^"\\\n]|\\[^\n])*)")?[ \t]*\]/.exec(text)
  if (match === null) return undefined
  const [, section = '', below] = match
  const name = below === undefined ? '' : `.${below.replaceAll(/\\(.)/g, '$1')}`
  return `${section.toLowerCase()}${name}`
}
