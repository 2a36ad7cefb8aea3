/**
 * Checking a Git directory: what every place is checked for, and what only a directory has: loose objects, Git's own indexes of
 * its packs, ref files, and our own files. Nothing in the repository is changed: what has to be worked out goes into a
 * temporary folder.
 *
 * Not looked at, since nobody here reads them: Git's multi-pack index, bitmaps and commit graph.
 *
 * @module
 */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { equal } from '@datakit/git/bytes'
import { GitError, UnsupportedError } from '@datakit/git/error'
import { nameObject } from '@datakit/git/object'
import { isOid, type Oid } from '@datakit/git/oid'
import { openStockIdx, type StockIdx } from '@datakit/git/pack/idx'
import type { ReadPack } from '@datakit/git/pack/read-pack'
import type { PackId, PackInfo, Place } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'

import type { CheckPackOptions } from '../fsck/check-pack.ts'
import { checkPlace, type Health } from '../fsck/check-place.ts'
import { found, messageOf, progress, type CheckEvent } from '../fsck/finding.ts'
import { readIfThere } from './durable.ts'
import { GitFiles, stateOf } from './git-files.ts'
import { IndexFiles } from './index-files.ts'
import { Journal } from './journal.ts'
import { decodeLoose } from './loose-objects.ts'
import { namesIn, ObjectDirectories } from './object-directories.ts'
import { checkServable } from './recognise.ts'
import { endOfReflog } from './reflog.ts'

/** What a check of a Git directory knows in the end. */
export interface DirectoryHealth extends Health {
  /** Whether `datakit/state` can be read. */
  readonly hasOwnState: boolean
  /** Packs whose `.idx` is not Git's index of them. */
  readonly badIdx: readonly PackId[]
  /** Loose files that are not the object that their name says. */
  readonly badLoose: readonly { readonly oid: Oid; readonly path: string }[]
}

const NOTHING: DirectoryHealth = {
  packs: [],
  lost: [],
  hasBadCatalogs: false,
  hasOwnState: true,
  badIdx: [],
  badLoose: [],
}

/** A repository as it can be read without changing anything. Closing it removes what was worked out. */
export async function openView(
  directory: string,
): Promise<{ readonly files: GitFiles; readonly place: Place; close(): Promise<void> }> {
  checkServable(directory)
  const derived = await mkdtemp(join(tmpdir(), 'datakit-check-'))
  for (const name of ['index', 'loose']) await mkdir(`${derived}/${name}`)
  const files = new GitFiles(directory, undefined, derived)
  return {
    files,
    place: viewOf(files),
    async close() {
      await files.open.close()
      await rm(derived, { recursive: true, force: true })
    },
  }
}

function viewOf(files: GitFiles): Place {
  const indexes = new IndexFiles(files)
  const never = async (): Promise<never> => {
    throw new UnsupportedError('Cannot change a repository that is only looked at')
  }
  return {
    traits: { kind: 'git-directory', keepsThinPacks: false, hearsOthers: false },
    read: async () => stateOf(files, await files.read()),
    readPack: (id, start, end) => files.readPack(id, start, end),
    streamPack: (id, start, end) => files.streamPack(id, start, end),
    readIndex: (id, start, end) => indexes.read(id, start, end),
    update: never,
    writePack: never,
    markVerified: never,
    sweep: never,
    async *log() {},
    subscribe: () => () => {},
    close: async () => {},
  }
}

/**
 * Checks one Git directory.
 *
 * @throws UnsupportedError when it is of a kind that is not offered
 */
export async function* checkGitDirectory(
  directory: string,
  options: CheckPackOptions = {},
): AsyncGenerator<CheckEvent, DirectoryHealth> {
  const { files, place, close } = await openView(directory)
  try {
    const badLoose = yield* checkLoose(directory, options)
    yield* checkOwnFiles(directory)
    if (!(yield* checkReadable(files))) return { ...NOTHING, badLoose, hasOwnState: false }
    yield* checkRefFiles(files)
    const badIdx: PackId[] = []
    const onRead = async function* (pack: PackInfo, read: ReadPack) {
      const problem = await problemOfIdx(files, pack, read)
      if (problem === undefined) return
      badIdx.push(pack.id)
      const message = `Git's index of pack ${pack.id} is damaged: ${problem}`
      yield found('idx', `${pack.id}.idx`, { message, remedy: 'repair' })
    }
    const health = yield* checkPlace(place, nodeRuntime, { ...options, onRead })
    return { ...health, badIdx, badLoose, hasOwnState: true }
  } catch (error) {
    if (!(error instanceof GitError) || error.code === 'unavailable') throw error
    yield found('unreadable', directory, {
      message: `the rest cannot be checked: ${error.message}`,
    })
    return NOTHING
  } finally {
    await close()
  }
}

