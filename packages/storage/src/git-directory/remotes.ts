/**
 * Remotes of a Git directory: sections `[remote "NAME"]` of its `config`, which stock Git reads and writes too.
 *
 * Spec: https://git-scm.com/docs/git-config (remote.<name>.url, remote.<name>.fetch, remote.<name>.promisor,
 * remote.<name>.partialclonefilter)
 *
 * @module
 */
import { RefusedError } from '@datakit/git/error'
import { compareNames } from '@datakit/git/ref-name'
import type { NamedRemote, RemoteList } from '@datakit/git/remote-list'

import { readConfig } from './config.ts'
import { changeConfig, withoutSection, withReplaced, withSection } from './config-edit.ts'
import { promisorRemotes, withPromisor } from './promisor-config.ts'
import { readRemoteHead, setRemoteHead } from './remote-head.ts'

/** The remotes of the Git directory at `directory`. Read anew each time: others may change them. */
export function gitDirectoryRemotes(directory: string): RemoteList {
  const list = async (): Promise<NamedRemote[]> => readRemotes(directory)
  return {
    list,
    async add(remote) {
      await changeConfig(directory, (before) => {
        if (readRemotes(directory).some(({ name }) => name === remote.name))
          throw new RefusedError('exists', `There is a remote "${remote.name}" already`)
        const { name, url, fetch, filter } = remote
        const after = withSection(before, { name: 'remote', below: name }, [
          ['url', url],
          ...fetch.map((spec) => ['fetch', spec] as const),
        ])
        return filter === undefined
          ? after
          : withPromisor(directory, after, { remote: name, filter })
      })
    },
    async setUrl(name, url) {
      if (!readRemotes(directory).some((remote) => remote.name === name)) return false
      await changeConfig(directory, (before) => withReplaced(before, `remote.${name}.url`, url))
      return true
    },
    async remove(name) {
      let isThere = false
      await changeConfig(directory, (before) => {
        const after = withoutSection(before, `remote.${name}`)
        isThere = after.length < before.length
        return after
      })
      // A symbolic ref is moved by nobody but who knows Git directories.
      if (isThere && (await readRemoteHead(directory, name)) !== undefined)
        await setRemoteHead(directory, name, undefined)
      return isThere
    },
  }
}

/** Those that have a URL, in the order of their names. */
function readRemotes(directory: string): NamedRemote[] {
  const config = readConfig(directory)
  const names = new Set<string>()
  for (const { key } of config.all()) {
    const name = /^remote\.(.+)\.url$/s.exec(key)?.[1]
    if (name !== undefined) names.add(name)
  }
  const promisors = new Set(promisorRemotes(config))
  return [...names].toSorted(compareNames).map((name) => {
    const filter = config.get(`remote.${name}.partialclonefilter`)
    return {
      name,
      // Git fetches from the first of several.
      url: config.getAll(`remote.${name}.url`)[0] ?? '',
      fetch: config.getAll(`remote.${name}.fetch`),
      ...(filter === undefined ? {} : { filter }),
      ...(promisors.has(name) ? { promisor: true } : {}),
    }
  })
}
