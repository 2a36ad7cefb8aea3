/**
 * A part of a repository without the network: what is inside of it works as in the whole, with nobody asked; what needs more says
 * what, where and from whom.
 */
import { NotHereError } from '@datakit/git/error'
import { beforeEach, describe, expect, it } from 'vitest'
import { read, write } from '../../test/clients.ts'
import { collect } from '../../test/model-scene.ts'
import { Network } from '../../test/network.ts'
import type { Branch } from '../branch/branch.ts'
import { readJson } from '../files/files.ts'
import type { Snapshot } from '../files/snapshot.ts'
import { globFilter } from '../history/path-filter.ts'
import { ConfigRecord } from '../records/config-record.ts'
import { int } from '../records/field.ts'
import type { Repository } from '../repository.ts'
import { waitFor } from '../watch/wait-for.ts'
import { watchGlob } from '../watch/watch-glob.ts'
import { watchPath } from '../watch/watch-path.ts'
import { setChoice } from './choice.ts'
import { sync } from './sync.ts'

// Seen to fail when: a diff looks at more than its paths; a watch of a pattern opens what cannot fit; a merge does not say where
// a tree is that lacks; a log opens what is at its path.

/** The same history everywhere, in which `side` and `main` have changed both the inside and, on one side each, the outside. */
async function filled(network: Network): Promise<void> {
  const ada = await network.client()
  await write(ada, '.gitattributes', '*.lock -merge\n')
  await write(ada, 'a/deep/one', '1\n2\n3\n')
  await write(ada, 'a/limits.json', '{ "users": 1 }\n')
  await write(ada, 'a/config/users', '1')
  await write(ada, 'b/deep/two', '1\n2\n3\n')
  await write(ada, 'c/three', '3\n')
  await write(ada, 'top', 'top\n2\n3\n')
  const base = await ada.branch('main').oid()
  if (base === undefined) throw new Error('There is no branch')
  for (const branch of ['side', 'apart', 'level']) await ada.branch(branch).create(base)
  await write(ada, 'a/deep/one', '1\n2\nside\n', 'side')
  await write(ada, 'c/three', 'side\n', 'side')
  await write(ada, 'b/deep/two', '1\n2\napart\n', 'apart')
  await write(ada, 'top', 'top\n2\nlevel\n', 'level')
  await write(ada, 'a/deep/one', 'main\n2\n3\n')
  await write(ada, 'b/deep/two', 'main\n2\n3\n')
  await write(ada, 'top', 'top main\n2\n3\n')
  await sync(ada, network.options)
}

async function clone(network: Network, paths?: readonly string[]): Promise<Repository> {
  const client = await network.client('Grace')
  await setChoice(client, paths && { paths })
  await sync(client, network.options)
  return client
}

let network: Network
let whole: Repository
let part: Repository

beforeEach(async () => {
  network = new Network()
  await filled(network)
  whole = await clone(network)
  part = await clone(network, ['a'])
  network.onAnswer = () => {
    throw new TypeError('fetch failed')
  }
})

async function headOf(repository: Repository, branch = 'main'): Promise<Snapshot> {
  const head = await repository.branch(branch).head()
  if (head === undefined) throw new Error(`There is no branch "${branch}"`)
  return head
}

async function first<T>(values: AsyncIterable<T>): Promise<T | undefined> {
  for await (const value of values) return value
  return undefined
}

async function parentOf(repository: Repository, branch: string, back: number) {
  const commits = await collect(repository.log((await headOf(repository, branch)).oid))
  return commits[back]?.oid
}

async function diff(repository: Repository, paths: readonly string[]): Promise<unknown> {
  const before = await parentOf(repository, 'main', 6)
  return collect(repository.diff(before, (await headOf(repository)).oid, { paths }))
}

async function log(repository: Repository, path: string): Promise<unknown> {
  const commits = await collect(repository.log((await headOf(repository)).oid, { path }))
  return commits.map(({ oid, commit }) => [oid, commit.message])
}

/** What is at the branch, and what a merge came to; without the commit, which has a time. */
async function merge(repository: Repository, branch: Branch, theirs: string): Promise<unknown> {
  const outcome = await branch.merge((await headOf(repository, theirs)).oid)
  return [outcome.state, (await branch.head())?.tree]
}

