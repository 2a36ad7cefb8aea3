/**
 * Config: a repository's `config` file, read as Git reads it.
 *
 * Honoured: sections with and without subsection, quoting, escapes, comments, continued lines, keys without a value,
 * `include.path`, and `includeIf` with `gitdir:` and `gitdir/i:`. Other conditions never hold. Neither the user's nor the
 * system's file is read: a server's repositories say for themselves what may be done to them.
 *
 * Spec: https://git-scm.com/docs/git-config ("CONFIGURATION FILE")
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, matchesGlob, resolve } from 'node:path'

import { text } from '@datakit/git/bytes'
import { MalformedError } from '@datakit/git/error'

import { isAbsent } from './durable.ts'

/** A key and what it is set to; `undefined` for a key without `=`, which is true. */
export interface Setting {
  /** `section.key` or `section.subsection.key`, section and key in lower case. */
  readonly key: string
  readonly value: string | undefined
}

/** How deep files include files, as in Git. */
const DEPTH = 10

/** The settings of one repository. Keys are as Git prints them; the case of section and key does not matter. */
export class Config {
  readonly #settings: readonly Setting[]

  constructor(settings: readonly Setting[]) {
    this.#settings = settings
  }

  /** What a key is set to last; `undefined` when it is not, `true` for a key without a value. */
  get(key: string): string | undefined {
    return this.getAll(key).at(-1)
  }

  /** Everything a key is set to, in the order of the file. */
  getAll(key: string): string[] {
    const wanted = normalise(key)
    return this.#settings.filter((each) => each.key === wanted).map(({ value }) => value ?? 'true')
  }

  /** A key as yes or no; `undefined` when it is not set. @throws MalformedError when it is neither */
  bool(key: string): boolean | undefined {
    const value = this.get(key)?.toLowerCase()
    if (value === undefined) return undefined
    if (['true', 'yes', 'on'].includes(value) || /^[+-]?0*[1-9]\d*$/.test(value)) return true
    if (['false', 'no', 'off', ''].includes(value) || /^[+-]?0+$/.test(value)) return false
    throw new MalformedError('the configuration', `"${key}" is "${value}", expected yes or no`)
  }

  /** A key as a number, `k`, `m` and `g` multiplied out; `undefined` when it is not set. @throws MalformedError */
  int(key: string): number | undefined {
    const value = this.get(key)
    if (value === undefined) return undefined
    const match = /^\s*([+-]?\d+)([kmg]?)\s*$/i.exec(value)
    if (match === null)
      throw new MalformedError('the configuration', `"${key}" is "${value}", expected a number`)
    return Number(match[1]) * 1024 ** ['', 'k', 'm', 'g'].indexOf((match[2] ?? '').toLowerCase())
  }

  /** Every setting, in the order of the file. */
  all(): readonly Setting[] {
    return this.#settings
  }
}

/**
 * How long a lock of Git's is waited for, by its path, in milliseconds: what the configuration says, as in Git without an end
 * where it is negative, or else `otherwise`.
 *
 * @throws MalformedError when it says no number
 */
export function lockTimeouts(config: Config, otherwise: number): (path: string) => number {
  const [refs, packed] = ['core.filesRefLockTimeout', 'core.packedRefsTimeout'].map((key) => {
    const timeout = config.int(key) ?? otherwise
    return timeout < 0 ? Infinity : timeout
  })
  return (path) => (path === 'packed-refs' ? packed : refs) ?? otherwise
}

/** A path of the configuration: below the home of whoever runs this program (`~/`), or else seen from a directory. */
export function pathIn(directory: string, path: string): string {
  return path.startsWith('~/') ? homedir() + path.slice(1) : resolve(directory, path)
}

/**
 * Reads the `config` of a Git directory and what it includes, and behind it what is said for its main working tree alone
 * (`config.worktree`), where that is looked at. @throws MalformedError with the file and line
 */
export function readConfig(gitDirectory: string): Config {
  const shared = readFile(`${gitDirectory}/config`, gitDirectory, 0)
  const config = new Config(shared)
  if (config.bool('extensions.worktreeConfig') !== true) return config
  return new Config([...shared, ...readFile(`${gitDirectory}/config.worktree`, gitDirectory, 0)])
}

function readFile(path: string, gitDirectory: string, depth: number): Setting[] {
  if (depth > DEPTH)
    throw new MalformedError(`"${path}"`, `files are included more than ${DEPTH} deep`)
  let body
  try {
    body = text(readFileSync(path))
  } catch (error) {
    if (isAbsent(error)) return []
    throw error
  }
  return parseConfig(body, path).flatMap((setting) => {
    const included = includedPath(setting, path, gitDirectory)
    return included === undefined
      ? [setting]
      : [setting, ...readFile(included, gitDirectory, depth + 1)]
  })
}

