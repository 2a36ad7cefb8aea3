/** What a program can do wrong: each is an error with a type and a code, and leaves everything as it was. */
import type { Oid } from '@datakit/git/oid'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryPlace } from '@datakit/storage/memory'
import { beforeEach, describe, expect, it } from 'vitest'
import { refs, write } from '../../test/clients.ts'
import type { ConflictOutcome } from './land.ts'
import { Repository } from '../repository.ts'
import type { Transaction } from './transaction.ts'

const NOWHERE = '1234567890'.repeat(4) as Oid

let repository: Repository
let head: Oid
/** The oid of something that is no commit. */
let tree: Oid
let transaction: Transaction

beforeEach(async () => {
  repository = await Repository.open(memoryPlace(), { runtime: nodeRuntime })
  await write(repository, 'dir/file', '1')
  await write(repository, 'other', '2', 'topic')
  head = await write(repository, 'file', '1')
  tree = (await repository.snapshot(head)).tree
  transaction = await repository.branch('main').transaction()
})

async function drain(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of items);
}

/** Everything that a caller could have changed. */
async function everything(): Promise<unknown> {
  const state = await repository.store.place.read()
  const open = transaction.isOpen && [await transaction.isDirty(), transaction.parents]
  return [state.version, state.head, state.packs.length, await refs(repository, ''), open]
}

type Case = readonly [what: string, act: () => unknown, name: string, code: string | undefined]

const paths: readonly Case[] = [
  ['read a directory', () => transaction.read('dir'), 'PathError', 'is-a-directory'],
  ['list a file', () => transaction.list('file'), 'PathError', 'not-a-directory'],
  ['read an odd path', () => transaction.read('a//b'), 'PathError', 'bad-path'],
  ['write over a directory', () => transaction.write('dir', ''), 'PathError', 'is-a-directory'],
  ['write below a file', () => transaction.write('file/x', ''), 'PathError', 'not-a-directory'],
  ['write into .git', () => transaction.write('.git/config', ''), 'PathError', 'bad-path'],
  ['write out of the tree', () => transaction.write('../x', ''), 'PathError', 'bad-path'],
  ['move what is not there', () => transaction.move('none', 'x'), 'PathError', 'not-found'],
  ['move into itself', () => transaction.move('dir', 'dir/x'), 'PathError', 'bad-path'],
  ['move over a directory', () => transaction.move('file', 'dir'), 'PathError', 'is-a-directory'],
  ['move over a file', () => transaction.move('dir', 'file'), 'PathError', 'exists'],
  ['move below a file', () => transaction.move('dir', 'file/x'), 'PathError', 'not-a-directory'],
  ['move to an odd path', () => transaction.move('dir', 'x/.git'), 'PathError', 'bad-path'],
  [
    'change the mode of nothing',
    () => transaction.setMode('none', 0o100755),
    'PathError',
    'not-found',
  ],
  ['give a mode that is none', () => transaction.setMode('file', 0o777), 'RangeError', undefined],
  [
    'write with such a mode',
    () => transaction.write('x', '', { mode: 0o40000 }),
    'RangeError',
    undefined,
  ],
  [
    'settle what is in no conflict',
    () => transaction.resolve('file', 'ours'),
    'PathError',
    'not-found',
  ],
]

const commits: readonly Case[] = [
  ['snapshot', () => repository.snapshot(NOWHERE), 'MissingError', 'missing'],
  ['tree', () => repository.tree(NOWHERE), 'MissingError', 'missing'],
  ['log', () => drain(repository.log(NOWHERE)), 'MissingError', 'missing'],
  ['graph', () => drain(repository.graph({ from: NOWHERE })), 'MissingError', 'missing'],
  ['diff from', () => drain(repository.diff(NOWHERE, head)), 'MissingError', 'missing'],
  ['diff to', () => drain(repository.diff(head, NOWHERE)), 'MissingError', 'missing'],
  ['merge bases', () => repository.mergeBases(head, NOWHERE), 'MissingError', 'missing'],
  ['ancestors', () => repository.isAncestor(NOWHERE, head), 'MissingError', 'missing'],
  ['transaction', () => repository.branch('main').transaction(NOWHERE), 'MissingError', 'missing'],
  ['create', () => repository.branch('new').create(NOWHERE), 'MissingError', 'missing'],
  ['fast-forward', () => repository.branch('main').fastForward(NOWHERE), 'MissingError', 'missing'],
  [
    'fast-forward of nothing',
    () => repository.branch('new').fastForward(NOWHERE),
    'MissingError',
    'missing',
  ],
  ['merge', () => repository.branch('main').merge(NOWHERE), 'MissingError', 'missing'],
  ['reset', () => repository.branch('main').reset(NOWHERE), 'MissingError', 'missing'],
  [
    'compare-and-set',
    () => repository.branch('main').compareAndSet(head, NOWHERE),
    'MissingError',
    'missing',
  ],
  ['merge into a transaction', () => transaction.merge(NOWHERE), 'MissingError', 'missing'],
  ['revert', () => transaction.revert(NOWHERE), 'MissingError', 'missing'],
  ['parent', () => transaction.addParent(NOWHERE), 'MissingError', 'missing'],
  ['diff of a transaction', () => drain(transaction.diff(NOWHERE)), 'MissingError', 'missing'],
  ['snapshot of a tree', () => repository.snapshot(tree), 'MalformedError', 'malformed'],
  ['create at a tree', () => repository.branch('new').create(tree), 'MalformedError', 'malformed'],
  ['reset to a tree', () => repository.branch('main').reset(tree), 'MalformedError', 'malformed'],
  ['merge of a tree', () => transaction.merge(tree), 'MalformedError', 'malformed'],
  ['tree of a commit', () => repository.tree(head), 'MalformedError', 'malformed'],
]

