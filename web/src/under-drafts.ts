/**
 * What is committed where drafts are.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { ListedEntry, RepositoryStore } from './data.ts'
import { isLeft } from './trouble.ts'

/**
 * The entries of a commit at these paths. A path is left out when nobody here can tell what is there, since that was left with
 * the server.
 */
export async function readUnder(
  store: Pick<RepositoryStore, 'stat'>,
  commit: Oid | undefined,
  paths: readonly string[],
): Promise<ReadonlyMap<string, ListedEntry | undefined>> {
  const found = await Promise.all(
    paths.map(async (path) => {
      try {
        return [[path, commit && (await store.stat(commit, path))]] as const
      } catch (error) {
        if (isLeft(error)) return []
        throw error
      }
    }),
  )
  return new Map(found.flat())
}

/** Whether something could not be done because of a path: it cannot be used, or what is there is not on this device. */
export function isOfPath(error: unknown): boolean {
  return isLeft(error) || (error instanceof Error && error.name === 'PathError')
}
