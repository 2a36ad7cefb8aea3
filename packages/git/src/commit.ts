/**
 * Commit: a tree, the commits before it, who made it and why.
 *
 * Spec: https://git-scm.com/docs/git-commit-tree
 *
 * @module
 */
import { concat, equal, text } from './bytes.ts'
import { MalformedError } from './error.ts'
import { decodeHeaders, encodeHeaders, lineOid, startsWith, type Header } from './headers.ts'
import { formatIdentity, parseIdentity, type Identity } from './identity.ts'
import { decodeOids, type Oid } from './oid.ts'

/** A commit. */
export interface Commit {
  readonly tree: Oid
  /** In order; the first is the branch that was merged into. */
  readonly parents: readonly Oid[]
  readonly author: Identity
  readonly committer: Identity
  /** What the message is encoded in, when it is not UTF-8. */
  readonly encoding?: string | undefined
  /** The other headers, in order: signatures, merged tags and whatever other programs wrote. */
  readonly headers: readonly Header[]
  /** See `decodeName` for bytes that are not UTF-8, and {@link messageText} for a text that people can read. */
  readonly message: string
  /**
   * The body as it was found, where the fields would be written otherwise (headers in another order or twice, no author).
   * It is what is written again; leave it out of a commit that you change.
   */
  readonly odd?: Uint8Array | undefined
}

/** What a walk over history needs of a commit. */
export interface CommitLinks {
  readonly tree: Oid
  readonly parents: Oid[]
  /** Seconds since 1970 by the clock of the committer; 0 where that cannot be read. */
  readonly time: number
}

/**
 * The commit that the body holds.
 *
 * @throws MalformedError when it does not begin with a tree, or a parent is not an oid
 */
export function decodeCommit(body: Uint8Array): Commit {
  const { tree, parents } = readCommitLinks(body)
  const { headers, message } = decodeHeaders(body)
  const known = new Map(headers.toReversed().map(({ name, value }) => [name, value]))
  const encoding = known.get('encoding')
  const commit: Commit = {
    tree,
    parents,
    author: parseIdentity(known.get('author') ?? ''),
    committer: parseIdentity(known.get('committer') ?? ''),
    ...(encoding === undefined ? {} : { encoding }),
    headers: headers.filter(({ name }) => !KNOWN.has(name)),
    message,
  }
  return equal(encodeCommit(commit), body) ? commit : { ...commit, odd: body }
}

const KNOWN = new Set(['tree', 'parent', 'author', 'committer', 'encoding'])

/** The body of a commit: the bytes that {@link decodeCommit} was given, for a commit that came from there. */
export function encodeCommit(commit: Commit): Uint8Array<ArrayBuffer> {
  if (commit.odd !== undefined) return commit.odd.slice()
  const headers: Header[] = [
    { name: 'tree', value: commit.tree },
    ...commit.parents.map((parent) => ({ name: 'parent', value: parent })),
    { name: 'author', value: formatIdentity(commit.author) },
    { name: 'committer', value: formatIdentity(commit.committer) },
  ]
  if (commit.encoding !== undefined) headers.push({ name: 'encoding', value: commit.encoding })
  return encodeHeaders({ headers: [...headers, ...commit.headers], message: commit.message })
}

/**
 * Tree, parents and time, without the cost of the rest.
 *
 * @throws MalformedError when the body does not begin with a tree, or a parent is not an oid
 */
export function readCommitLinks(body: Uint8Array): CommitLinks {
  const { oids, end } = findCommitLinks(body)
  const [tree, ...parents] = decodeOids(oids)
  if (tree === undefined) throw new MalformedError('a commit', 'it does not begin with a tree')
  if (startsWith(body, end, 'parent '))
    throw new MalformedError('a commit', `parent ${parents.length + 1} is not an oid`)
  return { tree, parents, time: readTime(body, end) }
}

/** Where the links of a commit are, for callers who have thousands. */
export interface CommitOids {
  /** Tree and parents, 20 bytes each; empty when the body does not begin with a tree. */
  readonly oids: Uint8Array
  /** Where the lines behind the parents begin. */
  readonly end: number
}

/** Tree and parents up to the first line that is something else. */
export function findCommitLinks(body: Uint8Array): CommitOids {
  const oids: Uint8Array[] = []
  let end = 0
  for (let word = 'tree '; ; word = 'parent ') {
    const oid = lineOid(body, end, word)
    if (oid === undefined) return { oids: concat(oids), end }
    oids.push(oid)
    end += word.length + 41
  }
}

/** The seconds of the committer's line, 0 where there are none. `at` is where the lines behind the parents begin. */
export function readTime(body: Uint8Array, at: number): number {
  let start = at
  for (let end; (end = body.indexOf(10, start)) > start; start = end + 1) {
    if (!startsWith(body, start, 'committer ')) continue
    const line = body.subarray(start, end)
    const digits = text(line.subarray(line.lastIndexOf(62) + 1))
    return Number(/^ ?(\d{1,15})/.exec(digits)?.[1] ?? 0)
  }
  return 0
}
