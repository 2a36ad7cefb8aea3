/**
 * Bundle: refs and a pack in one file, which is how a repository is carried where no connection is.
 *
 * A line says the version; version 3 has a line `@word=value` for each capability; a line `-oid comment` names a commit
 * that whoever takes the bundle must have (a *prerequisite*), a line `oid name` a ref; an empty line ends them, and the
 * pack follows, thin where there are prerequisites.
 *
 * Spec: https://git-scm.com/docs/gitformat-bundle
 *
 * @module
 */
import { concat, decodeName, encodeName, text, utf8 } from '../bytes.ts'
import { MalformedError, UnsupportedError } from '../error.ts'
import { parseOid, type Oid } from '../oid.ts'

/** A commit that must be there before the bundle can be taken, with all that it reaches. */
export interface Prerequisite {
  readonly oid: Oid
  /** For people, in one line: the subject of the commit. Empty where nobody wrote one. */
  readonly comment: string
}

/** A ref that the bundle brings. `HEAD` may be one of them. */
export interface BundleRef {
  readonly name: string
  readonly oid: Oid
}

/** What is in front of the pack. */
export interface BundleHeader {
  /** 2 is what every Git reads; only 3 can say that something was filtered out. */
  readonly version: 2 | 3
  /** What was left out of the pack on purpose, as `git rev-list --filter` has it; `undefined`: nothing. */
  readonly filter: string | undefined
  readonly prerequisites: readonly Prerequisite[]
  /** In the order of the file. */
  readonly refs: readonly BundleRef[]
}

/** A bundle whose header was read. */
export interface OpenBundle {
  readonly header: BundleHeader
  /** The pack, to its end. A piece is as the source gave it. */
  readonly pack: AsyncGenerator<Uint8Array, void, undefined>
  /** Tells the source that nothing more will be read. */
  close(): Promise<void>
}

/** The longest header that is taken, in bytes: some 500,000 refs. */
export const MAX_HEADER = 32 * 1024 * 1024

const SIGNATURES = { '# v2 git bundle': 2, '# v3 git bundle': 3 } as const
/** Bytes that are looked at to see whether this is a bundle at all. */
const SIGNATURE_BYTES = 64
const FORMAT = 'object-format'
const FILTER = 'filter'

/**
 * The header, up to the pack.
 *
 * @throws RangeError for a filter in version 2, and for a name or a comment with a line feed in it
 */
export function encodeBundleHeader(header: BundleHeader): Uint8Array<ArrayBuffer> {
  const { version, filter, prerequisites, refs } = header
  if (filter !== undefined && version === 2)
    throw new RangeError('A bundle of version 2 cannot say that it is filtered')
  const lines = [`# v${version} git bundle`]
  if (version === 3) lines.push(`@${FORMAT}=sha1`)
  if (filter !== undefined) lines.push(`@${FILTER}=${filter}`)
  for (const { oid, comment } of prerequisites) lines.push(`-${oid} ${comment}`)
  for (const { oid, name } of refs) lines.push(`${oid} ${name}`)
  const broken = lines.find((line) => line.includes('\n'))
  if (broken !== undefined) throw new RangeError(`A line of a bundle has a line feed: "${broken}"`)
  return concat([...lines.map((line) => encodeName(`${line}\n`)), utf8('\n')])
}

/**
 * Reads the header of a bundle; the pack is still to be read.
 *
 * @throws MalformedError when it is no bundle, or ends before its pack
 * @throws UnsupportedError for bundles of other versions, with SHA-256, or with a capability that we do not know
 */
export async function readBundle(source: AsyncIterable<Uint8Array>): Promise<OpenBundle> {
  const input = new HeaderInput(source)
  try {
    return { header: await readHeader(input), pack: input.rest(), close: () => input.close() }
  } catch (error) {
    await input.close()
    throw error
  }
}