async function inTransaction(
  repository: Repository,
  act: Parameters<Branch['commit']>[0],
): Promise<unknown> {
  const outcome = await repository.branch('main').commit(act, { message: 'Work' })
  return [outcome.state, (await headOf(repository)).tree]
}

function record(
  repository: Repository,
  path: string,
  layers: readonly [string, string] = ['main', 'side'],
) {
  return ConfigRecord.open(repository, { layers, state: 'state', path, fields: { users: int(0) } })
}

type Act = (repository: Repository) => Promise<unknown>

const INSIDE: Readonly<Record<string, Act>> = {
  'a log of a directory': (from) => log(from, 'a'),
  'a log of a file': (from) => log(from, 'a/deep/one'),
  'a log of what the root names': (from) => log(from, 'top'),
  'a log of a directory of which only the name is here': (from) => log(from, 'b'),
  'the last change of a file': async (from) => (await headOf(from)).lastModified('a/deep/one'),
  'a diff of the part': (from) => diff(from, ['a']),
  'a diff of a file': (from) => diff(from, ['a/deep/one', 'top', 'none']),
  'a listing, a look and a page': async (from) => {
    const head = await headOf(from)
    const entries = [
      await head.list(),
      await head.list('a/deep'),
      await head.page('a', { limit: 1 }),
    ]
    return [entries, await head.stat('a/deep/one'), await head.stat('b')]
  },
  'reading all of a directory': async (from) =>
    collect((await headOf(from)).readAll({ path: 'a' })),
  'a walk by a pattern': async (from) =>
    collect((await headOf(from)).walk({ filter: globFilter('a/**') })),
  'a file as JSON, and as a stream': async (from) => {
    const head = await headOf(from)
    return [await readJson(head, 'a/limits.json'), await collect(head.stream('a/deep/one'))]
  },
  'a watch of a path': async (from) => {
    const value = await first(watchPath(from, { branch: 'main', path: 'a/deep' }))
    return [value?.entry, await value?.head?.readText('a/deep/one')]
  },
  'a watch of a directory of which only the name is here': async (from) =>
    (await first(watchPath(from, { branch: 'main', path: 'b' })))?.entry,
  'a watch of a pattern': async (from) =>
    (await first(watchGlob(from, { branch: 'main', pattern: 'a/**' })))?.files,
  'a watch that sees a commit': async (from) => {
    const at = { branch: 'main', path: 'a/ready' }
    const waiting = waitFor(from, at, ({ entry }) => entry !== undefined, { timeout: 5000 })
    await write(from, 'a/ready', 'yes')
    return (await waiting).entry
  },
  'a commit': (from) =>
    inTransaction(from, async (files) => {
      await files.move('a/deep', 'a/moved')
      await files.move('b', 'a/b')
      await files.remove('c')
      await files.write('a/moved/new', 'new')
      await files.write('above', 'new')
    }),
  'a diff in a transaction': async (from) => {
    const files = await from.branch('main').transaction()
    await files.write('a/new', 'new')
    await files.remove('a/deep/one')
    const since = (await headOf(from, 'side')).oid
    return [await collect(files.diff()), await collect(files.diff(since, { paths: ['a', 'top'] }))]
  },
  'a merge of the same file': (from) => merge(from, from.branch('main'), 'side'),
  'a merge of files beside each other': async (from) => {
    await write(from, 'a/new', 'new', 'side')
    return merge(from, from.branch('side'), 'main')
  },
  'a merge in conflict, explained and settled': async (from) => {
    await write(from, 'a/deep/one', 'other\n', 'side')
    const outcome = await from.branch('main').merge((await headOf(from, 'side')).oid)
    if (outcome.state !== 'conflict') throw new Error(outcome.state)
    const [conflict] = outcome.conflicts
    const explained = conflict && (await from.explain(outcome, conflict))
    const settled = await from.resolve('main', outcome, new Map([['a/deep/one', 'theirs']]))
    return [explained, settled.state, (await headOf(from)).tree]
  },
  'a revert': (from) =>
    inTransaction(from, async (files) => {
      const commit = await parentOf(from, 'main', 2)
      if (commit !== undefined) await files.revert(commit)
    }),
  'a record': async (from) => {
    const config = await record(from, 'a/config')
    const before = config.values()
    await config.set({ users: 5 })
    const seen = await first(config.watch('users'))
    return [before, seen?.value, seen?.layer, await read(from, 'a/config/users', 'state')]
  },
}

