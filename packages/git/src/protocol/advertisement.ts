/**
 * Advertisement: how a server opens a conversation. In version 0 and 1 with all of its refs, and its capabilities behind
 * the first of them; in version 2 with capabilities alone.
 *
 * Over HTTP versions 0 and 1 have a line with the name of the service in front; version 2 has none at stock servers, but
 * some send it.
 *
 * Spec: https://git-scm.com/docs/gitprotocol-pack#_reference_discovery, https://git-scm.com/docs/gitprotocol-http,
 * https://git-scm.com/docs/gitprotocol-v2#_capability_advertisement
 *
 * @module
 */
import type { ByteReader } from '../byte-reader.ts'
import { concat } from '../bytes.ts'
import { MalformedError } from '../error.ts'
import { parseOid, ZERO_OID, type Oid } from '../oid.ts'
import { capabilitiesOf, parseCapabilities, type Capabilities } from './capability.ts'
import { encodeLine, encodeLines, expectPacket, FLUSH, lineText, readLines } from './pkt-line.ts'

/** The two things that a Git server does. */
export type Service = 'git-upload-pack' | 'git-receive-pack'

/** A ref as the wire tells of it. `HEAD` is one of them. */
export interface WireRef {
  readonly name: string
  /** Where it points; `undefined` for a HEAD whose branch has no commit yet. */
  readonly oid: Oid | undefined
  /** What an annotated tag leads to, where the other side said so. */
  readonly peeled: Oid | undefined
  /** The ref that it is another name of: HEAD's branch. */
  readonly symref: string | undefined
}

/** What a server said when it was asked for its refs. */
export interface Advertisement {
  readonly version: 0 | 1 | 2
  readonly capabilities: Capabilities
  /** All refs, HEAD first if it points at something. Empty in version 2, where `ls-refs` asks for them. */
  readonly refs: readonly WireRef[]
  /** Commits whose parents the server itself left out. */
  readonly shallow: readonly Oid[]
}

/**
 * The advertisement of version 0 or 1, as `GET info/refs` answers it. The caller puts `symref=HEAD:…` among the
 * `capabilities`; refs without an oid are left out, since version 0 cannot say them.
 */
export function encodeRefsAdvertisement(
  service: Service,
  advertisement: {
    readonly version: 0 | 1
    readonly capabilities: readonly string[]
    readonly refs: Iterable<WireRef>
    /** Commits whose parents the server itself lacks; none when left out. */
    readonly shallow?: Iterable<Oid>
  },
): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [encodeLine(`# service=${service}\n`), FLUSH]
  if (advertisement.version === 1) parts.push(encodeLine('version 1\n'))
  let tail = `\0${advertisement.capabilities.join(' ')}`
  for (const { name, oid, peeled } of advertisement.refs) {
    if (oid === undefined) continue
    parts.push(encodeLine(`${oid} ${name}${tail}\n`))
    if (peeled !== undefined) parts.push(encodeLine(`${peeled} ${name}^{}\n`))
    tail = ''
  }
  if (tail !== '') parts.push(encodeLine(`${ZERO_OID} capabilities^{}${tail}\n`))
  for (const oid of advertisement.shallow ?? []) parts.push(encodeLine(`shallow ${oid}`))
  return concat([...parts, FLUSH])
}

/** The advertisement of version 2: capabilities, a line for each. */
export function encodeCapabilityAdvertisement(
  capabilities: readonly string[],
): Uint8Array<ArrayBuffer> {
  return concat([encodeLines(['version 2', ...capabilities]), FLUSH])
}

/**
 * The advertisement of a server, of whatever version.
 *
 * @throws MalformedError when it is none
 * @throws RefusedError `remote` when the server answers with `ERR`
 */
export async function readAdvertisement(reader: ByteReader): Promise<Advertisement> {
  const first = await nextLine(reader)
  if (first?.startsWith('# service=') !== true) return readBody(reader, first)
  const end = await expectPacket(reader, 'an advertisement')
  if (end.kind !== 'flush') throw malformed('no flush packet follows the name of the service')
  return readBody(reader, await nextLine(reader))
}

async function readBody(reader: ByteReader, first: string | undefined): Promise<Advertisement> {
  if (first === 'version 2') return readCapabilities(reader)
  if (first === 'version 1') return readRefs(reader, 1, await nextLine(reader))
  return readRefs(reader, 0, first)
}

async function readCapabilities(reader: ByteReader): Promise<Advertisement> {
  const words: string[] = []
  for await (const line of readLines(reader, 'an advertisement', 1000)) words.push(line)
  return { version: 2, capabilities: capabilitiesOf(words), refs: [], shallow: [] }
}

async function readRefs(
  reader: ByteReader,
  version: 0 | 1,
  first: string | undefined,
): Promise<Advertisement> {
  // A bare flush: an old server without refs says nothing at all.
  if (first === undefined) return { version, capabilities: new Map(), refs: [], shallow: [] }
  const cut = first.indexOf('\0')
  const capabilities = parseCapabilities(cut === -1 ? '' : first.slice(cut + 1))
  const symrefs = parseSymrefs(capabilities)
  const refs: WireRef[] = []
  const shallow: Oid[] = []
  const take = (line: string): void => {
    if (line.startsWith('shallow ')) shallow.push(parseOid(line.slice(8)))
    else addRef(refs, line, symrefs)
  }
  take(cut === -1 ? first : first.slice(0, cut))
  for await (const line of readLines(reader, 'an advertisement')) take(line)
  return { version, capabilities, refs, shallow }
}

function addRef(refs: WireRef[], line: string, symrefs: ReadonlyMap<string, string>): void {
  if (line[40] !== ' ' || line.length === 41)
    throw malformed(`found "${line.slice(0, 80)}", expected an oid and a ref`)
  const oid = parseOid(line.slice(0, 40))
  const name = line.slice(41)
  if (name === 'capabilities^{}') return
  if (!name.endsWith('^{}')) {
    refs.push({ name, oid, peeled: undefined, symref: symrefs.get(name) })
    return
  }
  const tag = refs.at(-1)
  if (tag === undefined || `${tag.name}^{}` !== name)
    throw malformed(`"${name}" does not follow its tag`)
  refs[refs.length - 1] = { ...tag, peeled: oid }
}

function parseSymrefs(capabilities: Capabilities): ReadonlyMap<string, string> {
  const pairs = (capabilities.get('symref') ?? []).map((value): [string, string] => {
    const cut = value.indexOf(':')
    return [value.slice(0, cut), value.slice(cut + 1)]
  })
  return new Map(pairs)
}

async function nextLine(reader: ByteReader): Promise<string | undefined> {
  const packet = await expectPacket(reader, 'an advertisement')
  return packet.kind === 'line' ? lineText(packet.payload) : undefined
}

function malformed(problem: string): MalformedError {
  return new MalformedError('an advertisement', problem)
}
