/**
 * ls-refs: how version 2 asks for refs, and the answer.
 *
 * Spec: https://git-scm.com/docs/protocol-v2#_ls_refs
 *
 * @module
 */
import type { ByteReader } from '../byte-reader.ts'
import { concat } from '../bytes.ts'
import { MalformedError } from '../error.ts'
import { isOid, parseOid } from '../oid.ts'
import type { WireRef } from './advertisement.ts'
import { encodeCommand } from './command.ts'
import { encodeLines, FLUSH, readLines } from './pkt-line.ts'

/** What of the refs is wanted. */
export interface LsRefsRequest {
  /** Only refs whose names begin with one of these; all when there are none. */
  readonly prefixes: readonly string[]
  readonly peel: boolean
  readonly symrefs: boolean
  /** Whether a HEAD without a commit is wanted too. Only for servers that advertise `ls-refs=unborn`. */
  readonly unborn: boolean
}

// As many prefixes as stock Git takes; with more it sends all refs, which is a right answer too.
const MOST_PREFIXES = 65_536

/** The bytes of the request. */
export function encodeLsRefs(request: LsRefsRequest): Uint8Array<ArrayBuffer> {
  const args = request.prefixes.map((prefix) => `ref-prefix ${prefix}`)
  if (request.unborn) args.unshift('unborn')
  if (request.symrefs) args.unshift('symrefs')
  if (request.peel) args.unshift('peel')
  return encodeCommand('ls-refs', args)
}

/**
 * The request that a command's arguments make.
 *
 * @throws MalformedError for an argument that is not known
 */
export function decodeLsRefs(args: readonly string[]): LsRefsRequest {
  const prefixes: string[] = []
  const flags = new Set<string>()
  for (const arg of args) {
    if (arg.startsWith('ref-prefix ')) prefixes.push(arg.slice(11))
    else if (arg === 'peel' || arg === 'symrefs' || arg === 'unborn') flags.add(arg)
    else
      throw new MalformedError(
        'a request for refs',
        `"${arg.slice(0, 80)}" is no argument of ls-refs`,
      )
  }
  return {
    prefixes: prefixes.length > MOST_PREFIXES ? [] : prefixes,
    peel: flags.has('peel'),
    symrefs: flags.has('symrefs'),
    unborn: flags.has('unborn'),
  }
}

/** Whether the request asks for a ref of this name. */
export function wantsRef(request: LsRefsRequest, name: string): boolean {
  return request.prefixes.length === 0 || request.prefixes.some((prefix) => name.startsWith(prefix))
}

/** The answer: what of `refs` the request asks for, in the order given. */
export function encodeRefList(
  request: LsRefsRequest,
  refs: Iterable<WireRef>,
): Uint8Array<ArrayBuffer> {
  const lines: string[] = []
  for (const ref of refs) {
    if (!wantsRef(request, ref.name) || (ref.oid === undefined && !request.unborn)) continue
    const symref = request.symrefs && ref.symref !== undefined ? ` symref-target:${ref.symref}` : ''
    const peeled = request.peel && ref.peeled !== undefined ? ` peeled:${ref.peeled}` : ''
    lines.push(`${ref.oid ?? 'unborn'} ${ref.name}${symref}${peeled}`)
  }
  return concat([encodeLines(lines), FLUSH])
}

/**
 * The refs of an answer.
 *
 * @throws MalformedError when it is none or cut short
 * @throws RefusedError `remote` when the server answers with `ERR`
 */
export async function readRefList(reader: ByteReader): Promise<WireRef[]> {
  const refs: WireRef[] = []
  for await (const line of readLines(reader, 'a list of refs')) refs.push(parseRef(line))
  return refs
}

function parseRef(line: string): WireRef {
  const [oid = '', name = '', ...attributes] = line.split(' ')
  if (name === '' || (oid !== 'unborn' && !isOid(oid))) {
    throw new MalformedError(
      'a list of refs',
      `expected an oid and a ref, found "${line.slice(0, 80)}"`,
    )
  }
  const value = (word: string): string | undefined =>
    attributes.find((attribute) => attribute.startsWith(word))?.slice(word.length)
  const peeled = value('peeled:')
  return {
    name,
    oid: isOid(oid) ? oid : undefined,
    peeled: peeled === undefined ? undefined : parseOid(peeled),
    symref: value('symref-target:'),
  }
}
