/**
 * Own state: what a repository is to us and nothing to Git, `datakit/state`, one JSON file that is replaced as a whole.
 *
 * @module
 */
import { mkdir, rm } from 'node:fs/promises'

import { text } from '@datakit/git/bytes'
import { isOid, type Oid } from '@datakit/git/oid'
import type { PackId } from '@datakit/git/place'

import { randomId } from '../update.ts'
import { linkUnlessThere, randomName, writeSynced } from './durable.ts'

/** The file, decoded. */
export interface OwnState {
  readonly format: 1
  /** Random id of the repository. */
  readonly repository: string
  /** Packs that an update removed, and when, in milliseconds since 1970. */
  readonly condemned: Readonly<Record<PackId, number>>
  /** Packs that came with `verified: false`. */
  readonly unverified: readonly PackId[]
  /** Objects that were left with a remote, and its name. */
  readonly promised: Readonly<Record<Oid, string>>
}

/** Makes our directory inside a Git directory, with a random id for the repository, unless it is there. */
export async function prepareOwnState(gitDirectory: string): Promise<void> {
  const directory = `${gitDirectory}/datakit`
  await mkdir(`${directory}/journal`, { recursive: true })
  await mkdir(`${directory}/index`, { recursive: true })
  await mkdir(`${directory}/loose`, { recursive: true })
  const temporary = `${directory}/${randomName()}.tmp`
  await writeSynced(
    temporary,
    encodeOwnState({ ...decodeOwnState(undefined), repository: randomId() }),
  )
  // Of several processes that open a repository for the first time, one gives it its id.
  await linkUnlessThere(temporary, `${directory}/state`)
  await rm(temporary, { force: true })
}

/** What the file says; everything empty for a file that cannot be read. */
export function decodeOwnState(bytes: Uint8Array | undefined): OwnState {
  const value = parse(bytes)
  const { repository, condemned, unverified, promised } = value
  return {
    format: 1,
    repository: typeof repository === 'string' ? repository : '',
    condemned: record(condemned, (at) => typeof at === 'number'),
    unverified: Array.isArray(unverified) ? unverified.filter((id) => typeof id === 'string') : [],
    promised: record(promised, (remote, oid) => isOid(oid) && typeof remote === 'string'),
  }
}

/** The bytes of the file. */
export function encodeOwnState(state: OwnState): string {
  return `${JSON.stringify(state)}\n`
}

function parse(bytes: Uint8Array | undefined): Record<string, unknown> {
  if (bytes === undefined) return {}
  try {
    const value: unknown = JSON.parse(text(bytes))
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}

function record<T>(
  value: unknown,
  fits: (value: unknown, key: string) => boolean,
): Record<string, T> {
  if (typeof value !== 'object' || value === null) return {}
  const entries = Object.entries(value).filter(([key, each]) => fits(each, key))
  return Object.fromEntries(entries) as Record<string, T>
}