function includedPath(
  { key, value }: Setting,
  from: string,
  gitDirectory: string,
): string | undefined {
  if (value === undefined) return undefined
  const condition = /^includeif\.(.*)\.path$/s.exec(key)?.[1]
  if (key !== 'include.path' && (condition === undefined || !holds(condition, from, gitDirectory)))
    return undefined
  return pathIn(dirname(from), value)
}

function holds(condition: string, from: string, gitDirectory: string): boolean {
  const match = /^gitdir(\/i)?:(.+)$/s.exec(condition)
  if (match === null) return false
  let pattern = match[2] ?? ''
  if (pattern.startsWith('~/')) pattern = homedir() + pattern.slice(1)
  else if (pattern.startsWith('./')) pattern = dirname(from) + pattern.slice(1)
  else if (!isAbsolute(pattern)) pattern = `**/${pattern}`
  if (pattern.endsWith('/')) pattern += '**'
  const fold = (path: string) => (match[1] === undefined ? path : path.toLowerCase())
  const path = fold(resolve(gitDirectory))
  // A directory is within itself.
  return [pattern, pattern.replace(/\/\*\*$/, '')].some((each) => matchesGlob(path, fold(each)))
}

/** The settings in the text of a configuration file. @throws MalformedError with the line that is wrong */
export function parseConfig(body: string, name = 'config'): Setting[] {
  return new Parser(body.replace(/^\ufeff/, '').replaceAll('\r\n', '\n'), name).parse()
}

class Parser {
  readonly #body: string
  readonly #name: string
  readonly #settings: Setting[] = []
  #at = 0
  /** The section that keys are in, with its point; keys before the first are in none. */
  #section = ''

  constructor(body: string, name: string) {
    this.#body = body
    this.#name = name
  }

  parse(): Setting[] {
    for (;;) {
      this.#skip(/[ \t\n\f\v]*/y)
      const next = this.#body[this.#at]
      if (next === undefined) return this.#settings
      if (next === '#' || next === ';') this.#skip(/[^\n]*/y)
      else if (next === '[') this.#readSection()
      else this.#readSetting()
    }
  }

  #readSection(): void {
    const match = this.#match(/\[([A-Za-z0-9.-]+)(?:[ \t]+"((?:[^"\\\n]|\\[^\n])*)")?[ \t]*\]/y)
    if (match === undefined) throw this.#wrong('expected a section')
    const [, section = '', subsection] = match
    const name = section.toLowerCase()
    const below = subsection === undefined ? '' : `${subsection.replaceAll(/\\(.)/g, '$1')}.`
    this.#section = `${name}.${below}`
  }

  #readSetting(): void {
    const key = this.#match(/([A-Za-z][A-Za-z0-9-]*)[ \t]*/y)?.[1]
    if (key === undefined) throw this.#wrong('expected a key')
    const hasValue = this.#match(/=[ \t]*/y) !== undefined
    const value = hasValue ? this.#readValue() : undefined
    if (!hasValue && this.#match(/(?=[\n#;]|$)/y) === undefined) throw this.#wrong('expected "="')
    this.#settings.push({ key: this.#section + key.toLowerCase(), value })
  }

  /** A value to the end of its line. Blanks at its end count only within quotes. */
  #readValue(): string {
    let value = ''
    let kept = 0
    for (let quoted = false; ;) {
      const next = this.#body[this.#at]
      if (next === undefined || next === '\n') {
        if (quoted) throw this.#wrong('a quote is not closed')
        return value.slice(0, kept)
      }
      this.#at++
      if (next === '"') quoted = !quoted
      else if (next === '\\') value += this.#readEscape()
      else if (!quoted && (next === '#' || next === ';')) this.#skip(/[^\n]*/y)
      else value += next
      if (quoted || next === '"' || next === '\\' || !/[ \t#;]/.test(next)) kept = value.length
    }
  }

  #readEscape(): string {
    const next = this.#body[this.#at++] ?? ''
    const meaning = { n: '\n', t: '\t', b: '\b', '\\': '\\', '"': '"', '\n': '' }[next]
    if (meaning === undefined) throw this.#wrong(`"\\${next}" is no escape`)
    return meaning
  }

  #skip(pattern: RegExp): void {
    this.#match(pattern)
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#body) ?? undefined
    if (match !== undefined) this.#at = pattern.lastIndex
    return match
  }

  #wrong(problem: string): MalformedError {
    const line = this.#body.slice(0, this.#at).split('\n').length
    return new MalformedError(`"${this.#name}"`, `line ${line}: ${problem}`)
  }
}

function normalise(key: string): string {
  const first = key.indexOf('.')
  const last = key.lastIndexOf('.')
  if (first === last) return key.toLowerCase()
  return key.slice(0, first).toLowerCase() + key.slice(first, last) + key.slice(last).toLowerCase()
}