/** What needs more than is here, and the path that the error is to name. */
const OUTSIDE: Readonly<Record<string, readonly [Act, path: string]>> = {
  'a log': [(from) => log(from, 'b/deep/two'), 'b/deep/two'],
  'the last change': [
    async (from) => (await headOf(from)).lastModified('b/deep/two'),
    'b/deep/two',
  ],
  'a diff of all': [async (from) => diff(from, ['']), 'b'],
  'a diff of a path': [(from) => diff(from, ['a', 'b/deep']), 'b'],
  'a listing': [async (from) => (await headOf(from)).list('b'), 'b'],
  'a page': [async (from) => (await headOf(from)).page('b', { limit: 1 }), 'b'],
  'a look': [async (from) => (await headOf(from)).stat('b/deep/two'), 'b/deep/two'],
  'a file': [(from) => read(from, 'top'), 'top'],
  'a file further down': [(from) => read(from, 'b/deep/two'), 'b/deep/two'],
  'a stream': [async (from) => collect((await headOf(from)).stream('top')), 'top'],
  'a walk': [async (from) => collect((await headOf(from)).walk()), 'b'],
  'reading all': [async (from) => collect((await headOf(from)).readAll({ path: 'b' })), 'b'],
  'a watch of a path': [
    (from) => first(watchPath(from, { branch: 'main', path: 'b/deep' })),
    'b/deep',
  ],
  'a watch of a pattern': [
    (from) => first(watchGlob(from, { branch: 'main', pattern: 'b/*' })),
    'b',
  ],
  'a merge of directories': [(from) => merge(from, from.branch('main'), 'apart'), 'b'],
  'a merge of files': [(from) => merge(from, from.branch('main'), 'level'), 'top'],
  'a read in a transaction': [
    async (from) => (await from.branch('main').transaction()).read('b/deep/two'),
    'b/deep/two',
  ],
  'a listing in a transaction': [
    async (from) => (await from.branch('main').transaction()).list('b'),
    'b',
  ],
  'a write': [(from) => write(from, 'b/deep/two', 'mine'), 'b/deep/two'],
  'a removal': [
    (from) => inTransaction(from, async (files) => void (await files.remove('b/deep/two'))),
    'b/deep/two',
  ],
  'a record': [(from) => record(from, 'b/config'), 'b/config/schema-version'],
}

describe('without the network, inside of a part', () => {
  it.each(Object.entries(INSIDE))('%s is as in the whole, and nobody is asked', async (_, act) => {
    const expected = await act(whole)
    const { requests } = network
    expect(await act(part)).toEqual(expected)
    expect(network.requests).toBe(requests)
  })
})

describe('without the network, outside of a part', () => {
  it.each(Object.entries(OUTSIDE))('%s names what is not here', async (_, [act, path]) => {
    const before = await headOf(part)
    const { onDemand } = part.store
    for (const from of [undefined, onDemand]) {
      part.store.onDemand = from
      const error = await act(part).then(
        () => 'nothing',
        (reason: unknown) => reason,
      )
      expect(error).toBeInstanceOf(NotHereError)
      expect(error).toMatchObject({ code: 'not-here', remote: 'origin', path })
      expect(String(error)).toMatch(`"${path}" (`)
      expect(String(error)).toContain('connect and try again')
    }
    expect((await headOf(part)).oid).toBe(before.oid)
    expect(await read(part, 'a/limits.json')).toBe('{ "users": 1 }\n')
    network.onAnswer = (answer) => answer
    await expect(act(part)).resolves.toBeDefined()
  })

  it('a record goes on, and says of each field what is not here', async () => {
    network.onAnswer = (answer) => answer
    const some = await clone(network, ['a/limits.json'])
    some.store.onDemand = undefined
    const config = await record(some, 'a/config', ['main', 'defaults'])
    const { value, problem } = config.get('users')
    expect([value, problem?.layer]).toEqual([0, 'main'])
    expect(problem?.message).toContain('"a/config/users" (')
  })
})
