/**
 * Ref files: Git's refs as they are on disk, read as one moment.
 *
 * A ref is a file of its own below `refs/` (loose) or a line of `packed-refs`; the file wins. Loose files are read
 * first, as stock git does, since a ref moves from its file into the packed file and never the other way. If
 * `packed-refs` was replaced meanwhile, everything is read again: our updates of more than one ref are one replacement
 * of that file, so that a reader sees them whole.
 *
 * Spec: https://git-scm.com/docs/gitrepository-layout
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { readdirSync, type Dirent } from 'node:fs'

import { decodeName, encodeName, text } from '@datakit/git/bytes'
import { MalformedError, UnavailableError } from '@datakit/git/error'
import { isOid, type Oid } from '@datakit/git/oid'
import type { Head, Ref } from '@datakit/git/place'
import { isRefName } from '@datakit/git/ref-name'
import { compareNames } from '@datakit/git/ref-name'

import { isAbsent, pathOf } from './durable.ts'
import { FileCache, stampOf } from './file-cache.ts'
import { decodePackedRefs, type PackedRef } from './packed-refs.ts'

/** The refs of one moment. */
export interface RefSnapshot {
  readonly head: Head
  /** Every ref that resolves, ordered by the bytes of the names. */
  readonly refs: readonly Ref[]
  readonly byName: ReadonlyMap<string, Ref>
  /** Refs that name another ref instead of an object, and which; some lead nowhere. */
  readonly symbolic: ReadonlyMap<string, string>
  /** The same with the refs, there or not, that they lead to in the end. */
  readonly aliases: ReadonlyMap<string, string>
  /** Refs whose file says neither an oid nor a ref, as a power cut can leave it. They resolve to nothing, and hide their line. */
  readonly broken: ReadonlySet<string>
  /** Names that have a loose file. */
  readonly loose: ReadonlySet<string>
  /** Every line of `packed-refs`, also where a loose file hides it. */
  readonly packed: readonly PackedRef[]
  /** Digest of all of the above, and of when each file was written. */
  readonly digest: string
}

interface Packed {
  readonly refs: readonly PackedRef[]
  readonly digest: string
}

/** What a loose file or `HEAD` says; neither when it is broken. */
interface Value {
  /** Which writing of the file it is, so that a ref that moved and came back has another version. */
  readonly written: string
  readonly oid?: Oid
  readonly ref?: string
}

/** What is read while there is no repository yet. */
const noHead: Value = { written: '', ref: 'refs/heads/main' }
const noPacked: Packed = { refs: [], digest: '' }

/** How often a read is begun anew because `packed-refs` changed meanwhile, before that is given up. */
const ATTEMPTS = 50

/** Reads the refs of one Git directory. */
export class RefFiles {
  readonly #directory: string
  readonly #values = new FileCache(decodeValue)
  readonly #packed = new FileCache(decodePacked)
  #last: { readonly key: string; readonly snapshot: RefSnapshot } | undefined

  constructor(directory: string) {
    this.#directory = directory
  }

  /**
   * The refs as they are now; the same object as before when nothing changed.
   *
   * @throws MalformedError when `HEAD` is broken, UnavailableError when `packed-refs` is never left alone
   */
  read(): RefSnapshot {
    const packedPath = `${this.#directory}/packed-refs`
    for (let attempt = 1; ; attempt++) {
      const before = stampOf(packedPath)
      const head = this.#values.read(`${this.#directory}/HEAD`) ?? noHead
      const loose = this.#readLoose()
      const packed = this.#packed.read(packedPath) ?? noPacked
      if (stampOf(packedPath) === before) return this.#snapshot(head, loose, packed)
      if (attempt === ATTEMPTS)
        throw new UnavailableError('Cannot read "packed-refs": it is replaced all the time')
    }
  }