/** Reads every loose object. */
async function* checkLoose(
  directory: string,
  { signal }: CheckPackOptions,
): AsyncGenerator<CheckEvent, { oid: Oid; path: string }[]> {
  const bad: { oid: Oid; path: string }[] = []
  for (const objects of new ObjectDirectories(directory).list()) {
    for (let step = 0; step < 256; step++) {
      signal?.throwIfAborted()
      const prefix = step.toString(16).padStart(2, '0')
      if (step % 32 === 0) yield progress('loose objects', step, 256)
      for (const name of namesIn(`${objects}/${prefix}`)) {
        const oid = prefix + name
        if (!isOid(oid)) continue
        const path = `${objects}/${prefix}/${name}`
        const problem = problemOfLoose(await readIfThere(path), oid)
        if (problem === undefined) continue
        bad.push({ oid, path })
        yield found('loose', oid, { message: `the file of ${oid} ${problem}`, remedy: 'repair' })
      }
    }
  }
  return bad
}

function problemOfLoose(bytes: Uint8Array | undefined, oid: Oid): string | undefined {
  // Git has packed or pruned it meanwhile.
  if (bytes === undefined) return undefined
  const object = decodeLoose(bytes)
  if (object === undefined) return 'is damaged'
  const name = nameObject(nodeRuntime, object)
  return name === oid ? undefined : `holds an object whose name is ${name}`
}

/** Looks at what is ours alone. */
async function* checkOwnFiles(directory: string): AsyncGenerator<CheckEvent, void> {
  const ours = `${directory}/datakit`
  for (const name of await Journal.abandoned(directory)) {
    const message =
      'an update was cut off; the next one who opens the repository finishes or undoes it'
    yield found('journal', name, { message, severity: 'info', remedy: 'repair' })
  }
  const receipts = await readIfThere(`${ours}/receipts`)
  const lines = receipts === undefined ? [] : Buffer.from(receipts).toString().split('\n')
  const odd = lines.filter((line) => line !== '' && !/^[0-9a-f]{32,} [0-9a-f]{40} \d+ /.test(line))
  if (odd.length > 0) {
    const message = `${odd.length} receipts were cut off and are passed over`
    yield found('receipts', 'datakit/receipts', { message, severity: 'info', remedy: 'time' })
  }
  const packs = new Set(namesIn(`${directory}/objects/pack`))
  for (const name of packs) {
    const id = name.slice(0, -'.pack'.length)
    if (!/^pack-[0-9a-f]{40}\.pack$/.test(name) || packs.has(`${id}.idx`)) continue
    const message = `"${name}" has no .idx, so that Git does not see it: "git index-pack" makes one`
    yield found('stray', name, { message, severity: 'info' })
  }
}

/** Whether refs and our own state can be read: without them there is nothing to check. */
async function* checkReadable(files: GitFiles): AsyncGenerator<CheckEvent, boolean> {
  try {
    files.ownState()
  } catch (error) {
    if (!(error instanceof GitError)) throw error
    yield found('own-state', 'datakit/state', { message: error.message, remedy: 'repair' })
    return false
  }
  files.refs.read()
  return true
}

async function* checkRefFiles({ directory, refs }: GitFiles): AsyncGenerator<CheckEvent, void> {
  const { broken, symbolic, byName, head } = refs.read()
  for (const name of broken) {
    const last = await endOfReflog(directory, name)
    const hint =
      last === undefined ? '' : `; its reflog ends at ${last}: "git update-ref ${name} ${last}"`
    yield found('badRef', name, {
      message: `the file of ${name} holds neither an oid nor a ref${hint}`,
    })
  }
  for (const [name, target] of symbolic) {
    if (byName.has(name)) continue
    const message = `${name} leads to "${target}", which is not there`
    yield found('dangling-ref', name, { message, severity: 'info' })
  }
  if ('ref' in head && broken.has(head.ref)) {
    yield found('head', 'HEAD', { message: `HEAD leads to ${head.ref}, which is broken` })
  }
}

async function problemOfIdx(
  files: GitFiles,
  { id }: PackInfo,
  { table, trailer }: ReadPack,
): Promise<string | undefined> {
  const pack = files.packs.find(id)
  if (pack === undefined) return undefined
  let idx: StockIdx
  try {
    idx = openStockIdx(await readFile(`${pack.path}.idx`), nodeRuntime)
  } catch (error) {
    if (error instanceof GitError) return messageOf(error)
    throw error
  }
  if (!equal(idx.trailer, trailer)) return 'it is of another pack'
  if (idx.count !== table.count) return `it lists ${idx.count} objects of ${table.count}`
  const rows = new Map<number, number>()
  for (let i = 0; i < idx.count; i++) rows.set(idx.offset(i), i)
  for (let row = 0; row < table.count; row++) {
    const i = rows.get(table.offset(row)) ?? -1
    if (i < 0 || idx.oid(i) !== table.oid(row) || idx.crc(i) !== table.crc(row))
      return `it is wrong about ${table.oid(row)}`
  }
  return undefined
}

/** Whether there is something at the path. */
export function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}
