/**
 * A server with something to choose from, and clients that have a part of it.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import { setChoice, type SyncChoice } from '../src/sync/choice.ts'
import type { Repository } from '../src/repository.ts'
import { sync } from '../src/sync/sync.ts'
import { write } from './clients.ts'
import { Network } from './network.ts'

/** The content of `b/large`. */
export const LARGE = Array.from({ length: 3000 }, (_, i) => `${(i * 7919) % 10_007}`).join(' ')

/** A server with files in directories, large ones and several branches. */
export async function filled(network = new Network()): Promise<Network> {
  const ada = await network.client()
  await write(ada, '.gitattributes', '*.json -merge\n')
  await write(ada, 'a/deep/one', '1\n')
  await write(ada, 'b/deep/two', '2\n')
  await write(ada, 'b/large', LARGE)
  await write(ada, 'top', 'top\n')
  await write(ada, 'a/large', `a ${LARGE}`)
  const base = await headOf(ada)
  for (const name of ['dev', 'team/x', 'team/y']) {
    await ada.branch(name).create(base)
    await write(ada, `${name}/own`, name, name)
  }
  await sync(ada, network.options)
  return network
}

/** A client that has asked for a part. */
export async function partOf(
  network: Network,
  choice: SyncChoice,
  name = 'Grace',
): Promise<Repository> {
  const client = await network.client(name)
  await setChoice(client, choice)
  await sync(client, network.options)
  return client
}

/** Where a branch is. */
export async function headOf(client: Repository, branch = 'main'): Promise<Oid> {
  const oid = await client.branch(branch).oid()
  if (oid === undefined) throw new Error(`There is no branch "${branch}"`)
  return oid
}

/** As without a network. */
export function goOffline(client: Repository): void {
  client.store.onDemand = undefined
}
