/**
 * upload-pack in version 2: `ls-refs`, `fetch`, `object-info` and `bundle-uri`.
 *
 * Spec: https://git-scm.com/docs/gitprotocol-v2
 *
 * @module
 */
import type { ByteReader } from '../byte-reader.ts'
import { concat } from '../bytes.ts'
import { MalformedError, RefusedError } from '../error.ts'
import type { Oid } from '../oid.ts'
import { readCommand, type Command } from '../protocol/command.ts'
import { shallowInfo } from '../protocol/deepen.ts'
import {
  acknowledgmentLines,
  decodeFetch,
  encodePackHeader,
  encodeSection,
  unexpectedArgument,
  type FetchRequest,
} from '../protocol/fetch.ts'
import { parseFilter, type ObjectFilter } from '../protocol/filter.ts'
import { decodeLsRefs, encodeRefList } from '../protocol/ls-refs.ts'
import { decodeObjectInfo, encodeObjectInfo } from '../protocol/object-info.ts'
import { encodeLine, FLUSH } from '../protocol/pkt-line.ts'
import { LARGE_FRAME } from '../protocol/sideband.ts'
import {
  answerPack,
  checkFormat,
  message,
  type Answer,
  type PackAbilities,
  type Serving,
} from './answer-pack.ts'
import { drawBoundary, type Boundary } from './boundary.ts'
import { checkWants, commonHaves, isReady, reachedOf } from './negotiate.ts'
import { divide } from './packfile-uris.ts'
import { readableRef, wireRefs } from './refs.ts'

/** Answers the commands of a request. @throws GitError for the client to be told, until the pack has begun */
export async function* answerV2(reader: ByteReader, serving: Serving): Answer {
  for (
    let command = await readCommand(reader);
    command !== undefined;
    command = await readCommand(reader)
  ) {
    checkFormat(command.capabilities)
    if (command.name === 'ls-refs') yield message(await listRefs(command, serving))
    else if (command.name === 'fetch') yield* fetch(command, serving)
    else if (command.name === 'object-info' && serving.policy.objectInfo)
      yield message(await objectInfo(command, serving))
    else if (command.name === 'bundle-uri' && serving.policy.bundles !== undefined)
      yield message(listBundles(command, serving.policy.bundles))
    else throw new MalformedError('a command', `"${command.name.slice(0, 80)}" is not known here`)
  }
}

async function listRefs({ args }: Command, { objects, policy }: Serving): Promise<Uint8Array> {
  const request = decodeLsRefs(args)
  const unborn = request.unborn && policy.unborn !== 'ignored'
  const { readable } = policy
  const refs = await wireRefs(objects, { readable, peel: request.peel })
  return encodeRefList({ ...request, unborn }, refs)
}

/** The sizes of objects that the client could fetch; of others it learns nothing. */
async function objectInfo({ args }: Command, { objects, policy }: Serving): Promise<Uint8Array> {
  const request = decodeObjectInfo(args)
  const sizes = new Map<Oid, number>()
  for (const oid of await reachedOf(objects, request.oids, policy.readable))
    sizes.set(oid, (await objects.stat(oid)).size)
  return encodeObjectInfo(request, sizes)
}

/** The bundles that a client may begin with. @throws MalformedError for arguments, of which there are none */
function listBundles({ args }: Command, bundles: readonly string[]): Uint8Array {
  const [first] = args
  if (first !== undefined)
    throw new MalformedError('bundle-uri', `unexpected argument "${first.slice(0, 80)}"`)
  return concat([...bundles.map((line) => encodeLine(line)), FLUSH])
}

/** A ref that was wanted by name, and where it points. */
interface WantedRef {
  readonly name: string
  readonly oid: Oid
}

async function* fetch({ args }: Command, serving: Serving): Answer {
  const { objects, policy } = serving
  const request = decodeFetch(args)
  const filter = checkOffers(request, serving)
  const named = await resolveWanted(request.wantedRefs, serving)
  const wants = [...new Set([...request.wants, ...named.map(({ oid }) => oid)])]
  if (wants.length === 0 && !request.waitForDone) return
  await checkWants(objects, request.wants, policy)
  const common = await commonHaves(objects, request.haves, policy.readable)
  const { sidebandAll } = request
  if (!request.done && request.haves.length > 0) {
    const ready = !request.waitForDone && (await isReady(objects, wants, common))
    const end = ready ? 'delimiter' : 'flush'
    const lines = acknowledgmentLines({ common, ready })
    yield message(encodeSection('acknowledgments', lines, { end, sidebandAll }))
    if (!ready) return
  }
  const boundary = await drawBoundary(objects, { ...request, wants, readable: policy.readable })
  const pack = { wants, common, boundary, filter, abilities: abilitiesOf(request) }
  const divided = await divide(serving, pack, request)
  const sections = sectionsOf(request, { serving, boundary, named })
  const elsewhere = divided?.elsewhere.map((one) => `${one.pack} ${one.uri}`)
  if (elsewhere !== undefined) sections.push(['packfile-uris', elsewhere])
  for (const [name, lines] of sections)
    yield message(encodeSection(name, lines, { end: 'delimiter', sidebandAll }))
  yield message(encodePackHeader({ sidebandAll }))
  yield* answerPack(serving, pack, divided?.selection)
}

function abilitiesOf(request: FetchRequest): PackAbilities {
  return {
    thin: request.thinPack,
    usesDistance: request.ofsDelta,
    includeTag: request.includeTag,
    quiet: request.quiet,
    frame: LARGE_FRAME,
  }
}

/** @throws MalformedError for what the policy does not offer */
function checkOffers(request: FetchRequest, { policy }: Serving): ObjectFilter | undefined {
  const { filter, wantedRefs, sidebandAll } = request
  const [wanted] = wantedRefs
  if (wanted !== undefined && !policy.refInWant) throw unexpectedArgument(`want-ref ${wanted}`)
  if (sidebandAll && !policy.sidebandAll) throw unexpectedArgument('sideband-all')
  if (filter === undefined) return undefined
  if (policy.filters === undefined) throw unexpectedArgument(`filter ${filter}`)
  return parseFilter(filter, policy.filters)
}

/** @throws RefusedError `unknown-ref` */
async function resolveWanted(
  names: readonly string[],
  { objects, policy }: Serving,
): Promise<WantedRef[]> {
  const wanted: WantedRef[] = []
  for (const name of names) {
    const oid = await readableRef(objects.state, name, policy.readable)
    if (oid === undefined)
      throw new RefusedError('unknown-ref', `unknown ref ${name.slice(0, 200)}`)
    wanted.push({ name, oid })
  }
  return wanted
}

/** The sections between the acknowledgments and the pack. */
function sectionsOf(
  request: FetchRequest,
  {
    serving,
    boundary,
    named,
  }: { serving: Serving; boundary: Boundary; named: readonly WantedRef[] },
): [name: string, lines: readonly string[]][] {
  const sections: [string, readonly string[]][] = []
  const isCut = request.deepen !== undefined || request.shallow.length > 0
  if (isCut || serving.objects.state.shallow.size > 0)
    sections.push(['shallow-info', shallowInfo(boundary)])
  if (named.length > 0)
    sections.push(['wanted-refs', named.map(({ name, oid }) => `${oid} ${name}`)])
  return sections
}
