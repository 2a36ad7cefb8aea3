/**
 * Remotes by name: where other copies of a repository are, written down.
 *
 * Where the list is kept depends on the place: a Git directory has it in its `config`, where stock Git finds it
 * (`@datakit/storage/git-directory/remotes`), others keep it with the repository (`@datakit/datakit/remotes`).
 *
 * @module
 */
import { MalformedError } from './error.ts'
import { ALL_FILTERS, parseFilter } from './protocol/filter.ts'
import { isRefName } from './ref-name.ts'
import { splitUrl } from './transport/remote-url.ts'

/** Another copy of the repository. */
export interface NamedRemote {
  /** As in `refs/remotes/NAME/*`. */
  readonly name: string
  readonly url: string
  /** Which of its refs are fetched, and under which names, as Git writes refspecs. */
  readonly fetch: readonly string[]
  /** What is left with the remote until it is wanted, in the words of `git clone --filter`; not there: nothing. */
  readonly filter?: string
  /** Whether objects were left with it, be nothing more to be left there now. */
  readonly promisor?: boolean
}

/** The remotes of one repository. */
export interface RemoteList {
  /** In the order of their names. */
  list(): Promise<NamedRemote[]>
  /** @throws RefusedError `exists` when there is one of this name */
  add(remote: NamedRemote): Promise<void>
  /** Gives a remote another URL. False when there is none of this name. */
  setUrl(name: string, url: string): Promise<boolean>
  /** False when there was none. What was fetched from it stays. */
  remove(name: string): Promise<boolean>
}

/** What a remote is made of. */
export interface RemoteSettings {
  readonly name: string
  readonly url: string
  /** All branches, to `refs/remotes/NAME/*`, when left out. */
  readonly fetch?: readonly string[] | undefined
  /** Nothing is left with it when left out. */
  readonly filter?: string | undefined
  /** Whether a user and a password in the URL are kept, for everyone to read who reads the list. They are not when left out. */
  readonly keepsSecrets?: boolean | undefined
}

/**
 * A remote as it is written down.
 *
 * @throws RangeError when Git does not take the name for one, or the filter
 * @throws TypeError when the URL is none of HTTP
 */
export function remoteOf(settings: RemoteSettings): NamedRemote {
  const { name, url, fetch, filter, keepsSecrets } = settings
  if (typeof name !== 'string' || !isRemoteName(name))
    throw new RangeError(`Not a name for a remote: "${name}"; take letters and digits, as "origin"`)
  if (filter !== undefined) checkFilter(`${filter}`)
  const bare = splitUrl(url).url
  const specs = fetch ?? [`+refs/heads/*:refs/remotes/${name}/*`]
  if (!Array.isArray(specs) || !specs.every((spec) => typeof spec === 'string' && spec !== ''))
    throw new RangeError(
      `Not refspecs for the remote "${name}"; give a list, as ["+refs/heads/*:refs/remotes/${name}/*"]`,
    )
  const remote = { name, url: keepsSecrets === true ? url : bare, fetch: specs }
  return filter === undefined ? remote : { ...remote, filter }
}

/** Whether Git takes the name for a remote. */
export function isRemoteName(name: string): boolean {
  return !name.includes('/') && !name.startsWith('-') && isRefName(`refs/remotes/${name}/x`)
}

/** A filter that our server does not have may be one of another's. */
function checkFilter(filter: string): void {
  try {
    parseFilter(filter, ALL_FILTERS)
  } catch (cause) {
    if (!(cause instanceof MalformedError)) return
    throw new RangeError(
      `Not a filter: "${filter}"; "blob:none", "blob:limit=1m" and "tree:0" are some`,
      { cause },
    )
  }
}
