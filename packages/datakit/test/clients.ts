/**
 * What tests of sync do with clients, and behind their backs with the server.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { Repository } from '../src/repository.ts'
import { sync, type BranchOutcome } from '../src/sync/sync.ts'
import { publish } from '../src/transaction/update.ts'
import type { Network } from './network.ts'

/** Commits one file. */
export async function write(
  repository: Repository,
  path: string,
  content: string,
  branch = 'main',
): Promise<Oid> {
  const outcome = await repository
    .branch(branch)
    .commit((transaction) => transaction.write(path, content), { message: `Write ${path}` })
  if (outcome.state !== 'committed') throw new Error(`The commit was ${outcome.state}`)
  return outcome.oid
}

/** A file at the head of a branch. */
export async function read(
  repository: Repository,
  path: string,
  branch = 'main',
): Promise<string | undefined> {
  return (await repository.branch(branch).head())?.readText(path)
}

/** What became of each branch, by name. */
export function states(branches: readonly BranchOutcome[]): Record<string, string> {
  return Object.fromEntries(branches.map(({ branch, state }) => [branch, state]))
}

/** Heads of the branches, by name. */
export async function heads(repository: Repository): Promise<Record<string, string>> {
  return Object.fromEntries((await repository.branches()).map(({ name, head }) => [name, head]))
}

/** Two clients that have the same files. */
export async function twoClients(network: Network): Promise<[Repository, Repository]> {
  const [ada, grace] = [await network.client('Ada'), await network.client('Grace')]
  await write(ada, 'a', '1')
  await sync(ada, network.options)
  await sync(grace, network.options)
  return [ada, grace]
}

/** Moves a branch, whatever it had: what `git push --force` does. `undefined` deletes it. */
export async function forceBranch(
  repository: Repository,
  branch: string,
  to: Oid | undefined,
): Promise<void> {
  const name = `refs/heads/${branch}`
  const from = await (await repository.store.state()).ref(name)
  const log = { who: 'Eve <eve@example.org>', why: 'push' }
  const { state } = await publish(repository.store.place, { refs: [{ name, from, to }], log })
  if (state !== 'done') throw new Error(`The push was ${state}`)
}

/** Refs by name. */
export async function refs(repository: Repository, prefix: string): Promise<Record<string, Oid>> {
  const found: Record<string, Oid> = {}
  for await (const { name, oid } of (await repository.store.state()).refs(prefix)) found[name] = oid
  return found
}

/** Makes a tag. */
export async function forceTag(repository: Repository, tag: string, to: Oid): Promise<void> {
  const refs = [{ name: `refs/tags/${tag}`, from: undefined, to }]
  await publish(repository.store.place, { refs, log: { who: 'Eve <eve@example.org>', why: 'tag' } })
}
