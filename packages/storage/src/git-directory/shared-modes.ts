/**
 * Shared modes: who may read and write the files of a repository that several users of a machine share
 * (`core.sharedRepository`), as Git gives them to what it makes.
 *
 * What is made gets its modes right after, so that the umask of this process, which is one for all repositories, need not be
 * theirs.
 *
 * Spec: https://git-scm.com/docs/git-config#Documentation/git-config.txt-coresharedRepository
 *
 * @module
 */
import { chmod, stat } from 'node:fs/promises'

import { MalformedError } from '@datakit/git/error'
import type { UpdateRequest } from '@datakit/git/place'

import type { Config } from './config.ts'
import { errorCode, ifThere, pathOf } from './durable.ts'

/** What `core.sharedRepository` asks for. */
export interface SharedModes {
  /** Permissions of a file that its owner may write. */
  readonly bits: number
  /** Whether a file has these and no others, or these besides what it has. */
  readonly isExact: boolean
}

const KEY = 'core.sharedRepository'
const GROUP: SharedModes = { bits: 0o660, isExact: false }
const ALL: SharedModes = { bits: 0o664, isExact: false }
const words: Readonly<Record<string, SharedModes | undefined>> = {
  umask: undefined,
  group: GROUP,
  all: ALL,
  world: ALL,
  everybody: ALL,
}

/** What every repository has from the beginning, with the modes that it was given then. */
const skeleton: ReadonlySet<string> = new Set([
  'info',
  'objects',
  'objects/info',
  'objects/pack',
  'refs',
  'refs/heads',
  'refs/tags',
])

/** What a configuration asks for; `undefined` where the umask decides. @throws MalformedError when that cannot be meant */
export function sharedModes(config: Config): SharedModes | undefined {
  const value = config.get(KEY)
  if (value === undefined) return undefined
  if (value in words) return words[value]
  if (!/^[0-7]+$/.test(value)) return config.bool(KEY) === true ? GROUP : undefined
  const mode = Number.parseInt(value, 8)
  if (mode < 3) return [undefined, GROUP, ALL][mode]
  if ((mode & 0o600) === 0o600) return { bits: mode & 0o666, isExact: true }
  throw new MalformedError(
    'the configuration',
    `"${KEY}" is "${value}", expected a mode by which the owner reads and writes`,
  )
}

/** The mode of a file or directory, from the one that it has. */
export function modeFor(
  mode: number,
  { bits, isExact }: SharedModes,
  isDirectory: boolean,
): number {
  const writable = (mode & 0o200) === 0 ? bits & ~0o222 : bits
  const isRun = isDirectory || (mode & 0o100) !== 0
  const given = isRun ? writable | ((writable & 0o444) >> 2) : writable
  const next = isExact ? (mode & ~0o777) | given : mode | given
  // What is made in a directory of a group is that group's.
  return isDirectory && (next & 0o060) !== 0 ? next | 0o2000 : next
}

/** Gives these names below a Git directory, and the directories that they are in, their modes. */
export async function share(
  directory: string,
  names: Iterable<string>,
  modes: SharedModes,
): Promise<void> {
  const all = new Set<string>()
  for (const name of names) {
    for (let end = name.indexOf('/'); end !== -1; end = name.indexOf('/', end + 1))
      all.add(name.slice(0, end))
    all.add(name)
  }
  for (const name of all) if (!skeleton.has(name)) await shareOne(directory, name, modes)
}

async function shareOne(directory: string, name: string, modes: SharedModes): Promise<void> {
  const path = pathOf(directory, name)
  const found = await ifThere(stat(path))
  if (found === undefined) return
  const old = found.mode & 0o7777
  const mode = modeFor(old, modes, found.isDirectory())
  if (mode === old) return
  try {
    await ifThere(chmod(path, mode))
  } catch (error) {
    // It is another user's, who has shared it as he wanted.
    if (errorCode(error) !== 'EPERM') throw error
  }
}

/** The names of what an update may have made. */
export function namesOfUpdate({ refs, head, addPacks = [] }: UpdateRequest): string[] {
  const moved = [...refs.map(({ name }) => name), ...(head === undefined ? [] : ['HEAD'])]
  const packs = addPacks.flatMap(({ id }) => [
    ...['pack', 'idx', 'promisor'].map((ending) => `objects/pack/${id}.${ending}`),
    `datakit/index/${id}`,
    `datakit/promised/${id}`,
  ])
  const ours = ['journal', 'index', 'loose', 'promised', 'stage', 'logs', 'state', 'receipts']
  return [
    ...moved.flatMap((name) => [name, `logs/${name}`]),
    // It goes with the branch that HEAD is at.
    'logs/HEAD',
    'packed-refs',
    'shallow',
    ...packs,
    ...ours.map((name) => `datakit/${name}`),
  ]
}
