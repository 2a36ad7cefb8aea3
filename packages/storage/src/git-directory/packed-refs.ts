/**
 * packed-refs: many refs in one file, which one rename replaces.
 *
 * A first line tells what is true of the file: `sorted`, `peeled` (tags below `refs/tags/` have their peeled line) and
 * `fully-peeled` (every tag has). Then a line `oid name` for each ref, and below an annotated tag `^oid` of what it leads
 * to.
 *
 * Spec: https://git-scm.com/docs/git-pack-refs, and "packed-refs" in https://git-scm.com/docs/gitrepository-layout
 *
 * @module
 */
import { concat, decodeName, encodeName, utf8 } from '@datakit/git/bytes'
import { MalformedError } from '@datakit/git/error'
import { isOid, type Oid } from '@datakit/git/oid'
import { compareNames } from '@datakit/git/ref-name'

/** A line of the file. */
export interface PackedRef {
  readonly name: string
  readonly oid: Oid
  /** What the tag leads to; `false` when the object is known to be no tag, `undefined` when nobody knows. */
  readonly peeled: Oid | false | undefined
}

/**
 * The refs of a packed-refs file, ordered by the bytes of their names.
 *
 * @throws MalformedError for a line that is neither a ref nor a peeled oid, and for a last line without its end
 */
export function decodePackedRefs(bytes: Uint8Array): PackedRef[] {
  const refs: PackedRef[] = []
  const traits = readTraits(bytes)
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(LF, start)
    if (end < 0) throw new MalformedError('packed-refs', 'expected a line feed at the end')
    if (bytes[start] !== HASH) readLine(bytes.subarray(start, end), traits, refs)
    start = end + 1
  }
  return traits.has('sorted') ? refs : refs.sort((a, b) => compareNames(a.name, b.name))
}

/** The file for refs that are ordered already. Claims `fully-peeled` only when that is known of every ref. */
export function encodePackedRefs(refs: readonly PackedRef[]): Uint8Array<ArrayBuffer> {
  const known = refs.every((ref) => ref.peeled !== undefined)
  const parts = [utf8(`# pack-refs with:${known ? ' peeled fully-peeled' : ''} sorted \n`)]
  for (const { name, oid, peeled } of refs) {
    parts.push(utf8(`${oid} `), encodeName(name), utf8(peeled ? `\n^${peeled}\n` : '\n'))
  }
  return concat(parts)
}

const LF = 10
const HASH = 35
const CARET = 94
const SPACE = 32

function readTraits(bytes: Uint8Array): ReadonlySet<string> {
  const end = bytes.indexOf(LF)
  const first = decodeName(bytes.subarray(0, Math.max(end, 0)))
  const prefix = '# pack-refs with:'
  return new Set(first.startsWith(prefix) ? first.slice(prefix.length).split(' ') : [])
}

function readLine(line: Uint8Array, traits: ReadonlySet<string>, refs: PackedRef[]): void {
  const peels = line[0] === CARET
  const oid = ascii(line.subarray(peels ? 1 : 0, peels ? 41 : 40))
  const last = refs.at(-1)
  if (!isOid(oid)) throw new MalformedError('packed-refs', `expected an oid, found "${oid}"`)
  if (peels) {
    if (last === undefined || line.length !== 41)
      throw new MalformedError('packed-refs', 'stray peeled line')
    refs[refs.length - 1] = { ...last, peeled: oid }
    return
  }
  if (line[40] !== SPACE || line.length < 42)
    throw new MalformedError('packed-refs', 'expected a name')
  const name = decodeName(line.subarray(41))
  const known =
    traits.has('fully-peeled') ||
    (traits.has('peeled') && name.startsWith('refs/tags/')) ||
    // Git holds that a branch leads to a commit.
    name.startsWith('refs/heads/')
  refs.push({ name, oid, peeled: known ? false : undefined })
}

function ascii(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes)
}
