/**
 * Object directories: a repository's own `objects`, and those that it borrows from (`objects/info/alternates`), which
 * are read and never written.
 *
 * Spec: https://git-scm.com/docs/gitrepository-layout ("objects/info/alternates")
 *
 * @module
 */
import { readdirSync } from 'node:fs'
import { isAbsolute, resolve } from 'node:path'

import { isAbsent } from './durable.ts'
import { FileCache } from './file-cache.ts'

/** How deep alternates of alternates are followed, as in Git. */
const DEPTH = 5

/** The object directories of one repository. */
export class ObjectDirectories {
  /** The repository's own: `objects` in its Git directory. */
  readonly own: string
  readonly #alternates = new FileCache(decodeAlternates)

  constructor(gitDirectory: string) {
    this.own = `${gitDirectory}/objects`
  }

  /** The repository's own first, then the borrowed ones, each once. */
  list(): string[] {
    const found = [this.own]
    this.#follow(this.own, found, 0)
    return found
  }

  #follow(directory: string, found: string[], depth: number): void {
    if (depth === DEPTH) return
    for (const line of this.#alternates.read(`${directory}/info/alternates`) ?? []) {
      const path = isAbsolute(line) ? line : resolve(directory, line)
      if (found.includes(path)) continue
      found.push(path)
      this.#follow(path, found, depth + 1)
    }
  }
}

/** Names in a directory, none when there is no such directory. */
export function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if (isAbsent(error)) return []
    throw error
  }
}

/** The lines of a file of alternates: paths, each quoted as in C where it begins with `"`. */
export function decodeAlternates(bytes: Uint8Array): string[] {
  const lines = Buffer.from(bytes).toString('latin1').split('\n')
  const paths = lines.filter((line) => line !== '' && !line.startsWith('#'))
  return paths.map((line) => Buffer.from(unquote(line) ?? line, 'latin1').toString())
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '"': '"',
  '\\': '\\',
}

/** What a quoted line stands for, a character a byte; `undefined` for one that Git takes as it is. */
function unquote(line: string): string | undefined {
  const quoted = /^"((?:[^"\\]|\\[abfnrtv"\\]|\\[0-3][0-7]{2})*)"/.exec(line)?.[1]
  return quoted?.replaceAll(
    /\\([0-3][0-7]{2}|.)/g,
    (_, escape: string) => ESCAPES[escape] ?? String.fromCharCode(Number.parseInt(escape, 8)),
  )
}
