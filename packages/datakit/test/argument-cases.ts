/**
 * What tests of arguments share: a repository to try them on, what cannot be, and what must come of it.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryPlace } from '@datakit/storage/memory'
import { expect, it } from 'vitest'
import type { Branch } from '../src/branch/branch.ts'
import type { Snapshot } from '../src/files/snapshot.ts'
import { remoteOf, storedRemotes } from '../src/remote/remotes.ts'
import { Repository } from '../src/repository.ts'
import type { Transaction } from '../src/transaction/transaction.ts'
import { refs, write } from './clients.ts'

/** What arguments are tried on. */
export interface Scene {
  readonly repository: Repository
  readonly main: Branch
  readonly head: Snapshot
  /** With a conflict at `file`. */
  readonly transaction: Transaction
  /** Of another branch. */
  readonly theirs: Oid
}

export async function scene(): Promise<Scene> {
  const repository = await Repository.open(memoryPlace(), { runtime: nodeRuntime })
  await storedRemotes(repository).add(REMOTE)
  await write(repository, 'file', '1')
  const main = repository.branch('main')
  await main.fork('topic')
  const theirs = await write(repository, 'file', '2', 'topic')
  await write(repository, 'file', '3')
  const head = await main.head()
  const transaction = await main.transaction()
  await transaction.merge(theirs)
  if (head === undefined) throw new Error('There is no head')
  return { repository, main, head, transaction, theirs }
}

export const REMOTE = remoteOf({ name: 'origin', url: 'http://127.0.0.1:1/x.git' })
export const NOWHERE = '12'.repeat(20)
export const MESSAGE = { message: 'Whatever' }

/** What is no text, no oid, no object of any use. */
export const NO_TEXT: readonly unknown[] = [undefined, 5, NaN, {}, []]
export const NO_OID: readonly unknown[] = [...NO_TEXT, '', 'xyz', NOWHERE]
export const NO_NUMBER: readonly unknown[] = [NaN, -1, '2', {}]
export const NO_FUNCTION: readonly unknown[] = ['xyz', 5, {}]
export const NO_FLAG: readonly unknown[] = ['yes', 1]
export const NO_SIGNAL: readonly unknown[] = ['now', 5]
export const NO_OPTIONS: readonly unknown[] = [5, 'xyz']
export const NO_LIST: readonly unknown[] = ['xyz', 5, {}, [5], [undefined]]

/** What is done with a value that cannot be; types would not let a program write it. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Act = (scene: Scene, bad: any) => unknown
export type Cases = Readonly<Record<string, readonly [act: Act, bad: readonly unknown[]]>>

export async function drain(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of items);
}

export async function first(items: AsyncIterator<unknown>): Promise<unknown> {
  return items.next()
}

/** Everything that a caller could have changed. */
async function everything({ repository, transaction }: Scene): Promise<unknown> {
  const { version, head } = await repository.store.place.read()
  const { conflicts, parents } = transaction
  return [
    version,
    head,
    await refs(repository, ''),
    conflicts.length,
    parents,
    await transaction.list(),
  ]
}

/** What an engine says when nobody has looked. */
const RAW =
  /Cannot (read propert|destructure|use 'in')|is not (a function|iterable|defined)|undefined \(|out of bounds/

/** Declares a test for each case: what cannot be is told, in words of ours, and nothing was done. */
export function refusals(cases: Cases): void {
  it.each(Object.entries(cases))('refuses what cannot be %s', async (what, [act, bad]) => {
    for (const value of bad) {
      const all = await scene()
      const before = what === 'the first parent' ? undefined : await everything(all)
      const error = await (async () => act(all, value))().then(
        () => undefined,
        (error: unknown) => error,
      )
      const shown = JSON.stringify(value) ?? String(value)
      expect(error, `${what}: ${shown} was taken`).toBeInstanceOf(Error)
      const { message } = error as Error
      expect(message, `${what}: ${shown}`).toMatch(/^(Cannot|Not|There is no) .*[^.]$/s)
      expect(message, `${what}: ${shown}`).not.toMatch(RAW)
      if (before !== undefined) expect(await everything(all)).toEqual(before)
    }
  })
}
