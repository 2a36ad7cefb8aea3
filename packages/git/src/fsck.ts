/**
 * Fsck: what is wrong with one object, in the words and with the severities of `git fsck`.
 *
 * Checks that need more than one object (missing links, the content of `.gitmodules`) are made elsewhere or not at all.
 *
 * Spec: https://git-scm.com/docs/git-fsck#_fsck_messages
 *
 * @module
 */
import { decodeName } from './bytes.ts'
import { MalformedError } from './error.ts'
import { checkCommit, checkTag } from './fsck-headers.ts'
import type { GitObject } from './object.ts'
import { problemOfName, specialFilesOf } from './path.ts'
import { isTreeMode, MODES, TreeCursor } from './tree.ts'
import { kindOfMode } from './tree-entry.ts'

/**
 * How bad it is to Git: `error` is refused by a server that checks, `warning` only by one that is strict, `info` by none.
 */
export type Severity = 'error' | 'warning' | 'info'

/** Something that is wrong with an object. */
export interface Problem {
  /** Git's name for it, as in `fsck.<id>`. */
  readonly id: string
  readonly severity: Severity
  /** For people. */
  readonly message: string
}

/** What is wrong with the object, the same thing once. */
export function checkObject(object: GitObject): Problem[] {
  if (object.type === 'tree') return checkTree(object.body)
  if (object.type === 'commit') return checkCommit(object.body)
  return object.type === 'tag' ? checkTag(object.body) : []
}

const treeProblems = {
  badTree: ['error', 'cannot be parsed as a tree'],
  duplicateEntries: ['error', 'contains duplicate file entries'],
  treeNotSorted: ['error', 'not properly sorted'],
  gitmodulesSymlink: ['error', '.gitmodules is a symbolic link'],
  nullSha1: ['warning', 'contains entries pointing to null sha1'],
  fullPathname: ['warning', 'contains full pathnames'],
  emptyName: ['warning', 'contains empty pathname'],
  hasDot: ['warning', "contains '.'"],
  hasDotdot: ['warning', "contains '..'"],
  hasDotgit: ['warning', "contains '.git'"],
  zeroPaddedFilemode: ['warning', 'contains zero-padded file modes'],
  badFilemode: ['info', 'contains bad file modes'],
  gitattributesSymlink: ['info', '.gitattributes is a symlink'],
  gitignoreSymlink: ['info', '.gitignore is a symlink'],
  mailmapSymlink: ['info', '.mailmap is a symlink'],
} as const satisfies Record<string, readonly [Severity, string]>

type TreeProblem = keyof typeof treeProblems

const standardModes: ReadonlySet<number> = new Set(Object.values(MODES))

function checkTree(body: Uint8Array): Problem[] {
  const found = new Set<TreeProblem>()
  try {
    for (const check = new TreeCheck(body, found); check.next(););
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error
    found.clear()
    found.add('badTree')
  }
  return [...found].map((id) => ({
    id,
    severity: treeProblems[id][0],
    message: treeProblems[id][1],
  }))
}

/** A walk over a tree that keeps what its order is checked against. */
class TreeCheck {
  readonly #cursor: TreeCursor
  readonly #found: Set<TreeProblem>
  /** Where the name before stands, and whether it is a directory. */
  #before = { start: 0, end: 0, isTree: false }
  #isFirst = true
  /** Files whose name begins the names behind them: a directory of the same name may still follow. */
  readonly #files: { start: number; end: number }[] = []

  constructor(body: Uint8Array, found: Set<TreeProblem>) {
    this.#cursor = new TreeCursor(body)
    this.#found = found
  }

  next(): boolean {
    const cursor = this.#cursor
    if (!cursor.next()) return false
    const { body, mode } = cursor
    if (body[cursor.start] === 0x30) this.#found.add('zeroPaddedFilemode')
    if (!standardModes.has(mode)) this.#found.add('badFilemode')
    if (isNull(body, cursor.oidStart)) this.#found.add('nullSha1')
    if (mayBeSpecial(body, cursor.nameStart, cursor.oidStart - 1)) this.#checkName()
    this.#checkOrder()
    return true
  }

  #checkName(): void {
    const { body, nameStart, oidStart, mode } = this.#cursor
    const name = decodeName(body.subarray(nameStart, oidStart - 1))
    const problem = problemOfName(name)
    if (problem !== undefined && problem !== 'nulInName') this.#found.add(problem)
    if (kindOfMode(mode) !== 'symlink') return
    for (const special of specialFilesOf(name)) this.#found.add(`${special}Symlink`)
  }

  #checkOrder(): void {
    const { body, nameStart, oidStart, mode } = this.#cursor
    const name = { start: nameStart, end: oidStart - 1, isTree: isTreeMode(mode) }
    const before = this.#before
    this.#before = name
    if (this.#isFirst) {
      this.#isFirst = false
    } else {
      const order = compareRanges(body, before, name)
      if (order === 'same') this.#found.add('duplicateEntries')
      if (order === 'after') this.#found.add('treeNotSorted')
    }
    this.#checkLateDuplicate(name)
  }

  /** A file `a`, then `a.txt`, then a directory `a`: in order, and twice the same name. */
  #checkLateDuplicate(name: { start: number; end: number; isTree: boolean }): void {
    const files = this.#files
    for (let file = files.at(-1); file !== undefined; file = files.at(-1)) {
      if (beginsWith(this.#cursor.body, name, file)) break
      files.pop()
    }
    const file = files.at(-1)
    if (!name.isTree) files.push(name)
    else if (file !== undefined && file.end - file.start === name.end - name.start)
      this.#found.add('duplicateEntries')
  }
}

interface Range {
  readonly start: number
  readonly end: number
}

function compareRanges(
  body: Uint8Array,
  a: Range & { readonly isTree: boolean },
  b: Range & { readonly isTree: boolean },
): 'before' | 'same' | 'after' {
  const shared = Math.min(a.end - a.start, b.end - b.start)
  for (let i = 0; i < shared; i++) {
    const difference = (body[a.start + i] ?? 0) - (body[b.start + i] ?? 0)
    if (difference !== 0) return difference < 0 ? 'before' : 'after'
  }
  const isEndA = a.end - a.start === shared
  const isEndB = b.end - b.start === shared
  if (isEndA && isEndB) return 'same'
  const nextA = isEndA ? (a.isTree ? 0x2f : 0) : (body[a.start + shared] ?? 0)
  const nextB = isEndB ? (b.isTree ? 0x2f : 0) : (body[b.start + shared] ?? 0)
  return nextA < nextB ? 'before' : 'after'
}

function beginsWith(body: Uint8Array, name: Range, begin: Range): boolean {
  if (name.end - name.start < begin.end - begin.start) return false
  for (let i = begin.start, k = name.start; i < begin.end; i++, k++)
    if (body[i] !== body[k]) return false
  return true
}

function isNull(body: Uint8Array, oidStart: number): boolean {
  for (let i = oidStart; i < oidStart + 20; i++) if (body[i] !== 0) return false
  return true
}

/** Whether the name can be a special one at all: nearly none can, and the exact answer takes a text. */
function mayBeSpecial(body: Uint8Array, start: number, end: number): boolean {
  if (body[start] === 0x2e) return true
  for (let i = start; i < end; i++) {
    const byte = body[i] ?? 0
    // A slash, a backslash, a tilde, or anything that is not ASCII.
    if (byte === 0x2f || byte === 0x5c || byte >= 0x7e) return true
  }
  return false
}
