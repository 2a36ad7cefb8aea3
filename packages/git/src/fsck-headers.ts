/**
 * Fsck of what has headers: commits and tags.
 *
 * Spec: https://git-scm.com/docs/git-fsck#_fsck_messages
 *
 * @module
 */
import { decodeName } from './bytes.ts'
import type { Problem, Severity } from './fsck.ts'
import { isOid } from './oid.ts'
import { isRefName } from './ref-name.ts'

/** What is wrong with a commit. Like Git, stops at the first error. */
export function checkCommit(body: Uint8Array): Problem[] {
  const check = new HeaderCheck(body)
  if (check.checkEnd() && check.checkCommitLines() && body.includes(0)) {
    check.report('nulInCommit', 'warning', 'NUL byte in the commit object body')
  }
  return check.problems
}

/** What is wrong with a tag. Like Git, stops at the first error. */
export function checkTag(body: Uint8Array): Problem[] {
  const check = new HeaderCheck(body)
  if (check.checkEnd()) check.checkTagLines()
  return check.problems
}

const OID_LINE = /^([0-9a-f]{40})$/
const types: readonly string[] = ['commit', 'tree', 'blob', 'tag']

/** Goes through the lines from the top. Each check says whether the next one makes sense. */
class HeaderCheck {
  readonly problems: Problem[] = []
  readonly #lines: string[]
  /** How many of the lines end with a line feed. */
  readonly #ended: number
  #next = 0
  readonly #text: string

  constructor(body: Uint8Array) {
    const end = headersEnd(body)
    this.#text = decodeName(body.subarray(0, end))
    this.#lines = this.#text.split('\n')
    this.#ended = this.#lines.length - 1
  }

  report(id: string, severity: Severity, message: string): false {
    this.problems.push({ id, severity, message })
    return false
  }

  /** Whether the headers end, in an empty line or with the object, and hold no zero byte. */
  checkEnd(): boolean {
    const zero = this.#text.indexOf('\0')
    if (zero >= 0)
      return this.report('nulInHeader', 'error', `unterminated header: NUL at offset ${zero}`)
    if (this.#text.endsWith('\n')) return true
    return this.report('unterminatedHeader', 'error', 'unterminated header')
  }

  checkCommitLines(): boolean {
    if (!this.#checkOid('tree', 'missingTree', 'badTreeSha1')) return false
    while (this.#has('parent')) if (!this.#checkOid('parent', '', 'badParentSha1')) return false
    let authors = 0
    for (; this.#has('author'); authors++) if (!this.#checkIdentity('author')) return false
    if (authors === 0) return this.#missing('missingAuthor', 'author')
    if (authors > 1)
      return this.report('multipleAuthors', 'error', "invalid format - multiple 'author' lines")
    if (!this.#has('committer')) return this.#missing('missingCommitter', 'committer')
    return this.#checkIdentity('committer')
  }

  checkTagLines(): boolean {
    if (!this.#checkOid('object', 'missingObject', 'badObjectSha1')) return false
    if (!this.#has('type')) return this.#missing('missingTypeEntry', 'type')
    if (!types.includes(this.#take('type')))
      return this.report('badType', 'error', "invalid 'type' value")
    if (!this.#has('tag')) return this.#missing('missingTagEntry', 'tag')
    const name = this.#take('tag')
    if (!isRefName(`refs/tags/${name}`))
      this.report('badTagName', 'info', `invalid 'tag' name: ${name}`)
    if (this.#has('tagger')) return this.#checkIdentity('tagger')
    this.report('missingTaggerEntry', 'info', "invalid format - expected 'tagger' line")
    return true
  }

  #has(word: string): boolean {
    return this.#next < this.#ended && (this.#lines[this.#next]?.startsWith(`${word} `) ?? false)
  }

  #take(word: string): string {
    return this.#lines[this.#next++]?.slice(word.length + 1) ?? ''
  }

  #missing(id: string, word: string): false {
    return this.report(id, 'error', `invalid format - expected '${word}' line`)
  }

  #checkOid(word: string, missing: string, bad: string): boolean {
    if (!this.#has(word)) return this.#missing(missing, word)
    const value = this.#take(word)
    if (OID_LINE.test(value) && isOid(value)) return true
    return this.report(bad, 'error', `invalid '${word}' line format - bad sha1`)
  }

  #checkIdentity(word: string): boolean {
    const problem = problemOfIdentity(this.#take(word))
    if (problem === undefined) return true
    return this.report(
      problem,
      'error',
      `invalid author/committer line - ${identityProblems[problem]}`,
    )
  }
}

/** The byte behind the headers' last line feed, as far as they go. */
function headersEnd(body: Uint8Array): number {
  for (let i = body.indexOf(0x0a); i >= 0; i = body.indexOf(0x0a, i + 1))
    if (body[i + 1] === 0x0a) return i + 1
  return body.length
}

const identityProblems = {
  missingNameBeforeEmail: 'missing space before email',
  badName: 'bad name',
  missingEmail: 'missing email',
  missingSpaceBeforeEmail: 'missing space before email',
  badEmail: 'bad email',
  missingSpaceBeforeDate: 'missing space before date',
  zeroPaddedDate: 'zero-padded date',
  badDateOverflow: 'date causes integer overflow',
  badDate: 'bad date',
  badTimezone: 'bad time zone',
} as const

/** Times from here on do not fit where Git keeps them. */
const TIME_END = 2n ** 63n

function problemOfIdentity(line: string): keyof typeof identityProblems | undefined {
  if (line.startsWith('<')) return 'missingNameBeforeEmail'
  const opening = line.search(/[<>]/)
  if (opening < 0) return 'missingEmail'
  if (line[opening] === '>') return 'badName'
  if (line[opening - 1] !== ' ') return 'missingSpaceBeforeEmail'
  const rest = line.slice(opening + 1)
  const closing = rest.search(/[<>]/)
  if (closing < 0 || rest[closing] === '<') return 'badEmail'
  if (rest[closing + 1] !== ' ') return 'missingSpaceBeforeDate'
  return problemOfTime(rest.slice(closing + 2))
}

function problemOfTime(time: string): keyof typeof identityProblems | undefined {
  if (time.startsWith('0') && time[1] !== ' ') return 'zeroPaddedDate'
  const match = /^[ \t]*([+-]?)(\d+)/.exec(time)
  const seconds = BigInt(match?.[2]?.slice(0, 30) ?? '0')
  if (seconds >= TIME_END || (match?.[1] === '-' && seconds > 0n)) return 'badDateOverflow'
  const behind = time.slice(match?.[0].length ?? 0)
  if (match === null || !behind.startsWith(' ')) return 'badDate'
  return /^ [+-]\d{4}$/.test(behind) ? undefined : 'badTimezone'
}
