/** Arguments that cannot be, everywhere: each is an error that says what is expected, and nothing was done. */
import type { Oid } from '@datakit/git/oid'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryPlace } from '@datakit/storage/memory'
import { describe, expect, it } from 'vitest'
import { refs, write } from '../test/clients.ts'
import { ArgumentError } from './argument.ts'
import { exportBundle } from './bundle/bundle.ts'
import { importBundle, readBundleHeader, verifyBundle } from './bundle/bundle-import.ts'
import type { Branch } from './branch/branch.ts'
import { listPage, readJson, readParsed, readStream } from './files/files.ts'
import type { Snapshot } from './files/snapshot.ts'
import { globFilter } from './history/path-filter.ts'
import { ConfigRecord } from './records/config-record.ts'
import { int } from './records/field.ts'
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
import { Repository } from './repository.ts'
import { sync } from './sync/sync.ts'
import { addTrailers, parseTrailers } from './transaction/trailers.ts'
import type { Transaction } from './transaction/transaction.ts'
import { waitFor } from './watch/wait-for.ts'
import { watchGlob } from './watch/watch-glob.ts'
import { watchPath } from './watch/watch-path.ts'
import { watchServer } from './watch/watch-server.ts'
import { watchSteps } from './watch/watch-steps.ts'

interface Scene {
  readonly repository: Repository
  readonly main: Branch
  readonly head: Snapshot
  /** With a conflict at `file`. */
  readonly transaction: Transaction
  /** Of another branch. */
  readonly theirs: Oid
}

async function scene(): Promise<Scene> {
  const repository = await Repository.open(memoryPlace(), { runtime: nodeRuntime })
  await storedRemotes(repository).add(REMOTE)
  await write(repository, 'file', '1')
  const main = repository.branch('main')
  await main.fork('topic')
  const theirs = await write(repository, 'file', '2', 'topic')
  await write(repository, 'file', '3')
  const head = await main.head()
  const transaction = await main.transaction()
  await transaction.merge(theirs)
  if (head === undefined) throw new Error('There is no head')
  return { repository, main, head, transaction, theirs }
}

const REMOTE = remoteOf({ name: 'origin', url: 'http://127.0.0.1:1/x.git' })
const NOWHERE = '12'.repeat(20)
const MESSAGE = { message: 'Whatever' }

/** What is no text, no oid, no object of any use. */
const NO_TEXT: readonly unknown[] = [undefined, 5, NaN, {}, []]
const NO_OID: readonly unknown[] = [...NO_TEXT, '', 'xyz', NOWHERE]
const NO_NUMBER: readonly unknown[] = [NaN, -1, '2', {}]
const NO_FUNCTION: readonly unknown[] = ['xyz', 5, {}]
const NO_FLAG: readonly unknown[] = ['yes', 1]
const NO_SIGNAL: readonly unknown[] = ['now', 5]
const NO_OPTIONS: readonly unknown[] = [5, 'xyz']
const NO_LIST: readonly unknown[] = ['xyz', 5, {}, [5], [undefined]]

/** What is done with a value that cannot be; types would not let a program write it. */
// oxlint-disable-next-line typescript/no-explicit-any
type Act = (scene: Scene, bad: any) => unknown
type Cases = Readonly<Record<string, readonly [act: Act, bad: readonly unknown[]]>>

