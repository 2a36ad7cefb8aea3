/**
 * A clone on disk: a bare Git directory that remembers where it came from, as `remote.origin.url` in its `config`.
 *
 * Stock Git works on it at the same time.
 *
 * @module
 */
import { fetchOnDemand, promisorsIn, type FindPromisor } from '@datakit/datakit/on-demand'
import { Repository } from '@datakit/datakit/repository'
import { serverPromisor } from '@datakit/datakit/server-promisor'
import { sync, type BranchOutcome, type SyncOptions, type SyncOutcome } from '@datakit/datakit/sync'
import { readKnown } from '@datakit/datakit/sync-refs'
import type { NamedRemote } from '@datakit/git/remote-list'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { openGitDirectory } from '@datakit/storage/git-directory'
import { readConfig } from '@datakit/storage/git-directory/config'
import { gitDirectoryRemotes } from '@datakit/storage/git-directory/remotes'
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { appendFile, readFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { CommandError, EXIT, type Terminal } from './command.ts'
import { exchange } from './partial-clone.ts'

/** An open clone. */
export interface CloneDirectory {
  readonly repository: Repository
  readonly folder: string
  /** Name of the branch that HEAD names. */
  readonly branch: string
  /** Where it came from; `undefined` for a repository that was not cloned. */
  readonly url: string | undefined
}

/** Opens the clone (or any bare repository) at `folder`. @throws CommandError when there is none */
export async function openClone(folder: string): Promise<CloneDirectory> {
  const repository = await openBare(folder)
  const head = await repository.head()
  if (!('ref' in head) || !head.ref.startsWith('refs/heads/')) {
    await repository.close()
    throw new CommandError(`HEAD of "${folder}" is at a commit, not on a branch`)
  }
  const branch = head.ref.slice('refs/heads/'.length)
  return { repository, folder, branch, url: await urlOf(folder) }
}

/** Opens the bare repository at `folder`, wherever its HEAD is. @throws CommandError when there is none */
export function openBare(folder: string): Promise<Repository> {
  if (existsSync(join(folder, 'HEAD'))) return openRepository(folder)
  throw new CommandError(
    `There is no repository at "${folder}": make one with "datakit clone URL ${folder}"`,
    EXIT.notFound,
  )
}

/** Opens a bare repository that may have to be made by its first update. What it left with remotes comes when it is read. */
export async function openRepository(folder: string): Promise<Repository> {
  const repository = await Repository.open(await openGitDirectory(folder, { create: true }), {
    runtime: nodeRuntime,
    identity: localIdentity,
  })
  fetchOnDemand(repository, promisorsOf(repository, folder))
  return repository
}

/** What was left with the server of syncs comes from there by its own protocol, all else by Git's. */
function promisorsOf(repository: Repository, folder: string): FindPromisor {
  const access = ({ name }: NamedRemote) => ({ token: tokenFor(name) })
  const remotes = promisorsIn(gitDirectoryRemotes(folder), access)
  return async (name) => {
    const { repository: synced } = await readKnown(await repository.store.state())
    const url = synced === undefined || isPartial(folder) ? undefined : await urlOf(folder)
    const server = { url: url ?? '', token: environmentToken() }
    const promisor = url === undefined ? undefined : serverPromisor(repository, server)(name)
    return promisor ?? remotes(name)
  }
}

/** The token for a remote: one is for one server, and that of origin is not shown to others. */
export function tokenFor(name: string): string | undefined {
  const own = process.env[`DATAKIT_TOKEN_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`]
  return own === undefined && name === 'origin' ? environmentToken() : own || undefined
}

/** Writes down where the repository at `folder` came from. */
export function rememberUrl(folder: string, url: string): Promise<void> {
  const quoted = url.replaceAll('\\', '\\\\').replaceAll('"', '\\"')
  return appendFile(
    join(folder, 'config'),
    `[remote "origin"]\n\turl = "${quoted}"\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n`,
  )
}

/**
 * Syncs with where the clone came from, and says what a person should know. With `pull` the server stays as it is. Where the
 * configuration has `datakit.sync = false`, as in partial clones, the branch of HEAD alone is pulled and pushed.
 *
 * @throws CommandError when the branch of HEAD is not on the server as it is here, or a pull cannot bring it here
 */
export async function syncClone(
  clone: CloneDirectory,
  terminal: Terminal,
  options: { readonly pull?: boolean } = {},
): Promise<void> {
  if (clone.url === undefined) return
  if (isPartial(clone.folder)) return exchangeClone(clone, terminal, options)
  const outcome = await syncWith(clone, terminal.signal, options)
  for (const branch of outcome.branches) {
    const problem = problemOf(branch, clone)
    if (problem === undefined) continue
    const isAhead = options.pull === true && branch.state === 'waiting'
    if (branch.branch === clone.branch && !isAhead) throw problem
    terminal.warn(`datakit: ${isAhead ? ahead(branch.branch) : problem.message}`)
  }
}

/** Whether the clone fetches and pushes as Git does. */
export function isPartial(folder: string): boolean {
  return readConfig(folder).bool('datakit.sync') === false
}

async function exchangeClone(
  clone: CloneDirectory,
  { signal, warn }: Terminal,
  options: { readonly pull?: boolean },
): Promise<void> {
  const access = { token: tokenFor('origin'), signal }
  const { isAhead } = await exchange(clone, access, options)
  if (isAhead) warn(`datakit: ${ahead(clone.branch)}`)
}

/** Why a branch is not on the server as it is here, and the way out; `undefined` when all is well. */
export function problemOf(outcome: BranchOutcome, clone: CloneDirectory): CommandError | undefined {
  const { branch, state } = outcome
  const keep =
    '"datakit sync --keep-mine-as NAME" keeps yours as another branch and takes the server\'s'
  if (state === 'conflict') {
    const paths = outcome.conflicts.map(({ path }) => path).join(', ')
    return new CommandError(
      `Branch "${branch}" here and on the server changed the same: ${paths}. Nothing is lost: "datakit conflicts" shows what, "datakit resolve" decides`,
      EXIT.conflict,
    )
  }
  if (state === 'refused') {
    return new CommandError(`The server refused "${branch}": ${outcome.reason}`, EXIT.refused)
  }
  if (state === 'rewritten') {
    return new CommandError(
      `Commits were taken off "${branch}" on the server, and here are newer ones made on them. Nothing is lost: ${keep}; "datakit sync --restore" sends all of it`,
      EXIT.conflict,
    )
  }
  if (state === 'unrelated') {
    const way = outcome.theirs === undefined ? 'clone it into another folder' : keep
    return new CommandError(
      `"${branch}" on the server is another history than the one here: ${way}`,
      EXIT.conflict,
    )
  }
  // Branches that are done with are deleted all the time; the one that is worked on is not.
  if (state === 'gone' && branch === clone.branch) {
    return new CommandError(
      `The server has no branch "${branch}" any more. It is kept here, and nothing of it is sent: "datakit sync --restore" makes it there again`,
      EXIT.gone,
    )
  }
  if (state !== 'waiting') return undefined
  return new CommandError(
    `"${branch}" kept moving on the server. What is here is kept: "datakit sync" tries again`,
  )
}

function ahead(branch: string): string {
  return `"${branch}" has commits here that the server does not have: "datakit sync" sends them`
}

/** One sync of a repository with a URL, with the token of the URL or of the environment. */
export function syncWith(
  { repository, url = '' }: Pick<CloneDirectory, 'repository' | 'url'>,
  signal: AbortSignal,
  options: Pick<SyncOptions, 'pull' | 'restore'> = {},
): Promise<SyncOutcome> {
  return sync(repository, { url, signal, ...options, token: environmentToken() })
}

async function urlOf(folder: string): Promise<string | undefined> {
  const config = await readFile(join(folder, 'config'), 'utf8')
  const section = /^\[remote "origin"\]\n((?:[ \t].*\n?)*)/m.exec(config)?.[1] ?? ''
  const value = /^\s*url\s*=\s*(.*?)\s*$/m.exec(section)?.[1]
  return value
    ?.replace(/^"(.*)"$/, '$1')
    .replaceAll('\\"', '"')
    .replaceAll('\\\\', '\\')
}

/** Who commits: as for Git, its environment, then its configuration, then the user of the machine. */
function localIdentity(): { name: string; address: string } {
  const user = safeUser()
  return {
    name: process.env['GIT_AUTHOR_NAME'] ?? gitConfig('user.name') ?? user,
    address: process.env['GIT_AUTHOR_EMAIL'] ?? gitConfig('user.email') ?? `${user}@localhost`,
  }
}

function safeUser(): string {
  try {
    return userInfo().username
  } catch {
    // A container may run under a number that has no name.
    return 'datakit'
  }
}

function gitConfig(key: string): string | undefined {
  try {
    const value = execFileSync('git', ['config', '--get', key], { encoding: 'utf8' }).trim()
    return value === '' ? undefined : value
  } catch {
    // Git is not installed, or knows nothing of it.
    return undefined
  }
}

/** The token of the environment, `undefined` where it has none. One in a URL comes first. */
export function environmentToken(): string | undefined {
  const token = process.env['DATAKIT_TOKEN'] ?? ''
  return token === '' ? undefined : token
}
