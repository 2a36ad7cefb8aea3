/**
 * Where the HEAD of a remote is: `refs/remotes/NAME/HEAD`, a symbolic ref, as `git clone` and `git remote set-head` make it. It lets
 * `origin` stand for `origin/main`.
 *
 * Only a Git directory has symbolic refs besides its own HEAD. A ref of that name that is none is left alone.
 *
 * Spec: https://git-scm.com/docs/git-remote#Documentation/git-remote.txt-set-head
 *
 * @module
 */
import { mkdir, open, rename, rm } from 'node:fs/promises'

import { RefusedError, UnavailableError } from '@datakit/git/error'
import { isRefName } from '@datakit/git/ref-name'
import { text } from '@datakit/git/bytes'
import { errorCode, readIfThere } from './durable.ts'

/** The branch of the remote that its HEAD is at, by short name; `undefined` when nobody wrote it down. */
export async function readRemoteHead(
  directory: string,
  remote: string,
): Promise<string | undefined> {
  const prefix = `ref: refs/remotes/${remote}/`
  const content = text((await readIfThere(pathOf(directory, remote))) ?? new Uint8Array(0)).trim()
  return content.startsWith(prefix) ? content.slice(prefix.length) : undefined
}

/**
 * Writes down where the HEAD of a remote is, or forgets it (`undefined`).
 *
 * @throws RangeError when the branch cannot have that name
 * @throws UnavailableError when somebody else is changing it
 * @throws RefusedError `exists` when there is a ref of that name that is no symbolic one
 */
export async function setRemoteHead(
  directory: string,
  remote: string,
  branch: string | undefined,
): Promise<void> {
  const path = pathOf(directory, remote)
  const target = `refs/remotes/${remote}/${branch ?? 'x'}`
  if (!isRefName(target)) throw new RangeError(`Not a name for a branch: "${branch ?? ''}"`)
  await mkdir(`${directory}/refs/remotes/${remote}`, { recursive: true })
  const lock = `${path}.lock`
  const handle = await open(lock, 'wx').catch((cause: unknown) => {
    if (errorCode(cause) !== 'EEXIST') throw cause
    throw new UnavailableError(
      `Cannot change "${path}": "${lock}" is there, somebody else is changing it; if nobody is, remove it`,
      { cause },
    )
  })
  try {
    try {
      const before = text((await readIfThere(path)) ?? new Uint8Array(0))
      if (before !== '' && !before.startsWith('ref:'))
        throw new RefusedError(
          'exists',
          `Cannot change "refs/remotes/${remote}/HEAD": it is a branch of the remote; rename that there`,
        )
      await handle.writeFile(`ref: ${target}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
    if (branch !== undefined) return await rename(lock, path)
    await rm(path, { force: true })
    await rm(lock, { force: true })
  } catch (error) {
    await rm(lock, { force: true })
    throw error
  }
}

function pathOf(directory: string, remote: string): string {
  return `${directory}/refs/remotes/${remote}/HEAD`
}