const reading: Cases = {
  'a branch': [({ repository }, bad) => repository.branch(bad), [...NO_TEXT, '', 'a..b']],
  'a pattern of branches': [({ repository }, bad) => repository.branches(bad), NO_TEXT.slice(1)],
  'a ref of a log': [({ repository }, bad) => drain(repository.reflog(bad)), NO_TEXT],
  'a head': [({ repository }, bad) => repository.setHead(bad), [...NO_TEXT, '']],
  'a commit': [({ repository }, bad) => repository.snapshot(bad), NO_OID],
  'a tree': [({ repository }, bad) => repository.tree(bad), NO_OID],
  'a blob': [({ repository }, bad) => repository.readBlob(bad), NO_OID],
  'a path of a snapshot': [({ head }, bad) => head.read(bad), [...NO_TEXT, '', 'a//b', '..']],
  'a directory': [({ head }, bad) => head.list(bad), [...NO_TEXT.slice(1), 'file', '/']],
  'a path to look at': [({ head }, bad) => head.stat(bad), [...NO_TEXT, './x']],
  'a path to stream': [({ head }, bad) => drain(head.stream(bad)), [...NO_TEXT, 'a/']],
  'a page': [({ head }, bad) => head.page('', bad), [...NO_OPTIONS, undefined, { limit: 0 }]],
  'a limit of a page': [({ head }, limit) => head.page('', { limit }), [undefined, ...NO_NUMBER]],
  'a page behind something': [({ head }, after) => head.page('', { limit: 1, after }), [5, 'xyz']],
  'a walk': [({ head }, bad) => drain(head.walk(bad)), NO_OPTIONS],
  'a path of a walk': [({ head }, path) => drain(head.walk({ path })), NO_TEXT.slice(1)],
  'a filter': [({ head }, filter) => drain(head.walk({ filter })), NO_FUNCTION],
  'a signal': [({ head }, signal) => drain(head.readAll({ signal })), NO_SIGNAL],
  'a path that changed': [({ head }, bad) => head.lastModified(bad), NO_TEXT],
  'how often it changed': [({ head }, bad) => head.lastModified('file', bad), NO_NUMBER],
  'a file of JSON': [({ head }, bad) => readJson(head, bad), NO_TEXT],
  'files to read': [(_, bad) => readJson(bad, 'file'), [undefined, 5, 'xyz', {}]],
  'files to stream': [(_, bad) => drain(readStream(bad, 'file')), [undefined, 5, {}]],
  'files to list': [(_, bad) => listPage(bad, '', { limit: 1 }), [undefined, 5, {}]],
  'a parser': [({ head }, bad) => readParsed(head, 'file', bad), [undefined, ...NO_FUNCTION]],
  'a pattern': [(_, bad) => globFilter(bad), [...NO_TEXT, '', 'a//b']],
  'a log': [({ repository }, bad) => drain(repository.log(bad)), [...NO_OID.slice(0, 4), 'xyz']],
  'options of a log': [
    ({ repository, head }, bad) => drain(repository.log(head.oid, bad)),
    NO_OPTIONS,
  ],
  ...Object.fromEntries(
    Object.entries({
      limit: NO_NUMBER,
      since: [NaN, '2026', new Date(0)],
      until: [NaN, '2026', {}],
      author: [5, {}],
      order: ['odd', 5],
      firstParent: NO_FLAG,
      path: NO_TEXT.slice(1),
      signal: NO_SIGNAL,
    }).map(([name, bad]): [string, Cases[string]] => [
      `${name} of a log`,
      [({ repository, head }, value) => drain(repository.log(head.oid, { [name]: value })), bad],
    ]),
  ),
  'a graph': [({ repository }, from) => drain(repository.graph({ from })), [5, {}, 'xyz', NOWHERE]],
  'a limit of a graph': [({ repository }, limit) => drain(repository.graph({ limit })), NO_NUMBER],
  'a difference': [({ repository, head }, bad) => drain(repository.diff(head.oid, bad)), NO_OID],
  'what was before': [
    ({ repository, head }, bad) => drain(repository.diff(bad, head.oid)),
    NO_OID.slice(1),
  ],
  'merge bases': [({ repository, head }, bad) => repository.mergeBases(bad, head.oid), NO_OID],
  'an ancestor': [({ repository, head }, bad) => repository.isAncestor(head.oid, bad), NO_OID],
  'trees to merge': [({ repository }, bad) => repository.mergeTrees(bad), [undefined, 5, 'xyz']],
  trailers: [(_, bad) => parseTrailers(bad), NO_TEXT],
  'a message for trailers': [(_, bad) => addTrailers(bad, []), NO_TEXT],
  'a list of trailers': [
    (_, bad) => addTrailers('x', bad),
    [undefined, 5, 'xyz', {}, [{ name: 'a' }]],
  ],
}

