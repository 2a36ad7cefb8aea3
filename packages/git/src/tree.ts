/**
 * Tree: one directory of one snapshot.
 *
 * A body is a row of entries: the mode in octal digits, a space, the name, a zero byte, the 20 bytes of the oid. Git
 * orders entries by the bytes of their names, a directory as if its name ended with a slash.
 *
 * Large directories are searched and changed in their bytes ({@link findEntry}, {@link editTree}): turning 10,000
 * entries into objects costs more than the rest of a commit, and so does walking over them ({@link boundaryBefore}).
 *
 * Spec: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects#_tree_objects
 *
 * @module
 */
import { concat, decodeName, encodeName, utf8 } from './bytes.ts'
import { MalformedError } from './error.ts'
import { encodeOid, OID_BYTES, readOid, type Oid } from './oid.ts'

/** Mode of an entry, a number as in `0o100644`. Old histories hold modes that Git does not write today, as 100664. */
export type Mode = number

/** The modes that Git writes. */
export const MODES = {
  file: 0o100644,
  executable: 0o100755,
  symlink: 0o120000,
  tree: 0o40000,
  gitlink: 0o160000,
} as const

/** What a name stands for in a tree. */
export interface EntryValue {
  readonly mode: Mode
  readonly oid: Oid
}

/** One entry of a tree. The name is one step of a path, see `decodeName` for bytes that are not UTF-8. */
export interface TreeEntry extends EntryValue {
  readonly name: string
}

/** An entry and its place in the body: `end` is the byte behind its oid. */
export interface FoundEntry extends EntryValue {
  readonly start: number
  readonly end: number
}

/** A changed body, and how to make it of the old one: a delta as packs hold it. */
export interface EditedTree {
  readonly body: Uint8Array<ArrayBuffer>
  readonly delta: Uint8Array<ArrayBuffer>
}

const SPACE = 0x20
const SLASH = 0x2f
/** The bits of a mode that say what an entry is. */
export const TYPE_BITS = 0o170000

/** Whether the entry is a directory. */
export function isTreeMode(mode: Mode): boolean {
  return (mode & TYPE_BITS) === MODES.tree
}

/** Whether the entry names a commit of another repository, which is never here. */
export function isGitlinkMode(mode: Mode): boolean {
  return (mode & TYPE_BITS) === MODES.gitlink
}

/**
 * Walks over the entries of a body without making objects: after {@link next} said yes, the fields tell where things are.
 */
export class TreeCursor {
  readonly body: Uint8Array
  mode: Mode = 0
  /** First byte of the entry, of its name, of its oid; `end` is the byte behind. */
  start = 0
  nameStart = 0
  oidStart = 0
  end = 0

  constructor(body: Uint8Array) {
    this.body = body
  }

  /**
   * Moves to the next entry; false behind the last.
   *
   * @throws MalformedError when the entry is cut short, its mode is not octal or its name is empty
   */
  next(): boolean {
    const { body } = this
    this.start = this.end
    if (this.start >= body.length) return false
    let i = this.start
    let mode = 0
    for (let digit = body[i]; digit !== SPACE; digit = body[++i]) {
      if (digit === undefined || digit < 0x30 || digit > 0x37 || mode > 0xffff)
        throw malformed(this.start, 'mode')
      mode = mode * 8 + digit - 0x30
    }
    if (i === this.start) throw malformed(this.start, 'mode')
    this.mode = mode
    this.nameStart = i + 1
    // Names are short: calling out for the search would cost more than searching.
    while (body[++i]);
    if (i === this.nameStart) throw malformed(this.start, 'name')
    this.oidStart = i + 1
    this.end = this.oidStart + OID_BYTES
    if (this.end > body.length) throw malformed(this.start, 'oid')
    return true
  }

  /** The entry as an object. */
  entry(): TreeEntry {
    return { mode: this.mode, name: this.name(), oid: this.oid() }
  }

  name(): string {
    return decodeName(this.body.subarray(this.nameStart, this.oidStart - 1))
  }

  oid(): Oid {
    return readOid(this.body, this.oidStart)
  }
}

/**
 * Where an entry begins: near `to`, not behind it, and found without walking over those in front. `from` must be such a
 * place itself, and is the answer where nothing nearer can be proved.
 *
 * A zero byte with twenty in front of it that are none ends a name: one within an oid has the end of its own name closer.
 */
export function boundaryBefore(body: Uint8Array, from: number, to: number): number {
  let zero = body.lastIndexOf(0, Math.max(0, to - OID_BYTES - 1))
  while (zero > from) {
    const before = body.lastIndexOf(0, zero - 1)
    if (before < from || zero - before > OID_BYTES) return zero + OID_BYTES + 1
    zero = before
  }
  return from
}

