/** Arguments that cannot be, where something is watched or comes from elsewhere. */
import { describe, expect, it } from 'vitest'
import {
  drain,
  first,
  NO_FLAG,
  NO_FUNCTION,
  NO_LIST,
  NO_NUMBER,
  NO_SIGNAL,
  NO_TEXT,
  refusals,
  REMOTE,
  scene,
  type Cases,
} from '../test/argument-cases.ts'
import { exportBundle } from './bundle/bundle.ts'
import { importBundle, readBundleHeader, verifyBundle } from './bundle/bundle-import.ts'
import { fetchRemote } from './remote/fetch.ts'
import { pullRemote } from './remote/pull.ts'
import { pushRemote } from './remote/push.ts'
import {
  findRemote,
  remoteOf,
  removeRemote,
  setRemoteUrl,
  storedRemotes,
} from './remote/remotes.ts'
import { sync } from './sync/sync.ts'
import { waitFor } from './watch/wait-for.ts'
import { watchGlob } from './watch/watch-glob.ts'
import { watchPath } from './watch/watch-path.ts'
import { watchServer } from './watch/watch-server.ts'
import { watchSteps } from './watch/watch-steps.ts'

const elsewhere: Cases = {
  'what to watch': [({ repository }, bad) => first(watchPath(repository, bad)), [undefined, 5, {}]],
  'a path to watch': [
    ({ repository }, path) => first(watchPath(repository, { branch: 'main', path })),
    [...NO_TEXT, 'a//b'],
  ],
  'how often to look': [
    ({ repository }, poll) => first(watchPath(repository, { branch: 'main', path: '' }, { poll })),
    [0, ...NO_NUMBER],
  ],
  'a pattern to watch': [
    ({ repository }, pattern) => first(watchGlob(repository, { branch: 'main', pattern })),
    [...NO_TEXT, ''],
  ],
  'where steps begin': [
    ({ repository }, since) => first(watchSteps(repository, 'main', { since })),
    ['', 'xyz', 5, {}],
  ],
  'what is waited for': [
    ({ repository }, bad) => waitFor(repository, { branch: 'main', path: '' }, bad),
    [undefined, ...NO_FUNCTION],
  ],
  'how long is waited': [
    ({ repository }, timeout) =>
      waitFor(repository, { branch: 'main', path: '' }, () => false, { timeout }),
    NO_NUMBER,
  ],
  'a server to watch': [(_, bad) => first(watchServer(bad)), [undefined, 5, {}, { url: 'xyz' }]],
  'a server to sync with': [({ repository }, bad) => sync(repository, bad), [undefined, 5, {}]],
  'its URL': [({ repository }, url) => sync(repository, { url }), [...NO_TEXT, 'ssh://x']],
  ...Object.fromEntries(
    Object.entries({
      refs: [...NO_LIST, ['none']],
      since: ['xyz', ['xyz'], [undefined]],
      version: [4, 1, '2', NaN],
      signal: NO_SIGNAL,
      allowShallow: NO_FLAG,
    }).map(([name, bad]): [string, Cases[string]] => [
      `${name} of a bundle`,
      [({ repository }, value) => drain(exportBundle(repository, { [name]: value })), bad],
    ]),
  ),
  'a bundle': [({ repository }, bad) => importBundle(repository, bad), [undefined, 5, 'xyz']],
  'a bundle to check': [({ repository }, bad) => verifyBundle(repository, bad), [undefined, {}]],
  'a header': [(_, bad) => readBundleHeader(bad), [undefined, new Uint8Array(4)]],
  'where a bundle goes': [
    ({ repository }, into) => importBundle(repository, exportBundle(repository), { into }),
    ['', 'a/b', 5, {}],
  ],
  'a name of a remote': [(_, name) => remoteOf({ ...REMOTE, name }), [...NO_TEXT, '', 'a/b', '-x']],
  'a URL of a remote': [(_, url) => remoteOf({ ...REMOTE, url }), [...NO_TEXT, '', 'ssh://x']],
  'what is fetched of it': [(_, fetch) => remoteOf({ ...REMOTE, fetch }), ['x', 5, [5], ['']]],
  'what is left there': [(_, filter) => remoteOf({ ...REMOTE, filter }), [5, {}, '']],
  'a remote to keep': [
    ({ repository }, bad) => storedRemotes(repository).add(bad),
    [{}, { name: 'x' }, { ...REMOTE, name: undefined }],
  ],
  'a remote to find': [
    ({ repository }, bad) => findRemote(storedRemotes(repository), bad),
    NO_TEXT,
  ],
  'another URL': [
    ({ repository }, url) => setRemoteUrl(storedRemotes(repository), 'origin', { url }),
    [...NO_TEXT, ''],
  ],
  'a remote to fetch': [
    ({ repository }, bad) => fetchRemote(repository, bad),
    [...NO_TEXT, 'origin'],
  ],
  ...Object.fromEntries(
    Object.entries({
      tags: ['some', true],
      refspecs: [...NO_LIST, ['main']],
      filter: [5, {}],
      token: [5, {}],
      signal: NO_SIGNAL,
      prune: NO_FLAG,
      deepen: [5, {}, { kind: 'depth' }, { kind: 'depth', depth: 0 }, { kind: 'history' }],
    }).map(([name, bad]): [string, Cases[string]] => [
      `${name} of a fetch`,
      [({ repository }, value) => fetchRemote(repository, REMOTE, { [name]: value }), bad],
    ]),
  ),
  'how to pull': [
    ({ repository }, how) => pullRemote(repository, REMOTE, { branch: 'main', how }),
    [undefined, 'rebase', 5],
  ],
  'a branch to pull': [
    ({ repository }, branch) => pullRemote(repository, REMOTE, { branch, how: 'set' }),
    [...NO_TEXT, 'a..b'],
  ],
  'a pull': [({ repository }, bad) => pullRemote(repository, REMOTE, bad), [undefined, 5, {}]],
  'what to push': [
    ({ repository }, list) => pushRemote(repository, REMOTE, { refs: list }),
    [undefined, ...NO_LIST],
  ],
  'how to force': [
    ({ repository }, force) => pushRemote(repository, REMOTE, { refs: ['main'], force }),
    ['never', true],
  ],
}

describe('watching and other repositories', () => refusals(elsewhere))

it('leaves no remote behind that it could not take', async () => {
  const { repository } = await scene()
  const remotes = storedRemotes(repository)
  expect(await removeRemote(repository, remotes, 'origin')).toBe(true)
  // What follows is what a program without types may do.
  await expect(remotes.add({ ...REMOTE, url: 5 as unknown as string })).rejects.toThrow(
    'Not the URL',
  )
  expect(await remotes.list()).toEqual([])
})