const changing: Cases = {
  'where to begin': [({ main }, bad) => main.transaction(bad), NO_OID.slice(1)],
  'what to change': [({ main }, bad) => main.commit(bad, MESSAGE), [undefined, ...NO_FUNCTION]],
  'how to commit': [({ main }, bad) => main.commit(() => {}, bad), [undefined, 5, 'xyz', {}]],
  'a message': [({ main }, message) => main.commit(() => {}, { message }), [...NO_TEXT, 'a\0b']],
  retries: [({ main }, retries) => main.commit(() => {}, { ...MESSAGE, retries }), [NaN, -1, {}]],
  'an author': [
    ({ main }, author) => main.commit(() => {}, { ...MESSAGE, author }),
    [5, 'Ada', {}],
  ],
  'a committer': [
    ({ main }, committer) => main.commit(() => {}, { ...MESSAGE, committer }),
    [5, {}, { name: 'Ada' }, { name: 'Ada', address: 'ada@example.org', seconds: NaN, offset: 0 }],
  ],
  'the first parent': [
    async ({ transaction }, firstParent) => {
      await transaction.resolve('file', 'ours')
      return transaction.commit({ ...MESSAGE, firstParent })
    },
    ['xyz', NOWHERE, 5],
  ],
  'a commit to merge': [({ main }, bad) => main.merge(bad), NO_OID],
  'a commit to go on to': [({ main }, bad) => main.fastForward(bad), NO_OID],
  'where to make a branch': [({ repository }, bad) => repository.branch('new').create(bad), NO_OID],
  'a fork': [({ main }, bad) => main.fork(bad), [...NO_TEXT, '']],
  'a new name': [({ main }, bad) => main.rename(bad), [...NO_TEXT, '-x']],
  'where to set it': [({ main, head }, bad) => main.compareAndSet(head.oid, bad), NO_OID.slice(1)],
  'where to reset it': [({ main }, bad) => main.reset(bad), NO_OID],
  'a path to write': [
    ({ transaction }, bad) => transaction.write(bad, ''),
    [...NO_TEXT, '', 'a//b'],
  ],
  'a path to write with a mode': [
    ({ transaction }, bad) => transaction.write(bad, '', { mode: 0o100644 }),
    [...NO_TEXT, ''],
  ],
  'bytes to write': [({ transaction }, bad) => transaction.write('x', bad), NO_TEXT],
  'a mode': [({ transaction }, mode) => transaction.write('x', '', { mode }), [NaN, 5, 'xyz', {}]],
  'another mode': [
    ({ transaction }, bad) => transaction.setMode('file', bad),
    [undefined, NaN, 5, {}],
  ],
  'a path with a mode': [
    ({ transaction }, bad) => transaction.setMode(bad, 0o100755),
    [...NO_TEXT, ''],
  ],
  'a path to remove': [({ transaction }, bad) => transaction.remove(bad), [...NO_TEXT, 'a/']],
  'what to move': [({ transaction }, bad) => transaction.move(bad, 'x'), [...NO_TEXT, '']],
  'where to move it': [({ transaction }, bad) => transaction.move('file', bad), [...NO_TEXT, '']],
  'a commit to compare with': [
    ({ transaction }, bad) => drain(transaction.diff(bad)),
    NO_OID.slice(1),
  ],
  'a parent': [({ transaction }, bad) => transaction.addParent(bad), NO_OID],
  'a path in conflict': [({ transaction }, bad) => transaction.explain(bad), [...NO_TEXT, 'x']],
  'a path to settle': [
    ({ transaction }, bad) => transaction.resolve(bad, 'ours'),
    [...NO_TEXT, 'x'],
  ],
  'how to settle it': [
    ({ transaction }, bad) => transaction.resolve('file', bad),
    [undefined, 5, 'mine', {}, { bytes: 5 }, { bytes: '', mode: 5 }, { keys: 5 }, { keys: [5] }],
  ],
  'a conflict to settle': [
    ({ repository }, bad) => repository.resolve('main', bad, new Map()),
    [undefined, 5, {}],
  ],
  'what to keep': [
    async ({ repository, main, theirs }, bad) => {
      const outcome = await main.merge(theirs)
      if (outcome.state === 'conflict') await repository.resolve('main', outcome, bad)
    },
    [undefined, 5, {}],
  ],
  'a conflict to explain': [
    ({ repository, head, theirs }, bad) => repository.explain({ ours: head.oid, theirs }, bad),
    [undefined, 5, {}],
  ],
  'an outcome to explain': [
    ({ repository, transaction: { conflicts } }, bad) =>
      conflicts.map((conflict) => repository.explain(bad, conflict))[0],
    [undefined, 5, {}],
  ],
  'layers of a record': [
    ({ repository }, layers) => ConfigRecord.open(repository, { layers, fields: { a: int(1) } }),
    [undefined, 5, ['user'], [5, 6]],
  ],
  'fields of a record': [
    ({ repository }, fields) =>
      ConfigRecord.open(repository, { layers: ['user', 'defaults'], fields }),
    [5, { a: 5 }, { a: undefined }],
  ],
}

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

