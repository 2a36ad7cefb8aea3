/**
 * Reading a large object in pieces: inflated as it is read from its pack, and never held as a whole.
 *
 * Its name covers all of it, so it is known only at the end whether the bytes are right. What is stored as a delta is made of its
 * base, which is at hand anywhere: such an object is read as a whole, and so is a small one.
 *
 * Specs: https://git-scm.com/docs/pack-format, https://compression.spec.whatwg.org
 *
 * @module
 */
import { MalformedError, MissingError } from './error.ts'
import { objectHeader, type ObjectType } from './object.ts'
import type { Located } from './object-lookup.ts'
import type { Objects } from './objects.ts'
import { readOid, type Oid } from './oid.ts'
import { MAX_ENTRY_HEADER, readEntryHeader } from './pack/entry.ts'
import type { PackInfo } from './place.ts'

/** Bytes of a piece, at most. */
export const PIECE = 64 * 1024
/** Objects up to this many bytes are read as a whole, and checked before their first piece is given. */
export const WHOLE = 1024 * 1024
/** Compressed bytes that are read from a pack at once. */
const READ = 256 * 1024
/** How often a pack that vanishes under a read is looked for again. */
const MAX_ATTEMPTS = 8

/** What of {@link Objects} it takes. */
export type StreamSource = Pick<
  Objects,
  'locate' | 'place' | 'read' | 'readSpan' | 'refresh' | 'runtime'
>

/** An object that is stored whole, and where its compressed bytes are. */
interface WholeEntry {
  readonly pack: PackInfo
  readonly type: ObjectType
  readonly size: number
  readonly start: number
  readonly end: number
}

/**
 * The body of an object in pieces of at most 64 kB.
 *
 * @throws MissingError, NotHereError as `Objects.read`
 * @throws MalformedError when it is of another type, or, behind its last piece, when what was given has another name
 */
export async function* streamObject(
  objects: StreamSource,
  oid: Oid,
  type: ObjectType,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hasher = objects.runtime.hasher()
  let given = 0
  for (let attempt = 1; ; attempt++) {
    const entry = await findWhole(objects, oid)
    if (entry === undefined) {
      yield* wholePieces(objects, { oid, type, from: given })
      return
    }
    if (entry.type !== type) throw new MalformedError(`${type} ${oid}`, `it is a ${entry.type}`)
    if (given === 0) hasher.update(objectHeader(type, entry.size))
    try {
      let at = 0
      for await (const piece of inflateEntry(objects, oid, entry)) {
        // What was given before the pack vanished is not given again.
        const rest = piece.subarray(Math.max(0, given - at))
        at += piece.length
        if (rest.length === 0) continue
        given += rest.length
        hasher.update(rest)
        yield rest
      }
      const found = readOid(hasher.digest())
      if (found === oid) return
      throw new MalformedError(`object ${oid}`, `what is stored there has the name ${found}`)
    } catch (error) {
      if (!(error instanceof MissingError) || attempt >= MAX_ATTEMPTS) throw error
      await objects.refresh()
    }
  }
}

/** Where the object is as a whole, if it is large and a copy of it is. */
async function findWhole(objects: StreamSource, oid: Oid): Promise<WholeEntry | undefined> {
  for (const copy of await objects.locate(oid)) {
    if (copy.index.size(copy.ordinal) <= WHOLE) return undefined
    const entry = await readHeader(objects, copy)
    if (entry !== undefined) return entry
  }
  return undefined
}

async function readHeader(
  objects: StreamSource,
  { pack, index, ordinal }: Located,
): Promise<WholeEntry | undefined> {
  const start = index.offset(ordinal)
  const end = start + index.length(ordinal)
  const bytes = await objects.readSpan({
    pack,
    start,
    end: Math.min(end, start + MAX_ENTRY_HEADER),
  })
  const header = readEntryHeader(bytes, 0)
  if (header?.type === undefined) return undefined
  return { pack, type: header.type, size: header.size, start: start + header.length, end }
}

async function* wholePieces(
  objects: StreamSource,
  { oid, type, from }: { readonly oid: Oid; readonly type: ObjectType; readonly from: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  const { type: found, body } = await objects.read(oid)
  if (found !== type) throw new MalformedError(`${type} ${oid}`, `it is a ${found}`)
  for (let at = from; at < body.length; at += PIECE) yield body.subarray(at, at + PIECE)
}

async function* inflateEntry(
  { place }: StreamSource,
  oid: Oid,
  { pack, start, end, size }: WholeEntry,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { readable, writable } = new DecompressionStream('deflate')
  const writer = writable.getWriter()
  const feed = async (): Promise<void> => {
    for (let at = start; at < end; at += READ) {
      const bytes = await place.readPack(pack.id, at, Math.min(end, at + READ))
      // The bytes are no shared memory, which the types cannot tell.
      await writer.write(bytes as Uint8Array<ArrayBuffer>)
    }
    await writer.close()
  }
  let problem: unknown
  const feeding = feed().catch((error: unknown) => {
    problem ??= error
    return writer.abort(error).catch(() => undefined)
  })
  const reader = readable.getReader()
  let left = size
  try {
    while (left > 0) {
      const { value, done } = await reader.read()
      if (done) throw new MalformedError(`object ${oid}`, `its ${size} bytes end ${left} early`)
      if (value.length > left)
        throw new MalformedError(`object ${oid}`, `it has more than ${size} bytes`)
      left -= value.length
      for (let at = 0; at < value.length; at += PIECE) yield value.subarray(at, at + PIECE)
    }
  } catch (error) {
    if (problem instanceof MissingError || error instanceof MalformedError) throw problem ?? error
    throw new MalformedError(`object ${oid}`, String(error), { cause: error })
  } finally {
    // What is behind the last byte, or what nobody wants any more.
    await reader.cancel().catch(() => undefined)
    await feeding
  }
}
