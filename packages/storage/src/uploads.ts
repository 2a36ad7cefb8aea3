/**
 * Uploads over whatever keeps bytes under keys: what they have in common, and those in memory.
 *
 * A key is `DIGEST/PACK/NUMBER`: the SHA-1 of the repository's name, for names have any length, the pack, and the number of
 * the part. All that is known of a part is in its key, its length and its age.
 *
 * @module
 */
import { toHex, utf8 } from '@datakit/git/bytes'
import type { Upload, Uploads } from '@datakit/git/uploads'
import { STAGE_LIFETIME } from './update.ts'

/** A part as a listing gives it. */
export interface KeptPart {
  readonly key: string
  /** In bytes. */
  readonly size: number
  /** When it was written, in milliseconds since 1970. */
  readonly at: number
}

/** Bytes under keys. A part is there as a whole or not at all. */
export interface PartFiles {
  /** The parts whose keys begin with `prefix`, which ends with a slash or is empty. */
  list(prefix: string): AsyncIterable<KeptPart>
  read(key: string): Promise<Uint8Array | undefined>
  write(key: string, bytes: Uint8Array): Promise<void>
  /** Passes over those that are not there. */
  remove(keys: readonly string[]): Promise<void>
}

/** How much is kept. */
export interface UploadOptions {
  /** Bytes of all packs of one repository; 1 GiB when left out: two of the largest that are taken. */
  readonly bytes?: number | undefined
  /** Milliseconds since 1970; `Date.now` when left out. */
  readonly clock?: (() => number) | undefined
}

const BYTES = 1024 * 1024 * 1024

/** Uploads that are kept in `files`. */
export function uploadsIn(files: PartFiles, options: UploadOptions = {}): Uploads {
  const { bytes: limit = BYTES, clock = Date.now } = options
  const removeAll = async (parts: readonly KeptPart[]): Promise<void> => {
    if (parts.length > 0) await files.remove(parts.map(({ key }) => key))
  }
  return {
    async list(upload) {
      const parts = new Map<number, number>()
      for await (const { key, size } of files.list(await prefixOf(upload))) {
        const number = key.slice(key.lastIndexOf('/') + 1)
        // What is not a number is a part that was never written to its end.
        if (/^\d+$/.test(number)) parts.set(Number(number), size)
      }
      return parts
    },
    async write(upload, number, bytes) {
      const prefix = await prefixOf(upload)
      const packs = await packsIn(files, await repositoryPrefix(upload))
      await removeAll(tooMuch(packs, { prefix, room: limit - bytes.length }))
      await files.write(prefix + number, bytes)
    },
    read: async (upload, number) => files.read((await prefixOf(upload)) + number),
    async remove(upload) {
      const parts: KeptPart[] = []
      for await (const part of files.list(await prefixOf(upload))) parts.push(part)
      await removeAll(parts)
    },
    async sweep() {
      let deleted = 0
      for (const { parts, at } of (await packsIn(files, '')).values()) {
        if (at > clock() - STAGE_LIFETIME) continue
        await removeAll(parts)
        deleted += parts.length
      }
      return { deleted }
    },
  }
}

/** Uploads that last as long as the program. */
export function memoryUploads(options: UploadOptions = {}): Uploads {
  const kept = new Map<string, { readonly bytes: Uint8Array; readonly at: number }>()
  const files: PartFiles = {
    async *list(prefix) {
      for (const [key, { bytes, at }] of kept)
        if (key.startsWith(prefix)) yield { key, size: bytes.length, at }
    },
    read: async (key) => kept.get(key)?.bytes,
    async write(key, bytes) {
      kept.set(key, { bytes: bytes.slice(), at: (options.clock ?? Date.now)() })
    },
    async remove(keys) {
      for (const key of keys) kept.delete(key)
    },
  }
  return uploadsIn(files, options)
}

/** The parts of one pack. */
interface Pack {
  readonly parts: KeptPart[]
  bytes: number
  /** When the last of them was written, in milliseconds since 1970. */
  at: number
}

/** The packs under a prefix, by the prefixes of their own. */
async function packsIn(files: PartFiles, prefix: string): Promise<Map<string, Pack>> {
  const packs = new Map<string, Pack>()
  for await (const part of files.list(prefix)) {
    const own = part.key.slice(0, part.key.lastIndexOf('/') + 1)
    const pack = packs.get(own) ?? { parts: [], bytes: 0, at: 0 }
    pack.parts.push(part)
    pack.bytes += part.size
    pack.at = Math.max(pack.at, part.at)
    packs.set(own, pack)
  }
  return packs
}

/** Parts of the packs that have to go, those that were left alone for longest first, and never the one of `prefix`. */
function tooMuch(
  packs: ReadonlyMap<string, Pack>,
  { prefix, room }: { readonly prefix: string; readonly room: number },
): KeptPart[] {
  let bytes = [...packs.values()].reduce((sum, pack) => sum + pack.bytes, 0)
  const gone: KeptPart[] = []
  const others = [...packs].filter(([key]) => key !== prefix).map(([, pack]) => pack)
  for (const pack of others.sort((a, b) => a.at - b.at)) {
    if (bytes <= room) break
    gone.push(...pack.parts)
    bytes -= pack.bytes
  }
  return gone
}

async function repositoryPrefix({ repository }: Upload): Promise<string> {
  return `${toHex(new Uint8Array(await crypto.subtle.digest('SHA-1', utf8(repository))))}/`
}

async function prefixOf(upload: Upload): Promise<string> {
  return `${await repositoryPrefix(upload)}${upload.pack}/`
}