function malformed(start: number, what: string): MalformedError {
  return new MalformedError('a tree', `the entry at byte ${start} has no ${what}`)
}

/** All entries of a body, in the order in which they stand. @throws MalformedError */
export function decodeTree(body: Uint8Array): TreeEntry[] {
  const entries: TreeEntry[] = []
  for (const cursor = new TreeCursor(body); cursor.next();) entries.push(cursor.entry())
  return entries
}

/**
 * The body of a tree that holds the entries, put into Git's order.
 *
 * @throws RangeError when a name is empty, holds a slash or a zero byte, or comes twice
 */
export function encodeTree(entries: readonly TreeEntry[]): Uint8Array<ArrayBuffer> {
  const names = new Set(entries.map(({ name }) => name))
  if (names.size < entries.length) throw new RangeError('Cannot encode a tree: a name comes twice')
  const cursors = entries.map((entry) => cursorAt(encodeChecked(entry)))
  return concat(cursors.sort(compareKeys).map(({ body }) => body))
}

/**
 * The entry called `name`; `undefined` if there is none. Git's order is relied on, as Git does: few entries of a large body
 * are looked at.
 *
 * @throws MalformedError
 */
export function findEntry(body: Uint8Array, name: string): FoundEntry | undefined {
  const bytes = encodeName(name)
  const cursor = new TreeCursor(body)
  // The file comes first: what it was not found at may already be the directory, and nothing in front of that is.
  let order = 1
  for (const mode of KEY_MODES) {
    const key = keyOf(bytes, mode)
    if (cursor.end > 0) order = compareKeys(key, cursor)
    if (order > 0) order = seek(cursor, key) ? compareKeys(key, cursor) : 1
    if (order === 0)
      return { mode: cursor.mode, oid: cursor.oid(), start: cursor.start, end: cursor.end }
  }
  return undefined
}

/** A tree with one entry set (`value`) or removed (`undefined`); see {@link editTree}. */
export function spliceEntry(
  body: Uint8Array,
  name: string,
  value: EntryValue | undefined,
): EditedTree {
  return editTree(body, new Map([[name, value]]))
}

/**
 * A tree with some entries set or removed (`undefined`). Entries that are not named keep their bytes, odd modes too.
 *
 * The cost is a search and a few copies for each edit; the delta has as many parts as there are edits.
 *
 * @throws MalformedError when what it looks at is not a tree
 * @throws RangeError when a name cannot be one
 */
export function editTree(
  body: Uint8Array,
  edits: ReadonlyMap<string, EntryValue | undefined>,
): EditedTree {
  const pieces = cutPieces(body, makeStops(edits))
  const edited = concat(
    pieces.map((piece) =>
      piece instanceof Uint8Array ? piece : body.subarray(piece.from, piece.to),
    ),
  )
  return { body: edited, delta: encodePieces(body.length, edited.length, pieces) }
}

/** What tells where an entry stands: its name, and whether it is a directory. */
type Key = Pick<TreeCursor, 'body' | 'mode' | 'nameStart' | 'oidStart'>

/** A file and a directory of one name stand at different places, and either may be the one that is there. */
const KEY_MODES = [MODES.file, MODES.tree]

function keyOf(body: Uint8Array, mode: Mode): Key {
  return { body, mode, nameStart: 0, oidStart: body.length + 1 }
}

/** Something that an edit does where the order reaches an entry: it takes out the one of that key or puts one in. */
interface Stop {
  readonly at: Key
  /** The entry to put in; `undefined` for taking out. */
  readonly insert: Uint8Array | undefined
}

/** Bytes to put in, or a range of the old body to keep. */
type Piece = Uint8Array | { readonly from: number; readonly to: number }

function makeStops(edits: ReadonlyMap<string, EntryValue | undefined>): Stop[] {
  const stops: Stop[] = []
  for (const [name, value] of edits) {
    const bytes = encodeName(name)
    for (const mode of KEY_MODES) stops.push({ at: keyOf(bytes, mode), insert: undefined })
    if (value === undefined) continue
    stops.push({ at: keyOf(bytes, value.mode), insert: encodeChecked({ name, ...value }) })
  }
  // Sorting is stable: what is taken out comes before what is put in at the same key.
  return stops.sort((a, b) => compareKeys(a.at, b.at))
}

/** A cursor at an entry. */
export function cursorAt(entry: Uint8Array): TreeCursor {
  const cursor = new TreeCursor(entry)
  cursor.next()
  return cursor
}

