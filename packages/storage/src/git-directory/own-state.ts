/**
 * Own state: what a repository is to us and nothing to Git, `datakit/state`, one JSON file that is replaced as a whole.
 *
 * @module
 */
import { mkdir, rm } from 'node:fs/promises'

import { UnsupportedError } from '@datakit/git/error'
import type { Oid } from '@datakit/git/oid'
import type { PackId } from '@datakit/git/place'

import { Fields } from '../r2/fields.ts'
import { randomId } from '../update.ts'
import { linkUnlessThere, randomName, syncDirectory, writeSynced } from './durable.ts'

/** The file, decoded. */
export interface OwnState {
  readonly format: 1
  /** Random id of the repository. */
  readonly repository: string
  /** Packs that an update removed, and when, in milliseconds since 1970. */
  readonly condemned: Readonly<Record<PackId, number>>
  /** Packs that came with `verified: false`. */
  readonly unverified: readonly PackId[]
  /** Objects that were left with a remote, and its name; without those that promisor packs name, as Git knows them. */
  readonly promised: Readonly<Record<Oid, string>>
}

/** Makes our directory inside a Git directory, with a random id for the repository, unless it is there. */
export async function prepareOwnState(gitDirectory: string): Promise<void> {
  const directory = `${gitDirectory}/datakit`
  await mkdir(`${directory}/journal`, { recursive: true })
  await mkdir(`${directory}/index`, { recursive: true })
  await mkdir(`${directory}/loose`, { recursive: true })
  await mkdir(`${directory}/promised`, { recursive: true })
  const temporary = `${directory}/${randomName()}.tmp`
  await writeSynced(temporary, encodeOwnState(newOwnState(randomId())))
  // Of several processes that open a repository for the first time, one gives it its id.
  const isFirst = await linkUnlessThere(temporary, `${directory}/state`)
  await rm(temporary, { force: true })
  if (!isFirst) return
  for (const path of [directory, gitDirectory]) await syncDirectory(path)
}

/** The state of a repository of which nothing is known but its id. */
export function newOwnState(repository: string): OwnState {
  return { format: 1, repository, condemned: {}, unverified: [], promised: {} }
}

/**
 * What the file says. One that cannot be read is never taken for empty: that would make packs verified and promises void.
 *
 * @throws MalformedError when it is cut or garbage
 * @throws UnsupportedError when it is of a later format
 */
export function decodeOwnState(bytes: Uint8Array): OwnState {
  const fields = new Fields('datakit/state')
  const value = fields.record(fields.decode(bytes))
  if (value['format'] !== 1)
    throw new UnsupportedError(
      `Cannot read datakit/state: its format is ${String(value['format'])}`,
    )
  const condemned = Object.entries(fields.record(value['condemned']))
  const promised = Object.entries(fields.record(value['promised']))
  return {
    format: 1,
    repository: fields.text(value['repository']),
    condemned: Object.fromEntries(condemned.map(([id, at]) => [id, fields.count(at)])),
    unverified: fields.list(value['unverified']).map((id) => fields.text(id)),
    promised: Object.fromEntries(
      promised.map(([oid, name]) => [fields.oid(oid), fields.text(name)]),
    ),
  }
}

/** The bytes of the file. */
export function encodeOwnState(state: OwnState): string {
  return `${JSON.stringify(state)}\n`
}
