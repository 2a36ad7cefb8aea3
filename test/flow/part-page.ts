/**
 * What a program does in a page of the app's origin: chooses a part of a repository of this browser. The app itself has no view for it.
 *
 * @module
 */
import { portableRuntime } from '@datakit/git/runtime/portable'
import { Repository } from '@datakit/datakit/repository'
import { readChoice, setChoice, type SyncChoice } from '@datakit/datakit/sync-choice'
import { indexedDbDepot } from '@datakit/storage/indexeddb'

async function withRepository<Result>(
  name: string,
  work: (repository: Repository) => Promise<Result>,
): Promise<Result> {
  const place = await indexedDbDepot().open(name)
  const identity = () => ({ name: 'Ada', address: 'ada@example.org' })
  const repository = await Repository.open(place, { runtime: portableRuntime, identity })
  return work(repository).finally(() => repository.close())
}

/** What the tests call. */
const part = {
  /** From now on every sync asks for this part. */
  choose: (name: string, choice: SyncChoice | undefined): Promise<void> =>
    withRepository(name, (repository) => setChoice(repository, choice)),

  chosen: (name: string): Promise<SyncChoice | undefined> => withRepository(name, readChoice),

  /** Of these paths of a branch, those that are here: read with no way to a server. */
  here: (name: string, branch: string, paths: readonly string[]): Promise<readonly string[]> =>
    withRepository(name, async (repository) => {
      const snapshot = await repository.branch(branch).head()
      const found: string[] = []
      for (const path of paths) {
        const read = snapshot?.read(path).then(
          () => true,
          (error: unknown) => {
            if (error instanceof Error && error.name === 'NotHereError') return false
            throw error
          },
        )
        if (await read) found.push(path)
      }
      return found
    }),
}

/** What a test calls in a page. */
export type PartPage = typeof part

Object.assign(globalThis, { part })