async function drain(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of items);
}

async function first(items: AsyncIterator<unknown>): Promise<unknown> {
  return items.next()
}

/** Everything that a caller could have changed. */
async function everything({ repository, transaction }: Scene): Promise<unknown> {
  const { version, head } = await repository.store.place.read()
  const { conflicts, parents } = transaction
  return [
    version,
    head,
    await refs(repository, ''),
    conflicts.length,
    parents,
    await transaction.list(),
  ]
}

/** What an engine says when nobody has looked. */
const RAW =
  /Cannot (read propert|destructure|use 'in')|is not (a function|iterable|defined)|undefined \(|out of bounds/

describe.each([
  ['reading', reading],
  ['changing', changing],
  ['watching and other repositories', elsewhere],
])('%s', (_, cases) => {
  it.each(Object.entries(cases))('refuses what cannot be %s', async (what, [act, bad]) => {
    for (const value of bad) {
      const all = await scene()
      const before = what === 'the first parent' ? undefined : await everything(all)
      const error = await (async () => act(all, value))().then(
        () => undefined,
        (error: unknown) => error,
      )
      const shown = JSON.stringify(value) ?? String(value)
      expect(error, `${what}: ${shown} was taken`).toBeInstanceOf(Error)
      const { message } = error as Error
      expect(message, `${what}: ${shown}`).toMatch(/^(Cannot|Not|There is no) .*[^.]$/s)
      expect(message, `${what}: ${shown}`).not.toMatch(RAW)
      if (before !== undefined) expect(await everything(all)).toEqual(before)
    }
  })
})

it('says what was given and what to give', () => {
  expect(new ArgumentError('limit', NaN, 'a number from 0 on')).toMatchObject({
    name: 'ArgumentError',
    code: 'bad-argument',
    argument: 'limit',
    message: 'Cannot use NaN for "limit": give a number from 0 on',
  })
  expect(new ArgumentError('limit', -1, 'x')).toBeInstanceOf(TypeError)
})

it('refuses what is no place and what names no runtime', async () => {
  const open: (...args: unknown[]) => Promise<unknown> = Repository.open
  for (const args of [
    [undefined, { runtime: nodeRuntime }],
    [memoryPlace(), undefined],
    [memoryPlace(), {}],
  ])
    await expect(open.apply(Repository, args)).rejects.toMatchObject({ code: 'bad-argument' })
})

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
