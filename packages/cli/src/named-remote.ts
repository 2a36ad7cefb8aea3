/**
 * The remotes of a clone: sections of its `config`, which stock Git reads too, and the tokens for them, which are nowhere
 * but in the environment.
 *
 * @module
 */
import { findRemote, type NamedRemote, type RemoteList } from '@datakit/datakit/remotes'
import type { Repository } from '@datakit/datakit/repository'
import type { RemoteOptions } from '@datakit/git/transport/remote'
import { readRemoteHead, setRemoteHead } from '@datakit/storage/git-directory/remote-head'
import { gitDirectoryRemotes } from '@datakit/storage/git-directory/remotes'
import { openBare, tokenFor } from './clone-directory.ts'
import { CommandError, EXIT, withExit, type Terminal } from './command.ts'

/** A repository and one of its remotes. */
export interface OpenRemote {
  readonly repository: Repository
  readonly remotes: RemoteList
  readonly remote: NamedRemote
  /** How it is reached. */
  readonly access: RemoteOptions
}

/** What help says of tokens. */
export const TOKENS = `The token is the password in the remote's URL, or else DATAKIT_TOKEN_NAME for the remote NAME (upper case, "_" for other characters), or
else DATAKIT_TOKEN for origin alone.`

/** Runs `use` on a remote of the repository at `folder`, and closes that. Failures of the remote get exit codes of their own. */
export async function withRemote<Result>(
  { folder, name, terminal }: { folder: string; name: string; terminal: Terminal },
  use: (open: OpenRemote) => Promise<Result>,
): Promise<Result> {
  const repository = await openBare(folder)
  try {
    const remotes = gitDirectoryRemotes(folder)
    const remote = await findRemote(remotes, name).catch((cause: unknown) => {
      const way = `"datakit remote list" lists them, "datakit remote add ${name} URL" makes one`
      throw new CommandError(`There is no remote "${name}": ${way}`, EXIT.notFound, { cause })
    })
    const { signal } = terminal
    return await use({ repository, remotes, remote, access: { token: tokenFor(name), signal } })
  } catch (error) {
    throw withExit(error)
  } finally {
    await repository.close()
  }
}

/** Writes down where the remote's HEAD is, as Git's first fetch does, unless that is known. `head` is its full name. */
export async function noteRemoteHead(
  folder: string,
  { repository, name, head }: { repository: Repository; name: string; head: string | undefined },
): Promise<void> {
  if (head?.startsWith('refs/heads/') !== true) return
  const branch = head.slice('refs/heads/'.length)
  const state = await repository.store.state()
  if ((await state.ref(`refs/remotes/${name}/HEAD`)) !== undefined) return
  if ((await state.ref(`refs/remotes/${name}/${branch}`)) === undefined) return
  if ((await readRemoteHead(folder, name)) === undefined) await setRemoteHead(folder, name, branch)
}
