/**
 * On demand: what a fetch left with a remote comes when somebody reads it, and stays. See `demand.ts` for how; without the
 * remote, a read is the error *not here* (`NotHereError`).
 *
 * @module
 */
import { UnsupportedError } from '@datakit/git/error'
import type { NamedRemote, RemoteList } from '@datakit/git/remote-list'
import type { Repository } from '../repository.ts'
import { OnDemand, type ObjectFetcher } from './demand.ts'
import { fetchPromised, type Promisor, type PromisorOptions } from './promised.ts'

/** What has objects that were left with it: a remote of Git's, or what fetches in a way of its own. */
type Source = Promisor | ObjectFetcher | undefined

/** Gives the remote of a name, as promises have it; `undefined` when there is none. */
export type FindPromisor = (name: string) => Promise<Source> | Source

/**
 * From now on the repository fetches what it lacks when it is read: by snapshots and transactions, walks, diffs, merges, logs,
 * bundles and pushes. What receives (fetches, syncs, a server's pushes) never does.
 */
export function fetchOnDemand(repository: Repository, find: FindPromisor): void {
  repository.store.onDemand = new OnDemand(repository, async (name) => {
    const found = await find(name)
    return found === undefined || 'fetchObjects' in found ? found : fetcherOf(repository, found)
  })
}

function fetcherOf(repository: Repository, promisor: Promisor): ObjectFetcher {
  return {
    signal: promisor.signal,
    async fetchObjects(oids, signal) {
      await fetchPromised(repository, { ...promisor, signal }, oids)
      return []
    },
  }
}

/** The remotes of a list as promisors, each reached as `access` says. */
export function promisorsIn(
  remotes: Pick<RemoteList, 'list'>,
  access: (remote: NamedRemote) => PromisorOptions = () => ({}),
): FindPromisor {
  return async (name) => {
    const remote = (await remotes.list()).find((each) => each.name === name)
    if (remote === undefined || /^https?:/i.test(remote.url))
      return remote && { remote, ...access(remote) }
    throw new UnsupportedError(
      `Cannot fetch what was left with the remote "${name}": its URL is not of HTTP; stock Git fetches it ("git cat-file -p OID")`,
    )
  }
}
