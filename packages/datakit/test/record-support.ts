/**
 * A configuration record for tests, and what branches hold of it.
 *
 * @module
 */
import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryPlace } from '@datakit/storage/memory'
import { ConfigRecord, type Fields, type RecordOptions } from '../src/records/config-record.ts'
import { bool, int, json, oneOf, string } from '../src/records/field.ts'
import { Repository } from '../src/repository.ts'

const isList = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((each) => typeof each === 'string')

/** One field of each type. */
export const fields = {
  memory: int(2048, { min: 512, max: 65_536 }),
  'proxy/http': string(),
  debug: bool(false),
  channel: oneOf(['stable', 'edge'], 'stable'),
  mirrors: json(isList, []),
  name: string('moby'),
}

/** The layers of all records here. */
export const layers = ['user', 'experimental', 'defaults'] as const

/** A repository: an empty one when left out. */
export const open = (place = memoryPlace()): Promise<Repository> =>
  Repository.open(place, { runtime: nodeRuntime })

/** Opens a record with a state, in a directory. */
export function recordOf<const F extends Fields>(
  repository: Repository,
  fields: F,
  options: Partial<RecordOptions<F>> = {},
): Promise<ConfigRecord<F>> {
  return ConfigRecord.open(repository, { layers, state: 'state', path: 'vm', fields, ...options })
}

/** Files of a branch, by path. */
export async function files(
  repository: Repository,
  branch: string,
): Promise<Record<string, string>> {
  const head = await repository.branch(branch).head()
  const found: Record<string, string> = {}
  if (head === undefined) return found
  for await (const { path, body } of head.readAll()) found[path] = new TextDecoder().decode(body)
  return Object.fromEntries(Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** How many commits a branch has. */
export async function commits(repository: Repository, branch: string): Promise<number> {
  const oid = await repository.branch(branch).oid()
  if (oid === undefined) return 0
  let count = 0
  for await (const _ of repository.log(oid)) count++
  return count
}