  #readLoose(): Map<string, Value> {
    const found = new Map<string, Value>()
    const paths = new Set<string>([`${this.#directory}/HEAD`])
    for (const name of looseNames(this.#directory, 'refs')) {
      const path = pathOf(this.#directory, name)
      const value = this.#values.read(path)
      if (value === undefined) continue
      found.set(name, value)
      paths.add(typeof path === 'string' ? path : path.toString('latin1'))
    }
    this.#values.keepOnly(paths)
    return found
  }

  #snapshot(head: Value, loose: ReadonlyMap<string, Value>, packed: Packed): RefSnapshot {
    const hash = createHash('sha1').update(`${packed.digest}\n${spell(head)}\n`)
    for (const [name, value] of loose) hash.update(encodeName(`${name} ${spell(value)}\n`))
    const key = hash.digest('hex')
    if (this.#last?.key === key) return this.#last.snapshot
    const snapshot = { ...merge(loose, packed.refs), head: this.#headOf(head), digest: key }
    this.#last = { key, snapshot }
    return snapshot
  }

  #headOf({ oid, ref }: Value): Head {
    if (oid !== undefined) return { oid }
    if (ref === undefined) throw brokenError('HEAD')
    return { ref }
  }
}

/** The error for a ref of a snapshot that is broken. */
export function brokenError(name: string): MalformedError {
  return new MalformedError(`"${name}"`, 'expected an oid or "ref: " and a name')
}

/** Names of the loose files below a directory of refs, in no order; locks and what cannot be a ref are passed over. */
function* looseNames(directory: string, prefix: string): Generator<string> {
  for (const entry of listing(directory, prefix)) {
    const step = decodeName(entry.name)
    const name = `${prefix}/${step}`
    if (step.startsWith('.') || step.endsWith('.lock')) continue
    if (entry.isDirectory()) yield* looseNames(directory, name)
    else if (isRefName(name)) yield name
  }
}

function listing(directory: string, name: string): Dirent<NonSharedBuffer>[] {
  try {
    return readdirSync(pathOf(directory, name), { withFileTypes: true, encoding: 'buffer' })
  } catch (error) {
    if (isAbsent(error)) return []
    throw error
  }
}

function decodePacked(bytes: Uint8Array, written: string): Packed {
  const digest = createHash('sha1').update(bytes).update(written).digest('hex')
  return { refs: decodePackedRefs(bytes), digest }
}

function decodeValue(bytes: Uint8Array, written: string): Value {
  const line = bytes.subarray(0, 4096)
  const oid = text(line.subarray(0, 40))
  if (isOid(oid) && (line.length === 40 || isSpace(line[40]))) return { oid, written }
  if (text(line.subarray(0, 4)) !== 'ref:') return { written }
  const ref = decodeName(line).slice(4).trim()
  return isRefName(ref) ? { ref, written } : { written }
}

function isSpace(byte: number | undefined): boolean {
  return byte === 10 || byte === 32 || byte === 9 || byte === 13
}

function spell(value: Value): string {
  return `${value.oid ?? value.ref ?? '?'} ${value.written}`
}

type Merged = Omit<RefSnapshot, 'head' | 'digest'>

function merge(loose: ReadonlyMap<string, Value>, packed: readonly PackedRef[]): Merged {
  const byName = new Map<string, Ref>()
  const symbolic = new Map<string, string>()
  const aliases = new Map<string, string>()
  const broken = new Set<string>()
  for (const { name, oid, peeled } of packed)
    byName.set(name, { name, oid, peeled: peeled || undefined })
  for (const [name, value] of loose) {
    byName.delete(name)
    if (value.ref !== undefined) symbolic.set(name, value.ref)
    else if (value.oid === undefined) broken.add(name)
    else byName.set(name, { name, oid: value.oid, peeled: undefined })
  }
  for (const name of symbolic.keys()) {
    const target = follow(name, symbolic)
    if (target === undefined) continue
    aliases.set(name, target)
    const ref = byName.get(target)
    if (ref !== undefined) byName.set(name, { ...ref, name })
  }
  const refs = [...byName.values()].sort((a, b) => compareNames(a.name, b.name))
  return { refs, byName, symbolic, aliases, broken, loose: new Set(loose.keys()), packed }
}

/** Where a symbolic ref leads in at most five steps, which is Git's limit. */
function follow(name: string, symbolic: ReadonlyMap<string, string>): string | undefined {
  let at = name
  for (let step = 0; step < 5; step++) {
    const next = symbolic.get(at)
    if (next === undefined) return at
    at = next
  }
  return undefined
}
