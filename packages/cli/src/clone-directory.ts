/**
 * A clone on disk: a bare Git directory that remembers where it came from, as `remote.origin.url` in its `config`.
 *
 * Stock Git works on it at the same time.
 *
 * @module
 */
import { Repository } from '@datakit/datakit/repository'
import { sync, type SyncOutcome } from '@datakit/datakit/sync'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { openGitDirectory } from '@datakit/storage/git-directory'
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { appendFile, readFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { CommandError, EXIT, type Terminal } from './command.ts'

/** An open clone. */
export interface CloneDirectory {
  readonly repository: Repository
  /** Name of the branch that HEAD names. */
  readonly branch: string
  /** Where it came from; `undefined` for a repository that was not cloned. */
  readonly url: string | undefined
}

/** Opens the clone (or any bare repository) at `folder`. @throws CommandError when there is none */
export async function openClone(folder: string): Promise<CloneDirectory> {
  if (!existsSync(join(folder, 'HEAD'))) {
    throw new CommandError(
      `There is no repository at "${folder}": make one with "datakit clone URL ${folder}"`,
      EXIT.notFound,
    )
  }
  const repository = await openRepository(folder)
  const head = await repository.head()
  if (!('ref' in head) || !head.ref.startsWith('refs/heads/')) {
    await repository.close()
    throw new CommandError(`HEAD of "${folder}" is at a commit, not on a branch`)
  }
  return { repository, branch: head.ref.slice('refs/heads/'.length), url: await urlOf(folder) }
}

/** Opens a bare repository that may have to be made by its first update. */
export async function openRepository(folder: string): Promise<Repository> {
  return Repository.open(await openGitDirectory(folder, { create: true }), {
    runtime: nodeRuntime,
    identity: localIdentity,
  })
}

/** Writes down where the repository at `folder` came from. */
export function rememberUrl(folder: string, url: string): Promise<void> {
  const quoted = url.replaceAll('\\', '\\\\').replaceAll('"', '\\"')
  return appendFile(
    join(folder, 'config'),
    `[remote "origin"]\n\turl = "${quoted}"\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n`,
  )
}

/** Syncs with where the clone came from, and says what a person should know. @throws CommandError when it failed */
export async function syncClone(clone: CloneDirectory, terminal: Terminal): Promise<void> {
  if (clone.url === undefined) return
  const outcome = await syncWith(clone.repository, clone.url, terminal.signal)
  for (const branch of outcome.branches) {
    if (branch.state === 'conflict') {
      const paths = branch.conflicts.map(({ path }) => path).join(', ')
      throw new CommandError(
        `Branch "${branch.branch}" here and on the server changed the same: ${paths}. Nothing is lost; decide in the web app, or with git`,
        EXIT.conflict,
      )
    }
    if (branch.state === 'refused') {
      throw new CommandError(
        `The server refused "${branch.branch}": ${branch.reason}`,
        EXIT.refused,
      )
    }
    if (branch.state === 'unrelated') {
      throw new CommandError(
        `"${branch.branch}" on the server is another history than the one here; clone it into another folder`,
        EXIT.conflict,
      )
    }
  }
}

/** One sync of a repository with a URL, with the token of the environment. */
export function syncWith(
  repository: Repository,
  url: string,
  signal: AbortSignal,
): Promise<SyncOutcome> {
  const token = process.env['DATAKIT_TOKEN'] ?? ''
  return sync(repository, { url, signal, ...(token === '' ? {} : { token }) })
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
