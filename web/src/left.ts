/**
 * What a sync left with the server, since only a part of a repository is kept here. Loaded when something of it is read.
 *
 * @module
 */
import { fetchOnDemand } from '@datakit/datakit/on-demand'
import type { Repository } from '@datakit/datakit/repository'
import { serverPromisor } from '@datakit/datakit/server-promisor'
import { serverOptions } from './data-sync.ts'
import { currentToken } from './sign-in.ts'

/** From now on the repository fetches from the server of this page what it lacks, when it is read. */
export function fetchLeft(repository: Repository, name: string): void {
  // Who is signed in may be another one each time.
  fetchOnDemand(repository, (remote) =>
    serverPromisor(repository, serverOptions(name, { token: currentToken() }))(remote),
  )
}
