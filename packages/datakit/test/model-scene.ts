/**
 * What tests of the model do with a repository, whatever place keeps it.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { CommitOptions, CommitOutcome } from '../src/transaction/land.ts'
import type { Repository } from '../src/repository.ts'
import type { Transaction } from '../src/transaction/transaction.ts'

/** What a test is given: one repository in two handles that know nothing of each other. */
export interface Scene {
  readonly repository: Repository
  readonly other: Repository
}

/** Declares a test. */
export type Test = (title: string, body: (scene: Scene) => Promise<void>) => void

/** Files by path; `undefined` removes. */
export type Edits = Readonly<Record<string, string | undefined>>

/** Makes edits in a transaction. */
export async function edit(transaction: Transaction, edits: Edits): Promise<void> {
  for (const [path, content] of Object.entries(edits)) {
    if (content === undefined) await transaction.remove(path)
    else await transaction.write(path, content)
  }
}

/** Commits edits, and gives the commit. */
export async function commit(
  repository: Repository,
  edits: Edits,
  branch = 'main',
  options: Partial<CommitOptions> = {},
): Promise<Oid> {
  const message = `Edit ${Object.keys(edits).join(', ')}`
  const outcome = await repository
    .branch(branch)
    .commit((transaction) => edit(transaction, edits), { message, ...options })
  return oidOf(outcome)
}

/** The commit that an outcome is about. */
export function oidOf(outcome: CommitOutcome): Oid {
  if (outcome.state === 'committed' || outcome.state === 'unchanged') return outcome.oid
  throw new Error(`The commit was ${outcome.state}`)
}

/** The files of a commit with their contents. */
export async function filesOf(repository: Repository, oid: Oid): Promise<Record<string, string>> {
  const snapshot = await repository.snapshot(oid)
  const files: Record<string, string> = {}
  for await (const { path } of snapshot.walk()) files[path] = (await snapshot.readText(path)) ?? ''
  return files
}

/** All that is given. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}
