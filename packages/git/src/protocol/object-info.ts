/**
 * object-info: how version 2 asks what objects are like, without fetching them.
 *
 * Spec: https://git-scm.com/docs/gitprotocol-v2#_object_info
 *
 * @module
 */
import { concat } from '../bytes.ts'
import { MalformedError } from '../error.ts'
import { parseOid, type Oid } from '../oid.ts'
import { encodeLines, FLUSH } from './pkt-line.ts'

/** What is asked. */
export interface ObjectInfoRequest {
  readonly oids: readonly Oid[]
  /** Whether the sizes are wanted. */
  readonly size: boolean
}

/** The request that a command's arguments make. @throws MalformedError for an argument that is not known */
export function decodeObjectInfo(args: readonly string[]): ObjectInfoRequest {
  const oids: Oid[] = []
  let size = false
  for (const arg of args) {
    if (arg === 'size') size = true
    else if (arg.startsWith('oid ')) oids.push(parseOid(arg.slice(4)))
    else throw new MalformedError('object-info', `unexpected line: '${arg.slice(0, 80)}'`)
  }
  return { oids, size }
}

/** The answer. An object without a size is one that is not here. */
export function encodeObjectInfo(
  { oids, size }: ObjectInfoRequest,
  sizes: ReadonlyMap<Oid, number>,
): Uint8Array<ArrayBuffer> {
  if (oids.length === 0) return FLUSH
  const lines = oids.map((oid) => (size ? `${oid} ${sizes.get(oid) ?? ''}` : oid))
  return concat([encodeLines([...(size ? ['size'] : []), ...lines]), FLUSH])
}
