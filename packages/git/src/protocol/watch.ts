/**
 * The messages of the watch stream, `GET /NAME.git/watch`: refs, and what is at paths in them, as they are and as they
 * move.
 *
 * Spec: docs/watch.md
 *
 * @module
 */
import { utf8 } from '../bytes.ts'
import { MalformedError } from '../error.ts'
import { isOid, type Oid } from '../oid.ts'
import { eventHead, type StreamItem } from './event-stream.ts'

/** What is at a path. */
export interface WatchedEntry {
  readonly mode: number
  readonly oid: Oid
}

/** A path that moved from one content to another; `undefined` for nothing there. */
export interface PathMove {
  readonly path: string
  readonly from: WatchedEntry | undefined
  readonly to: WatchedEntry | undefined
}

/** A ref that moved, or whose paths did. */
export interface RefMove {
  readonly name: string
  /** `undefined` when there was no such ref, and in a snapshot. */
  readonly from: Oid | undefined
  /** `undefined` when it is gone. */
  readonly to: Oid | undefined
  /** Of the paths that were asked for, those that differ; in a snapshot all. */
  readonly paths: readonly PathMove[]
}

/** A message of the server. */
export type WatchMessage =
  /** Everything that is watched, as it is: whatever was known before is replaced. */
  | {
      readonly kind: 'snapshot'
      readonly id: string
      readonly repository: string
      readonly refs: Iterable<RefMove>
    }
  /** What differs from the message before, or from the id that was brought. */
  | { readonly kind: 'change'; readonly id: string; readonly refs: Iterable<RefMove> }
  /** The same can be had over a WebSocket of this subprotocol, at the same place. */
  | { readonly kind: 'socket'; readonly protocol: string }
  /** There will be no more, for the reason that the code names. Ask again to hear it as a status. */
  | { readonly kind: 'end'; readonly code: string; readonly message: string }

/** Refs that go into one piece. */
const BATCH = 256

/** A message as the pieces of an event. */
export function* encodeWatchMessage(
  message: WatchMessage,
): Generator<Uint8Array<ArrayBuffer>, void, undefined> {
  if (message.kind === 'end') {
    const { code, message: words } = message
    yield utf8(
      `${eventHead('end', undefined)}data: ${JSON.stringify({ code, message: words })}\n\n`,
    )
    return
  }
  if (message.kind === 'socket') {
    const { protocol } = message
    yield utf8(`${eventHead('socket', undefined)}data: ${JSON.stringify({ protocol })}\n\n`)
    return
  }
  const { kind, id, refs } = message
  const facts = kind === 'snapshot' ? `"repository":${JSON.stringify(message.repository)},` : ''
  let text = `${eventHead(kind, id)}data: {${facts}"refs":[`
  let count = 0
  for (const ref of refs) {
    text += `${count++ === 0 ? '' : ','}${JSON.stringify(rowOf(ref))}`
    if (count % BATCH > 0) continue
    yield utf8(text)
    text = ''
  }
  yield utf8(`${text}]}\n\n`)
}

/** JSON leaves out what is `undefined`. */
function rowOf({ name, from, to, paths }: RefMove): object {
  const rows = paths.map((move) => {
    return { path: move.path, from: entryRow(move.from), to: entryRow(move.to) }
  })
  return { name, from, to, paths: rows.length === 0 ? undefined : rows }
}

function entryRow(entry: WatchedEntry | undefined): object | undefined {
  return entry && { mode: entry.mode.toString(8).padStart(6, '0'), oid: entry.oid }
}

/**
 * The message of an event; `undefined` for one that this version does not know.
 *
 * @throws MalformedError when it is not written as it should be
 */
export function decodeWatchMessage(
  item: Extract<StreamItem, { kind: 'event' }>,
): WatchMessage | undefined {
  const { type, id } = item
  if (!isKind(type)) return undefined
  const data = record(parseJson(item.data))
  if (type === 'socket') return { kind: type, protocol: string(data['protocol']) }
  if (type === 'end') {
    return { kind: type, code: string(data['code']), message: string(data['message']) }
  }
  const refs = list(data['refs']).map(decodeRef)
  if (type === 'change') return { kind: type, id, refs }
  return { kind: type, id, repository: string(data['repository']), refs }
}

function isKind(type: string): type is WatchMessage['kind'] {
  return ['snapshot', 'change', 'socket', 'end'].includes(type)
}

function decodeRef(value: unknown): RefMove {
  const row = record(value)
  return {
    name: string(row['name']),
    from: oid(row['from']),
    to: oid(row['to']),
    paths: list(row['paths']).map((each) => {
      const move = record(each)
      return { path: string(move['path']), from: entry(move['from']), to: entry(move['to']) }
    }),
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (cause) {
    throw broken('its data is no JSON', cause)
  }
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  // Whatever the object holds, it is looked at field by field.
  if (typeof value === 'object' && value) return value as Record<string, unknown>
  throw broken('an object is missing')
}

/** A list that is not there has nothing in it. */
function list(value: unknown): readonly unknown[] {
  if (value === undefined) return []
  if (Array.isArray(value)) return value
  throw broken('a list is missing')
}

function string(value: unknown): string {
  if (typeof value === 'string') return value
  throw broken('a text is missing')
}

function oid(value: unknown): Oid | undefined {
  if (value === undefined || value === null) return undefined
  const text = string(value)
  if (isOid(text)) return text
  throw broken(`"${text.slice(0, 60)}" is no oid`)
}

function entry(value: unknown): WatchedEntry | undefined {
  if (value === undefined || value === null) return undefined
  const row = record(value)
  const [mode, name] = [string(row['mode']), oid(row['oid'])]
  if (/^[0-7]{6}$/.test(mode) && name !== undefined) return { mode: parseInt(mode, 8), oid: name }
  throw broken('an entry has no mode or no oid')
}

function broken(problem: string, cause?: unknown): MalformedError {
  return new MalformedError('an event of a watch', problem, { cause })
}