const branches: readonly Case[] = [
  ['a name that Git refuses', () => repository.branch('a..b'), 'RangeError', undefined],
  ['a fork under such a name', () => repository.branch('main').fork('-x'), 'RangeError', undefined],
  [
    'a rename to such a name',
    () => repository.branch('main').rename('HEAD'),
    'RangeError',
    undefined,
  ],
  [
    'a fork under a name that is taken',
    () => repository.branch('main').fork('topic'),
    'BranchError',
    'exists',
  ],
  [
    'a rename to a name that is taken',
    () => repository.branch('main').rename('topic'),
    'BranchError',
    'exists',
  ],
  ['a fork of no branch', () => repository.branch('none').fork('x'), 'BranchError', 'gone'],
  ['a rename of no branch', () => repository.branch('none').rename('x'), 'BranchError', 'gone'],
  [
    'a branch below a branch',
    () => repository.branch('main/x').create(head),
    'RefusedError',
    'ref-conflict',
  ],
  [
    'a fork below a branch',
    () => repository.branch('main').fork('topic/x'),
    'RefusedError',
    'ref-conflict',
  ],
]

describe.each([
  ['a path', paths],
  ['a commit', commits],
  ['a branch', branches],
])('what is wrong with %s', (_, cases) => {
  it.each(cases)('is told: %s', async (_, act, name, code) => {
    const before = await everything()
    const attempt = (async () => act())()
    const isMessage = expect.stringMatching(/^(Cannot|Not) [a-z].*[^.]$/)
    await expect(attempt).rejects.toMatchObject({ name, ...(code && { code }), message: isMessage })
    expect(await everything()).toEqual(before)
  })
})

it('says of a commit that is not here what to do', async () => {
  await expect(repository.snapshot(NOWHERE)).rejects.toThrow(
    `Cannot read an object: "${NOWHERE}" is not there; name another, or fetch it`,
  )
})

describe('a transaction that has ended', () => {
  const uses: Readonly<Record<string, (ended: Transaction) => unknown>> = {
    read: (ended) => ended.read('file'),
    readText: (ended) => ended.readText('file'),
    list: (ended) => ended.list(),
    stat: (ended) => ended.stat('file'),
    write: (ended) => ended.write('file', ''),
    remove: (ended) => ended.remove('file'),
    move: (ended) => ended.move('file', 'x'),
    setMode: (ended) => ended.setMode('file', 0o100755),
    merge: (ended) => ended.merge(head),
    revert: (ended) => ended.revert(head),
    addParent: (ended) => ended.addParent(head),
    resolve: (ended) => ended.resolve('file', 'ours'),
    isDirty: (ended) => ended.isDirty(),
    diff: (ended) => drain(ended.diff()),
    commit: (ended) => ended.commit({ message: 'Again' }),
  }

  it.each(Object.keys(uses))('refuses to %s, and says to begin another', async (what) => {
    await transaction.commit({ message: 'Done' })
    const before = await everything()
    const attempt = (async () => uses[what]?.(transaction))()
    await expect(attempt).rejects.toMatchObject({
      name: 'TransactionError',
      code: 'closed',
      message: expect.stringContaining('begin another'),
    })
    expect(await everything()).toEqual(before)
    transaction.abort()
  })
})

describe('conflicts that nobody settled', () => {
  it('are named when a commit is tried, and nothing happens', async () => {
    const theirs = await write(repository, 'file', 'theirs', 'topic')
    const { conflicts } = await transaction.merge(theirs)
    expect(conflicts.map(({ path }) => path)).toEqual(['file'])
    const before = await everything()
    for (const attempt of [
      transaction.commit({ message: 'Too early' }),
      transaction.merge(head),
      transaction.revert(head),
    ]) {
      await expect(attempt).rejects.toMatchObject({
        name: 'TransactionError',
        code: 'conflicts',
        message: expect.stringMatching(/"file"; resolve, write or remove/),
      })
    }
    expect(await everything()).toEqual(before)
  })

  it('are named when a resolution leaves them out', async () => {
    const theirs = await write(repository, 'file', 'theirs', 'topic')
    const outcome = await repository.branch('main').merge(theirs)
    expect(outcome.state).toBe('conflict')
    const before = await everything()
    // What follows is about this state alone.
    const attempt = repository.resolve('main', outcome as ConflictOutcome, new Map())
    await expect(attempt).rejects.toMatchObject({
      name: 'TransactionError',
      code: 'conflicts',
      message: expect.stringContaining('"file"'),
    })
    expect(await everything()).toEqual(before)
  })
})
