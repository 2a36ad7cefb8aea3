/**
 * A clone that is not whole: files stay with the server until they are wanted, or history is cut off. It is made as `git clone`
 * makes it, of any Git server, so that stock Git works on it too.
 *
 * Its `config` says `datakit.sync = false`: commands fetch and push as Git does, for a first sync would bring everything.
 *
 * @module
 */
import { fetchRemote } from '@datakit/datakit/fetch'
import { pullRemote, type PullResult } from '@datakit/datakit/pull'
import { pushRemote, type PushedRef } from '@datakit/datakit/push'
import { findRemote, remoteOf } from '@datakit/datakit/remotes'
import type { Repository } from '@datakit/datakit/repository'
import { publish } from '@datakit/datakit/update'
import type { RemoteOptions } from '@datakit/git/transport/remote'
import { changeConfig, withSetting } from '@datakit/storage/git-directory/config-edit'
import { gitDirectoryRemotes } from '@datakit/storage/git-directory/remotes'
import { CommandError, EXIT, withExit } from './command.ts'

/** How much of a repository is cloned. */
export interface CloneParts {
  /** What is left with the server until it is wanted: `blob:none`, `blob:limit=1m`, `tree:0`. */
  readonly filter: string | undefined
  /** Commits of each branch; all when left out. */
  readonly depth: number | undefined
}

/** What a partial clone exchanges with where it came from. */
export interface PartialClone {
  readonly repository: Repository
  readonly folder: string
  /** Name of the branch that is worked on. */
  readonly branch: string
}

/** How often a push that was overtaken is tried again. */
const TRIES = 5

/**
 * Fetches into a repository that has nothing yet, makes the branches that are there, and gives the full name of the one that the
 * server's HEAD is on, where it says so.
 *
 * @throws CommandError when the filter is none, or the server refuses a ref
 */
export async function clonePart(
  { repository, folder, url }: { repository: Repository; folder: string; url: string },
  parts: CloneParts,
  access: RemoteOptions,
): Promise<string | undefined> {
  const { filter } = parts
  const remote = usable(() => remoteOf({ name: 'origin', url, filter, keepsSecrets: true }))
  // The remote has to be in the configuration before anything is left with it; the first update makes that.
  const head = await repository.head()
  const log = { who: repository.store.who(), why: 'clone' }
  await publish(repository.store.place, { refs: [], head: { from: head, to: head }, log })
  await gitDirectoryRemotes(folder).add(remote)
  await changeConfig(folder, (before) => withSetting(before, 'datakit.sync', 'false'))
  const { depth } = parts
  const deepen =
    depth === undefined ? undefined : ({ kind: 'depth', depth, relative: false } as const)
  const fetched = await fetchRemote(repository, remote, { ...access, deepen })
  for (const ref of fetched.refs) {
    if (ref.state === 'refused')
      throw new CommandError(`Cannot take ${ref.remote}: ${ref.reason}`, EXIT.refused)
    if (ref.to !== undefined && ref.remote.startsWith('refs/heads/'))
      await repository.branch(ref.remote.slice('refs/heads/'.length)).create(ref.to)
  }
  if (fetched.head?.startsWith('refs/heads/') === true)
    await repository.setHead(fetched.head.slice('refs/heads/'.length))
  return fetched.head
}

/**
 * Pulls the branch, and pushes what it has unless it is only to be pulled. Whether it has commits that the server does not
 * have is given.
 *
 * @throws CommandError when the branch is not on the server as it is here, or a pull cannot bring it here
 */
export async function exchange(
  clone: PartialClone,
  access: RemoteOptions,
  options: { readonly pull?: boolean } = {},
): Promise<{ readonly isAhead: boolean }> {
  try {
    return await tryExchange(clone, access, options)
  } catch (error) {
    throw withExit(error)
  }
}

async function tryExchange(
  { repository, folder, branch }: PartialClone,
  access: RemoteOptions,
  { pull = false }: { readonly pull?: boolean },
): Promise<{ readonly isAhead: boolean }> {
  const remote = await findRemote(gitDirectoryRemotes(folder), 'origin')
  const ref = `refs/heads/${branch}`
  for (let tries = 0; tries < TRIES; tries++) {
    const { branch: pulled } = await pullRemote(repository, remote, {
      ...access,
      branch,
      how: 'merge',
    })
    const tracked = await (await repository.store.state()).ref(`refs/remotes/origin/${branch}`)
    checkPulled(pulled, { branch, wasThere: tracked !== undefined })
    const isAhead = (await repository.branch(branch).oid()) !== tracked
    if (pull || !isAhead) return { isAhead }
    const { refs } = await pushRemote(repository, remote, { ...access, refs: [ref] })
    if (refs.every((pushed) => isOver(pushed, branch))) return { isAhead: false }
  }
  throw new CommandError(
    `"${branch}" kept moving on the server. What is here is kept: "datakit pull", then "datakit push" tries again`,
  )
}

/** @throws CommandError when the branch could not follow the server */
function checkPulled(
  result: PullResult,
  { branch, wasThere }: { readonly branch: string; readonly wasThere: boolean },
): void {
  if (result.state === 'conflict') {
    const paths = result.conflicts.map(({ path }) => path).join(', ')
    throw new CommandError(
      `Branch "${branch}" here and on the server changed the same: ${paths}. Nothing is lost: "datakit conflicts" shows what, "datakit resolve" decides`,
      EXIT.conflict,
    )
  }
  if (result.state === 'unrelated')
    throw new CommandError(
      `"${branch}" on the server is another history than the one here: "datakit pull --set" takes it, and says what was here`,
      EXIT.conflict,
    )
  if (result.state === 'not-found' && wasThere)
    throw new CommandError(
      `The server has no branch "${branch}" any more. It is kept here: "datakit push" makes it there again`,
      EXIT.gone,
    )
}

/** Whether the push is done; `false` when the server has moved on. @throws CommandError when it refuses */
function isOver({ state, reason }: PushedRef, branch: string): boolean {
  if (state === 'fetch-first' || state === 'not-fast-forward' || state === 'stale') return false
  if (state !== 'refused') return true
  throw new CommandError(
    `The server refused "${branch}": ${reason ?? 'it does not say why'}`,
    EXIT.refused,
  )
}

function usable<Result>(make: () => Result): Result {
  try {
    return make()
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error
    throw new CommandError(error.message, EXIT.usage, { cause: error })
  }
}