function cutPieces(body: Uint8Array, stops: readonly Stop[]): Piece[] {
  const pieces: Piece[] = []
  let kept = 0
  let next = 0
  const keepUntil = (end: number): void => {
    if (end > kept) pieces.push({ from: kept, to: end })
    kept = end
  }
  const cursor = new TreeCursor(body)
  for (let stop = stops[next]; stop !== undefined && seek(cursor, stop.at);) {
    for (; stop !== undefined; stop = stops[++next]) {
      const order = compareKeys(stop.at, cursor)
      if (order > 0) break
      if (stop.insert !== undefined) {
        keepUntil(order < 0 ? cursor.start : cursor.end)
        pieces.push(stop.insert)
      } else if (order === 0) {
        keepUntil(cursor.start)
        kept = cursor.end
      }
    }
  }
  keepUntil(body.length)
  for (const { insert } of stops.slice(next)) if (insert !== undefined) pieces.push(insert)
  return pieces
}

/** Bytes of entries that are walked over sooner than searched. */
const WALKED = 512

/** Moves on to the first entry behind that does not come before `key`; false when there is none. */
function seek(cursor: TreeCursor, key: Key): boolean {
  const { body } = cursor
  let low = cursor.end
  for (let high = body.length; high - low > WALKED;) {
    const middle = boundaryBefore(body, low, (low + high) >> 1)
    if (middle === low) break
    cursor.end = middle
    cursor.next()
    if (compareKeys(key, cursor) > 0) low = middle
    else high = middle
  }
  cursor.end = low
  while (cursor.next()) if (compareKeys(key, cursor) <= 0) return true
  return false
}

/** Git's order of the entries that two cursors are at: negative, zero or positive. */
export function compareKeys(a: Key, b: Key): number {
  const [lengthA, lengthB] = [a.oidStart - 1 - a.nameStart, b.oidStart - 1 - b.nameStart]
  const shared = Math.min(lengthA, lengthB)
  for (let i = 0; i < shared; i++) {
    const difference = (a.body[a.nameStart + i] ?? 0) - (b.body[b.nameStart + i] ?? 0)
    if (difference !== 0) return difference
  }
  return byteAfter(a, shared) - byteAfter(b, shared)
}

/** The byte of the key at `i`: of the name, the slash behind a directory's, 0 behind its end. */
function byteAfter(cursor: Key, i: number): number {
  const at = cursor.nameStart + i
  if (at < cursor.oidStart - 1) return cursor.body[at] ?? 0
  return isTreeMode(cursor.mode) ? SLASH : 0
}

function encodeChecked(entry: TreeEntry): Uint8Array {
  const { name } = entry
  if (name === '' || name.includes('/') || name.includes('\0'))
    throw new RangeError(`Cannot encode a tree: "${name}" cannot be a name`)
  return encodeEntry(entry)
}

/** The bytes of an entry. */
export function encodeEntry({ mode, name, oid }: TreeEntry): Uint8Array {
  return concat([utf8(`${mode.toString(8)} `), encodeName(name), Uint8Array.of(0), encodeOid(oid)])
}

/** Bytes that one copy instruction covers; it needs no length then, and every reader of packs takes it. */
const COPY = 0x10000
const MAX_INSERT = 127

/** A delta of copy and insert instructions. Spec: https://git-scm.com/docs/pack-format#_deltified_representation */
function encodePieces(from: number, to: number, pieces: readonly Piece[]): Uint8Array<ArrayBuffer> {
  const delta: number[] = []
  pushSize(delta, from)
  pushSize(delta, to)
  for (const piece of pieces) {
    if (piece instanceof Uint8Array) pushInsert(delta, piece)
    else
      for (let at = piece.from; at < piece.to; at += COPY)
        pushCopy(delta, at, Math.min(COPY, piece.to - at))
  }
  return Uint8Array.from(delta)
}

function pushSize(delta: number[], size: number): void {
  let rest = size
  for (; rest > 127; rest = Math.floor(rest / 128)) delta.push((rest % 128) | 128)
  delta.push(rest)
}

function pushInsert(delta: number[], bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += MAX_INSERT) {
    const part = bytes.subarray(at, at + MAX_INSERT)
    delta.push(part.length, ...part)
  }
}

function pushCopy(delta: number[], offset: number, length: number): void {
  const instruction = delta.push(0x80) - 1
  let bits = 0x80
  const push = (byte: number, bit: number): void => {
    if (byte === 0) return
    bits |= bit
    delta.push(byte)
  }
  for (let i = 0; i < 4; i++) push((offset >>> (8 * i)) & 0xff, 1 << i)
  // A length of 0x10000 is written as none at all.
  for (let i = 0; i < 2; i++) push((length >>> (8 * i)) & 0xff, 0x10 << i)
  delta[instruction] = bits
}