async function readHeader(input: HeaderInput): Promise<BundleHeader> {
  const version = versionOf(text(await input.line(SIGNATURE_BYTES)))
  const prerequisites: Prerequisite[] = []
  const refs: BundleRef[] = []
  let filter: string | undefined
  for (;;) {
    const line = decodeName(await input.line())
    if (line === '') return { version, filter, prerequisites, refs }
    if (version === 3 && line.startsWith('@')) filter = takeCapability(line.slice(1), filter)
    else if (line.startsWith('-')) prerequisites.push(parsePrerequisite(line.slice(1)))
    else refs.push(parseRef(line))
  }
}

function versionOf(signature: string): 2 | 3 {
  for (const [line, version] of Object.entries(SIGNATURES)) if (line === signature) return version
  const other = /^# v(\d+) git bundle$/.exec(signature)?.[1]
  if (other === undefined)
    throw new MalformedError('a bundle', 'it does not begin with the line of one')
  throw new UnsupportedError(
    `Cannot read a bundle of version ${other}; version 2 and 3 are supported`,
  )
}

/** The filter, after this capability. */
function takeCapability(capability: string, filter: string | undefined): string | undefined {
  const cut = capability.indexOf('=')
  const [word, value] =
    cut < 0 ? [capability, ''] : [capability.slice(0, cut), capability.slice(cut + 1)]
  if (word === FILTER) return value
  if (word === FORMAT && value === 'sha1') return filter
  const what =
    word === FORMAT ? `of object format "${value.slice(0, 20)}"` : `with "@${word.slice(0, 40)}"`
  const known = word === FORMAT ? 'only sha1 is supported' : 'nobody here knows what that means'
  throw new UnsupportedError(`Cannot read a bundle ${what}; ${known}`)
}

function parsePrerequisite(line: string): Prerequisite {
  const oid = oidOf(line)
  return { oid, comment: text(encodeName(line.slice(oid.length + 1))) }
}

function parseRef(line: string): BundleRef {
  const oid = oidOf(line)
  const name = line.slice(oid.length + 1)
  if (name !== '') return { oid, name }
  throw new MalformedError('a bundle', `a ref at ${oid} has no name`)
}

/** The oid that a line begins with; a space or the end is behind it. */
function oidOf(line: string): Oid {
  const end = line.indexOf(' ')
  try {
    return parseOid(end < 0 ? line : line.slice(0, end))
  } catch (cause) {
    throw new MalformedError('a bundle', `unexpected line "${line.slice(0, 80)}"`, { cause })
  }
}

/** A stream as lines, and then as what is left of it. */
class HeaderInput {
  readonly #source: AsyncIterator<Uint8Array>
  #piece: Uint8Array = new Uint8Array()
  #taken = 0

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** The next line without its line feed, in an array of its own. @throws MalformedError when it is longer than `most` */
  async line(most = MAX_HEADER): Promise<Uint8Array> {
    const parts: Uint8Array[] = []
    for (let length = 0; ;) {
      const end = this.#piece.indexOf(10)
      const part = this.#piece.slice(0, end < 0 ? undefined : end)
      this.#piece = this.#piece.subarray(end < 0 ? part.length : end + 1)
      parts.push(part)
      length += part.length
      this.#taken += part.length
      if (length > most)
        throw new MalformedError('a bundle', 'it does not begin with the line of one')
      if (this.#taken > MAX_HEADER)
        throw new MalformedError('a bundle', `its header is longer than ${MAX_HEADER} bytes`)
      if (end >= 0) return concat(parts)
      const next = await this.#source.next()
      if (next.done === true) throw new MalformedError('a bundle', 'it ends within its header')
      this.#piece = next.value
    }
  }

  /** Everything behind the header, as it comes. */
  async *rest(): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#piece.length > 0) yield this.#piece
    for (;;) {
      const next = await this.#source.next()
      if (next.done === true) return
      yield next.value
    }
  }

  /** Tells the source that nothing more will be read. */
  async close(): Promise<void> {
    await this.#source.return?.()
  }
}
