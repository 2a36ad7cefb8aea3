/**
 * Promisor config: which remotes promise objects, as Git writes it down: `remote.NAME.promisor`,
 * `remote.NAME.partialclonefilter`, and `extensions.partialClone` of older versions.
 *
 * Spec: https://git-scm.com/docs/partial-clone ("Design Details"), https://git-scm.com/docs/repository-version
 *
 * @module
 */
import { RefusedError, UnsupportedError } from '@datakit/git/error'

import { readConfig, type Config } from './config.ts'
import { changeConfig, withSetting } from './config-edit.ts'
import { findProblem } from './recognise.ts'

/** Names of the remotes that promise objects, in the order in which Git asks them. */
export function promisorRemotes(config: Config): string[] {
  const names = new Set<string>()
  for (const { key } of config.all()) {
    const [, name, what] = /^remote\.(.+)\.(promisor|partialclonefilter)$/s.exec(key) ?? []
    if (name === undefined) continue
    if (what === 'partialclonefilter' || config.bool(key) === true) names.add(name)
  }
  const last = config.get('extensions.partialclone')
  if (last === undefined) return [...names]
  names.delete(last)
  return [...names, last]
}

/**
 * Writes down that a remote promises objects, as the first `git fetch --filter` does. Its own filter stays what it is.
 *
 * @throws RefusedError `no-remote` when there is no remote of that name with a URL
 * @throws UnsupportedError when the format of the repository cannot be raised to 1, which Git asks for
 * @throws UnavailableError when somebody else is changing the file
 */
export async function registerPromisor(
  directory: string,
  { remote, filter }: { readonly remote: string; readonly filter?: string | undefined },
): Promise<void> {
  const isDone = (config: Config): boolean =>
    promisorRemotes(config).includes(remote) &&
    (filter === undefined || config.get(`remote.${remote}.partialclonefilter`) !== undefined)
  if (isDone(readConfig(directory))) return
  await changeConfig(directory, (before) => {
    const config = readConfig(directory)
    if (config.get(`remote.${remote}.url`) === undefined)
      throw new RefusedError(
        'no-remote',
        `Cannot leave objects with the remote "${remote}": the configuration of the repository has no URL of it, so that Git could not fetch them; add the remote first`,
      )
    if (isDone(config)) return before
    return withPromisor(directory, before, { remote, filter })
  })
}

/** The configuration with a promisor in it, and the format of the repository that Git wants then. */
export function withPromisor(
  directory: string,
  before: Uint8Array,
  { remote, filter }: { readonly remote: string; readonly filter?: string | undefined },
): Uint8Array {
  const config = readConfig(directory)
  let after = before
  if ((config.int('core.repositoryformatversion') ?? 0) < 1) {
    const problem = findProblem(directory, config, 1)
    if (problem !== undefined)
      throw new UnsupportedError(`Cannot leave objects with the remote "${remote}": ${problem}`)
    after = withSetting(after, 'core.repositoryformatversion', '1')
  }
  // `git gc` of a bare repository wants to write a bitmap of a pack in which it has no promised commits, and fails.
  if (config.get('repack.writebitmaps') === undefined && config.bool('core.bare') === true)
    after = withSetting(after, 'repack.writeBitmaps', 'false')
  if (config.bool(`remote.${remote}.promisor`) !== true)
    after = withSetting(after, `remote.${remote}.promisor`, 'true')
  const known = config.get(`remote.${remote}.partialclonefilter`)
  if (filter === undefined || known !== undefined) return after
  return withSetting(after, `remote.${remote}.partialclonefilter`, filter)
}
