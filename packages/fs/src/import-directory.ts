/**
 * Taking over a Git directory that a program keeps in a file system of its own (a lightning-fs in the browser, say), with its
 * history: every object is checked, and what a ref rests on must be there before it comes.
 *
 * @module
 */
import { randomId } from '@datakit/git/bytes'
import { MalformedError, MissingError } from '@datakit/git/error'
import type { GitObject } from '@datakit/git/object'
import { isOid, type Oid } from '@datakit/git/oid'
import type { Head, RefUpdate, State } from '@datakit/git/place'
import { isRefName } from '@datakit/git/ref-name'
import type { Judge } from '@datakit/git/transport/judge'
import { receiveUpdate, type RefOutcome } from '@datakit/git/transport/receive'
import { OWN_LIMITS } from '@datakit/datakit/limits'
import type { Repository } from '@datakit/datakit/repository'
import { listIfThere, type FileSystem } from './file-system.ts'
import { GitFiles } from './git-files.ts'
import { streamPack } from './pack-stream.ts'

/** What is taken over. */
export interface ImportOptions {
  readonly files: FileSystem
  /** Path of the Git directory: `/project/.git`. */
  readonly gitdir: string
  /** Decides about what is wrong with objects; what Git's fsck refuses is refused when left out. */
  readonly judge?: Judge | undefined
  /** Told how many objects were checked, of how many. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** What became of a ref of the directory. */
export interface ImportedRef {
  readonly name: string
  readonly oid: Oid
  /** `refused`: a ref of this name is elsewhere here, or it leads to what the directory does not have; see `reason`. */
  readonly state: 'created' | 'unchanged' | 'refused'
  readonly reason: string | undefined
}

/**
 * Takes refs, objects, HEAD and the cuts of a shallow clone. A ref that is here already and points elsewhere stays as it is;
 * nothing of the directory is changed. The work tree and what is staged in the index do not come along: commit first.
 *
 * @throws MissingError when there is no Git directory
 * @throws MalformedError, RefusedError when an object is not what it must be; nothing was changed then
 */
export async function importDirectory(
  repository: Repository,
  options: ImportOptions,
): Promise<readonly ImportedRef[]> {
  const { store } = repository
  const { promises } = options.files
  const files = new GitFiles(promises, options.gitdir.replace(/\/+$/, ''), store.runtime)
  const head = await files.readText('HEAD')
  if (head === undefined) throw new MissingError('a Git directory', options.gitdir)
  const refs = await readRefs(files)
  const state = await store.state()
  const wishes: RefUpdate[] = []
  for (const [name, to] of refs) wishes.push({ name, from: await state.ref(name), to })
  const open = wishes.filter(({ from }) => from === undefined)
  const outcomes =
    open.length === 0 ? [] : await take(repository, { files, options, open, head, state })
  const byName = new Map(outcomes.map((outcome) => [outcome.name, outcome]))
  return wishes.flatMap(({ name, from, to }) =>
    to === undefined ? [] : [settled({ name, oid: to, from }, byName.get(name))],
  )
}

interface Taking {
  readonly files: GitFiles
  readonly options: ImportOptions
  readonly open: readonly RefUpdate[]
  readonly head: string
  readonly state: State
}

async function take(
  { store }: Repository,
  { files, options, open, head, state }: Taking,
): Promise<readonly RefOutcome[]> {
  const { judge, onProgress, signal } = options
  const oids: Oid[] = []
  for await (const oid of files.looseOids()) oids.push(oid)
  const contents = { packs: await files.packs(), oids }
  const cuts = ((await files.readText('shallow')) ?? '').split('\n').filter((line) => isOid(line))
  const { refs, problem } = await receiveUpdate(store.objects, {
    id: randomId(),
    isFirst: true,
    updates: open,
    head: headOf(head, state),
    pack: streamPack(store.runtime, contents, { files, read: (oid) => readLoose(files, oid) }),
    log: { who: store.who(), why: 'import of a Git directory' },
    policy: judge && { judge },
    limits: OWN_LIMITS,
    shallow:
      cuts.length === 0
        ? undefined
        : { add: cuts.filter((oid) => !state.shallow.has(oid)), remove: [] },
    onProgress,
    signal,
  })
  if (problem !== undefined) throw problem
  await store.state()
  return refs
}

async function readLoose(files: GitFiles, oid: Oid): Promise<GitObject> {
  const object = await files.readLoose(oid)
  if (object === undefined) throw new MissingError('a loose object', oid)
  return object
}

/** HEAD of a repository that has none yet is that of the directory. */
function headOf(content: string, { exists, head }: State): { from: Head; to: Head } | undefined {
  const ref = /^ref: *(\S+)/.exec(content)?.[1]
  if (exists || ref === undefined || ('ref' in head && head.ref === ref)) return undefined
  return { from: head, to: { ref } }
}

/** All refs of the directory, loose ones before packed ones, those that point at others aside. */
async function readRefs(files: GitFiles): Promise<Map<string, Oid>> {
  const refs = new Map<string, Oid>()
  for (const line of ((await files.readText('packed-refs')) ?? '').split('\n')) {
    const [oid = '', name = ''] = line.split(' ')
    if (isOid(oid) && isRefName(name)) refs.set(name, oid)
  }
  for await (const name of looseRefs(files, 'refs')) {
    const content = (await files.readText(name))?.trim() ?? ''
    if (isOid(content)) refs.set(name, content)
    else if (!content.startsWith('ref:'))
      throw new MalformedError(`ref "${name}"`, 'it is neither an oid nor the name of a ref')
  }
  return refs
}

async function* looseRefs(files: GitFiles, name: string): AsyncGenerator<string, void, undefined> {
  for (const step of await listIfThere(files.files, `${files.directory}/${name}`)) {
    const path = `${name}/${step}`
    const stats = await files.files.stat(`${files.directory}/${path}`)
    if (stats.isDirectory()) yield* looseRefs(files, path)
    else if (isRefName(path)) yield path
  }
}

function settled(
  { name, oid, from }: { readonly name: string; readonly oid: Oid; readonly from: Oid | undefined },
  outcome: RefOutcome | undefined,
): ImportedRef {
  const ref = { name, oid, reason: undefined }
  if (from === oid) return { ...ref, state: 'unchanged' }
  if (outcome?.state === 'done') return { ...ref, state: 'created' }
  if (outcome?.state === 'refused') return { ...ref, state: 'refused', reason: outcome.reason }
  return { ...ref, state: 'refused', reason: `a ref of this name is here and points elsewhere` }
}
