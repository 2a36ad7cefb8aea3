/**
 * Unit: a pack and everything that belongs to it, as one immutable object.
 *
 *     unit = pack, index, tail, about, footer
 *
 * The stock packfile comes first, so that a pack is a range from 0. Behind its own index lies the *tail*: the merged
 * index of the packs since the last catalog, this one included (it may be missing). *About* is JSON: for which root the
 * pack was written, its objects, the packs that it needs, what the tail covers. The footer has a fixed length and says
 * how long all of them are, so that a unit can be understood from its end alone. Numbers are little-endian.
 *
 *     footer = "DKPU", version u32, pack u64, index u64, tail u64, about u32, zero u32
 *
 * Spec: docs/storage-format.md, "R2"
 *
 * @module
 */
import { concat, utf8 } from '@datakit/git/bytes'
import { MalformedError, UnsupportedError } from '@datakit/git/error'
import type { PackId, PackInfo } from '@datakit/git/place'
import { Fields } from './fields.ts'
import { packKey } from './keys.ts'
import type { CatalogRow } from './catalogs.ts'
import type { Store } from './store.ts'

/** Bytes of the footer. */
export const FOOTER = 40

const MAGIC = 0x55504b44 // `DKPU` as it reads in little-endian.
const VERSION = 1

/** A pack that was written and can be named in a root. */
export interface Unit {
  readonly info: PackInfo
  /** Key of the root that it was written for. */
  readonly root: string
  /** The merged index behind its own. */
  readonly tail: CatalogRow | undefined
}

/** What comes behind the pack and its index: the tail, about, the footer. */
export function encodeUnitEnd(unit: Unit, tail: Uint8Array): Uint8Array<ArrayBuffer> {
  const { info } = unit
  const covers = unit.tail?.covers ?? []
  const { objects, needs, verified } = info
  const about = utf8(JSON.stringify({ root: unit.root, objects, needs, verified, covers }))
  const footer = new DataView(new ArrayBuffer(FOOTER))
  footer.setUint32(0, MAGIC, true)
  footer.setUint32(4, VERSION, true)
  footer.setBigUint64(8, BigInt(info.size), true)
  footer.setBigUint64(16, BigInt(info.indexSize), true)
  footer.setBigUint64(24, BigInt(tail.length), true)
  footer.setUint32(32, about.length, true)
  return concat([tail, about, new Uint8Array(footer.buffer)])
}

/**
 * The unit that a pack id names, read from its end; `undefined` when there is none.
 *
 * @throws MalformedError when the object is not a unit
 */
export async function readUnit(store: Store, id: PackId): Promise<Unit | undefined> {
  const key = packKey(id)
  const end = key === undefined ? undefined : await store.readEnd(key, 4096)
  if (key === undefined || !end) return undefined
  const sizes = decodeFooter(end.bytes, end.size)
  const length = sizes.about + FOOTER
  const bytes = length <= end.bytes.length ? end.bytes : (await store.readEnd(key, length))?.bytes
  if (!bytes) return undefined
  return decodeAbout(bytes.subarray(bytes.length - length, bytes.length - FOOTER), {
    id,
    key,
    sizes,
  })
}

interface Sizes {
  readonly pack: number
  readonly index: number
  readonly tail: number
  readonly about: number
}

/**
 * The lengths that the footer at the end of `bytes` names.
 *
 * @throws MalformedError when there is no footer or its lengths do not add up to `size`, that of the whole object
 * @throws UnsupportedError when the unit is of a later version
 */
export function decodeFooter(bytes: Uint8Array, size: number): Sizes {
  if (bytes.length < FOOTER) throw malformed('it is too short for a footer')
  const view = new DataView(bytes.buffer, bytes.byteOffset + bytes.length - FOOTER, FOOTER)
  if (view.getUint32(0, true) !== MAGIC) throw malformed('it has no footer')
  const version = view.getUint32(4, true)
  if (version !== VERSION)
    throw new UnsupportedError(`Cannot read a stored pack of version ${version}`)
  const sizes = {
    pack: Number(view.getBigUint64(8, true)),
    index: Number(view.getBigUint64(16, true)),
    tail: Number(view.getBigUint64(24, true)),
    about: view.getUint32(32, true),
  }
  const sum = sizes.pack + sizes.index + sizes.tail + sizes.about + FOOTER
  if (sum !== size) throw malformed(`its parts are ${sum} bytes, the whole is ${size}`)
  return sizes
}

function decodeAbout(bytes: Uint8Array, whole: { id: PackId; key: string; sizes: Sizes }): Unit {
  const fields = new Fields('a stored pack')
  const { root, objects, needs, verified, covers } = fields.record(fields.decode(bytes))
  const { id, key, sizes } = whole
  const start = sizes.pack + sizes.index
  const ids = fields.list(covers).map((covered) => fields.text(covered))
  return {
    info: {
      id,
      size: sizes.pack,
      indexSize: sizes.index,
      objects: fields.count(objects),
      needs: fields.list(needs).map((needed) => fields.text(needed)),
      verified: verified === true,
    },
    root: fields.text(root),
    tail: sizes.tail === 0 ? undefined : { key, start, size: sizes.tail, covers: ids },
  }
}

function malformed(problem: string): MalformedError {
  return new MalformedError('a stored pack', problem)
}
