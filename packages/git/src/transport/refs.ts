/**
 * Refs as a server tells of them: HEAD first, then every ref that the caller may read, and what tags lead to.
 *
 * @module
 */
import { GitError } from '../error.ts'
import type { Objects } from '../objects.ts'
import type { Oid } from '../oid.ts'
import type { Ref } from '../place.ts'
import {
  encodeCapabilityAdvertisement,
  encodeRefsAdvertisement,
  type WireRef,
} from '../protocol/advertisement.ts'
import { AGENT } from '../protocol/capability.ts'
import { OPEN_FETCH, type FetchPolicy } from './fetch-policy.ts'
import { ALL_REFS, type Readable } from './reach.ts'

/** Version of the protocol. */
export type ProtocolVersion = 0 | 1 | 2

/** What we can always do in version 0 and 1. */
const UPLOAD_PACK = [
  'multi_ack',
  'thin-pack',
  'side-band',
  'side-band-64k',
  'ofs-delta',
  'shallow',
  'deepen-since',
  'deepen-not',
  'deepen-relative',
  'no-progress',
  'include-tag',
  'multi_ack_detailed',
  'no-done',
]

/** The version that a client asks for in `Git-Protocol`, the highest if it names several; 0 where it names none. */
export function protocolVersion(header: string | undefined): ProtocolVersion {
  const words = (header ?? '').split(':')
  if (words.includes('version=2')) return 2
  return words.includes('version=1') ? 1 : 0
}

/** The answer to `GET info/refs?service=git-upload-pack`. */
export async function advertiseUploadPack(
  objects: Objects,
  options: { readonly version: ProtocolVersion; readonly policy?: FetchPolicy | undefined },
): Promise<Uint8Array<ArrayBuffer>> {
  const { version, policy = OPEN_FETCH } = options
  if (version === 2) return encodeCapabilityAdvertisement(capabilitiesV2(policy))
  const refs = await wireRefs(objects, { readable: policy.readable, peel: true })
  const capabilities = capabilitiesV0(policy)
  const head = refs.find(({ name }) => name === 'HEAD')
  // An unborn HEAD is something that only version 2 can say.
  if (head?.oid !== undefined && head.symref !== undefined) {
    capabilities.push(`symref=HEAD:${head.symref}`)
  }
  const { shallow } = objects.state
  return encodeRefsAdvertisement('git-upload-pack', { version, capabilities, refs, shallow })
}

function capabilitiesV0(policy: FetchPolicy): string[] {
  return [
    ...UPLOAD_PACK,
    ...(policy.offersTips ? ['allow-tip-sha1-in-want'] : []),
    ...(policy.offersReachable ? ['allow-reachable-sha1-in-want'] : []),
    ...(policy.filters === undefined ? [] : ['filter']),
    'object-format=sha1',
    `agent=${AGENT}`,
  ]
}

function capabilitiesV2(policy: FetchPolicy): string[] {
  const fetch = ['shallow', 'wait-for-done']
  if (policy.filters !== undefined) fetch.push('filter')
  if (policy.refInWant) fetch.push('ref-in-want')
  if (policy.sidebandAll) fetch.push('sideband-all')
  if (policy.packfileUris.length > 0) fetch.push('packfile-uris')
  return [
    `agent=${AGENT}`,
    policy.unborn === 'offered' ? 'ls-refs=unborn' : 'ls-refs',
    `fetch=${fetch.join(' ')}`,
    'server-option',
    'object-format=sha1',
    ...(policy.objectInfo ? ['object-info'] : []),
    ...(policy.bundles === undefined ? [] : ['bundle-uri']),
  ]
}

/** HEAD and the refs that may be read, in the state that the objects have. HEAD without an oid when it is unborn. */
export async function wireRefs(
  objects: Objects,
  options: { readonly readable?: Readable | undefined; readonly peel: boolean },
): Promise<WireRef[]> {
  const readable = options.readable ?? ALL_REFS
  const refs: WireRef[] = []
  const { aliases } = objects.state
  for await (const ref of objects.state.refs()) {
    if (!readable.includes(ref.name)) continue
    const peeled = options.peel ? await peelRef(objects, ref) : undefined
    const target = aliases?.get(ref.name)
    const symref = target !== undefined && readable.includes(target) ? target : undefined
    refs.push({ name: ref.name, oid: ref.oid, peeled, symref })
  }
  const { head } = objects.state
  if ('oid' in head)
    return [{ name: 'HEAD', oid: head.oid, peeled: undefined, symref: undefined }, ...refs]
  const branch = refs.find(({ name }) => name === head.ref)
  if (!readable.includes(head.ref)) return refs
  const symref = aliases?.get(head.ref) ?? head.ref
  return [{ name: 'HEAD', oid: branch?.oid, peeled: undefined, symref }, ...refs]
}

/** Where a ref, or HEAD, points; `undefined` when it is not there or may not be read. */
export async function readableRef(
  state: Objects['state'],
  name: string,
  readable: Readable,
): Promise<Oid | undefined> {
  const { head } = state
  if (name === 'HEAD' && 'oid' in head) return head.oid
  const full = name === 'HEAD' && 'ref' in head ? head.ref : name
  return readable.includes(full) ? state.ref(full) : undefined
}

/** What a ref leads to, when it points at an annotated tag. Branches point at commits, and are not looked at. */
export async function peelRef(
  objects: Objects,
  { name, oid, peeled }: Ref,
): Promise<Oid | undefined> {
  if (peeled !== undefined || name.startsWith('refs/heads/')) return peeled
  try {
    let target: Oid | undefined
    for (let at = oid; (await objects.stat(at)).type === 'tag'; at = target) {
      const links = await objects.links(at)
      if (links?.kind !== 'tag') return undefined
      target = links.target
    }
    return target
  } catch (error) {
    // A ref that leads nowhere can be listed all the same; whoever wants it is told.
    if (error instanceof GitError) return undefined
    throw error
  }
}
