/**
 * Loads a repository of Git's into a place, as a push of everything would.
 *
 * @module
 */
import { Objects } from '../../src/objects.ts'
import { parseOid, type Oid } from '../../src/oid.ts'
import type { Head, Place } from '../../src/place.ts'
import { nodeRuntime } from '../../src/runtime/node.ts'
import { receiveUpdate } from '../../src/transport/receive.ts'
import { streamOf } from '../../src/byte-reader.ts'
import { git, gitText } from './example.ts'

/** The refs of a repository, by name. */
export function refsOf(path: string): Map<string, Oid> {
  const lines = gitText(path, ['for-each-ref', '--format=%(objectname) %(refname)']).split('\n')
  return new Map(
    lines
      .filter((line) => line !== '')
      .map((line) => [line.slice(41), parseOid(line.slice(0, 40))]),
  )
}

/**
 * Brings a place up to a repository: one pack with what it lacks, one update of all refs and of HEAD. `options` are for
 * `git pack-objects`.
 */
export async function load(
  place: Place,
  path: string,
  options: readonly string[] = [],
): Promise<void> {
  const objects = await Objects.open(place, nodeRuntime)
  const now = refsOf(path)
  const before = new Map<string, Oid>()
  for await (const { name, oid } of objects.state.refs()) before.set(name, oid)
  const names = [...new Set([...now.keys(), ...before.keys()])].filter(
    (name) => now.get(name) !== before.get(name),
  )
  const revisions = [...now.values(), ...[...before.values()].map((oid) => `^${oid}`)].join('\n')
  const pack = git(
    path,
    ['pack-objects', '--stdout', '--revs', '--quiet', '--delta-base-offset', ...options],
    {
      input: Buffer.from(`${revisions}\n`),
    },
  )
  const branch = gitText(path, ['symbolic-ref', 'HEAD'])
  const to: Head = { ref: branch }
  const { head } = objects.state
  const outcome = await receiveUpdate(objects, {
    id: crypto.randomUUID().replaceAll('-', ''),
    updates: names.map((name) => ({ name, from: before.get(name), to: now.get(name) })),
    head: 'ref' in head && head.ref === branch ? undefined : { from: head, to },
    pack: streamOf(Uint8Array.from(pack)),
    log: { who: 'Ada <ada@example.org>', why: 'load' },
  })
  if (outcome.problem !== undefined) throw outcome.problem
  const other = outcome.refs.find(({ state }) => state !== 'done')
  if (other !== undefined) throw new Error(`Cannot load "${other.name}": ${JSON.stringify(other)}`)
}
