/**
 * Rules for what programs say of remotes: how they are reached, what is fetched and pushed.
 *
 * @module
 */
import type { NamedRemote } from '@datakit/git/remote-list'
import {
  action,
  ArgumentError,
  check,
  checkOptions,
  count,
  flag,
  listOf,
  oneOf,
  signal,
  text,
  type Rule,
} from '../argument.ts'
import type { FetchOptions } from './fetch.ts'
import type { PullOptions } from './pull.ts'
import type { PushOptions } from './push.ts'

const access: Readonly<Record<string, Rule>> = {
  fetch: action,
  token: text,
  scheme: oneOf('basic', 'bearer'),
  proxy: text,
  user: text,
  signal,
  onProgress: action,
}
const fetching: Readonly<Record<string, Rule>> = {
  ...access,
  prune: flag,
  tags: oneOf('follow', 'all', 'none'),
  refspecs: listOf(text),
  filter: text,
  acceptShallow: flag,
}
const pulling: Readonly<Record<string, Rule>> = {
  ...fetching,
  branch: text,
  from: text,
  how: oneOf('merge', 'fast-forward', 'set'),
  deepens: flag,
  acceptUnrelated: flag,
}
const pushing: Readonly<Record<string, Rule>> = {
  ...access,
  refs: listOf(text),
  force: oneOf('lease', 'always'),
  atomic: flag,
}

/** @throws ArgumentError when it is no remote */
function checkRemote(remote: NamedRemote): void {
  const isRemote =
    typeof remote === 'object' && remote !== null && text.fits(remote.name) && text.fits(remote.url)
  if (!isRemote)
    throw new ArgumentError(
      'remote',
      remote,
      'what `findRemote` or `remoteOf` gives, with a name and a URL',
    )
}

/** @throws ArgumentError */
export function checkFetch(remote: NamedRemote, options: FetchOptions): void {
  checkRemote(remote)
  checkOptions(options, fetching)
  const { deepen } = options
  if (deepen === undefined) return
  if (deepen?.kind === 'depth') {
    const depth: Rule = {
      fits: (value) => Number.isInteger(value) && Number(value) > 0,
      wanted: 'a whole number of commits from 1 on',
    }
    return check('deepen.depth', deepen.depth, depth)
  }
  check('deepen', deepen?.kind, { ...oneOf('history'), wanted: 'a `kind` of "depth" or "history"' })
  checkOptions(deepen, { since: count, not: listOf(text) })
  check('deepen.not', deepen.not, listOf(text))
}

/** @throws ArgumentError */
export function checkPull(remote: NamedRemote, options: PullOptions): void {
  checkOptions(options, pulling)
  check('how', options.how, oneOf('merge', 'fast-forward', 'set'))
  checkFetch(remote, options)
}

/** @throws ArgumentError */
export function checkPush(remote: NamedRemote, options: PushOptions): void {
  checkRemote(remote)
  checkOptions(options, pushing)
  check('refs', options.refs, listOf(text))
}
