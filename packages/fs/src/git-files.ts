/**
 * A Git directory in any file system, as isomorphic-git and Git write it: loose objects, packs and refs.
 *
 * Spec: https://git-scm.com/docs/gitrepository-layout
 *
 * @module
 */
import { concat, equal, readU32, text } from '@datakit/git/bytes'
import { MalformedError } from '@datakit/git/error'
import { nameObject, type GitObject, type ObjectType } from '@datakit/git/object'
import { isOid, type Oid } from '@datakit/git/oid'
import type { Runtime } from '@datakit/git/runtime'
import { listIfThere, readIfThere, unlessMissing, type FilePromises } from './file-system.ts'

/** Largest loose object that is taken, in bytes. */
const MAX_LOOSE = 512_000_000

/** A pack file. */
export interface PackFile {
  /** Its name without `.pack`. */
  readonly name: string
  /** How many objects it says to hold. */
  readonly count: number
}

/** Reads a Git directory; everything is looked for anew each time. */
export class GitFiles {
  readonly files: FilePromises
  /** Its path, without a slash at the end. */
  readonly directory: string
  readonly #runtime: Runtime

  constructor(files: FilePromises, directory: string, runtime: Runtime) {
    this.files = files
    this.directory = directory
    this.#runtime = runtime
  }

  /** A file as text; `undefined` when there is none. */
  async readText(name: string): Promise<string | undefined> {
    const bytes = await readIfThere(this.files, `${this.directory}/${name}`)
    return bytes && text(bytes)
  }

  /** The loose object. @throws MalformedError when it is not what its name says */
  async readLoose(oid: Oid): Promise<GitObject | undefined> {
    const stored = await readIfThere(this.files, this.#loosePath(oid))
    if (stored === undefined) return undefined
    const object = decodeLoose(await inflate(stored, oid), oid)
    const found = nameObject(this.#runtime, object)
    if (found !== oid) throw new MalformedError(`loose object ${oid}`, `its name is ${found}`)
    return object
  }

  /** Every loose object. */
  async *looseOids(): AsyncGenerator<Oid, void, undefined> {
    for (const first of await listIfThere(this.files, `${this.directory}/objects`)) {
      if (!/^[0-9a-f]{2}$/.test(first)) continue
      for (const rest of await listIfThere(this.files, `${this.directory}/objects/${first}`)) {
        const name = first + rest
        if (isOid(name)) yield name
      }
    }
  }

  async removeLoose(oid: Oid): Promise<void> {
    await unlessMissing(this.files.unlink(this.#loosePath(oid)))
  }

  /** Every pack. @throws MalformedError when one does not begin as a pack does */
  async packs(): Promise<PackFile[]> {
    const packs: PackFile[] = []
    for (const file of await listIfThere(this.files, `${this.directory}/objects/pack`)) {
      if (!file.endsWith('.pack')) continue
      const name = file.slice(0, -5)
      packs.push({ name, count: readU32((await this.#packBytes(name)).subarray(8, 12)) })
    }
    return packs
  }

  /** The entries of a pack, without header and trailer. @throws MalformedError when its trailer is wrong */
  async packEntries({ name }: PackFile): Promise<Uint8Array> {
    const bytes = await this.#packBytes(name)
    const digest = await this.#runtime.digest(bytes.subarray(0, -20))
    if (!equal(digest, bytes.subarray(-20)))
      throw new MalformedError(`pack ${name}`, 'its trailer is not the digest of its bytes')
    return bytes.subarray(12, -20)
  }

  async removePack({ name }: PackFile): Promise<void> {
    // The index first: a pack without one is not used.
    for (const kind of ['idx', 'pack'])
      await unlessMissing(this.files.unlink(`${this.directory}/objects/pack/${name}.${kind}`))
  }

  async #packBytes(name: string): Promise<Uint8Array> {
    const path = `${this.directory}/objects/pack/${name}.pack`
    const bytes = await readIfThere(this.files, path)
    const isPack =
      bytes !== undefined && bytes.length >= 32 && text(bytes.subarray(0, 4)) === 'PACK'
    if (!isPack || readU32(bytes.subarray(4, 8)) !== 2)
      throw new MalformedError(`pack ${name}`, 'it does not begin as a pack of version 2 does')
    return bytes
  }

  #loosePath(oid: Oid): string {
    return `${this.directory}/objects/${oid.slice(0, 2)}/${oid.slice(2)}`
  }
}

const types: ReadonlySet<string> = new Set(['commit', 'tree', 'blob', 'tag'])

/** The object out of `type size NUL body`. */
function decodeLoose(bytes: Uint8Array, oid: Oid): GitObject {
  const end = bytes.subarray(0, 32).indexOf(0)
  const [type = '', size] = text(bytes.subarray(0, Math.max(end, 0))).split(' ')
  const body = bytes.subarray(end + 1)
  if (!isType(type) || size !== String(body.length))
    throw new MalformedError(`loose object ${oid}`, 'its header is not that of an object')
  return { type, body }
}

function isType(type: string): type is ObjectType {
  return types.has(type)
}

/** Undoes zlib without knowing how much comes of it. */
async function inflate(bytes: Uint8Array, oid: Oid): Promise<Uint8Array> {
  const { readable, writable } = new DecompressionStream('deflate')
  const writer = writable.getWriter()
  const written = writer.write(new Uint8Array(bytes)).then(() => writer.close())
  written.catch(() => undefined)
  // Safari cannot iterate over a stream.
  const reader: ReadableStreamDefaultReader<Uint8Array> = readable.getReader()
  const pieces: Uint8Array[] = []
  let length = 0
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      pieces.push(next.value)
      length += next.value.length
      if (length > MAX_LOOSE) throw new MalformedError(`loose object ${oid}`, 'it is too large')
    }
    await written
  } catch (error) {
    if (error instanceof MalformedError) throw error
    throw new MalformedError(`loose object ${oid}`, 'it cannot be decompressed')
  }
  return concat(pieces)
}
