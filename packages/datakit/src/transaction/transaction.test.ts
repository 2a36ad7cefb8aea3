import type { Oid } from '@datakit/git/oid'
import type { Place } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryPlace } from '@datakit/storage/memory'
import { afterEach, describe, expect, it } from 'vitest'
import { choose, chooseSeed, seededRandom } from '../../test/random-history.ts'
import { StockGit } from '../../test/stock-git.ts'
import { Repository } from '../repository.ts'

const ada = { name: 'Ada', address: 'ada@example.org', seconds: 1_700_000_000, offset: 60 }

const opened: StockGit[] = []
afterEach(() => {
  for (const git of opened.splice(0)) git.close()
})

function stockGit(): StockGit {
  const git = new StockGit()
  opened.push(git)
  return git
}

function open(place: Place = memoryPlace(), clock?: () => number): Promise<Repository> {
  return Repository.open(place, { runtime: nodeRuntime, identity: () => ada, clock })
}

function commit(
  repository: Repository,
  files: Record<string, string>,
  message = 'Write',
): Promise<unknown> {
  return repository.branch('main').commit(
    async (transaction) => {
      for (const [path, content] of Object.entries(files)) await transaction.write(path, content)
    },
    { message },
  )
}

async function files(repository: Repository): Promise<string[]> {
  const head = await repository.branch('main').head()
  const found: string[] = []
  if (head) for await (const { path } of head.walk()) found.push(path)
  return found
}

describe('a transaction', () => {
  it('does not move everything into a directory of itself', async () => {
    const repository = await open()
    await commit(repository, { 'a/b': '1', x: '2' })
    const transaction = await repository.branch('main').transaction()
    await expect(transaction.move('', 'z')).rejects.toMatchObject({ code: 'bad-path' })
    await expect(transaction.move('x', '')).rejects.toMatchObject({ code: 'is-a-directory' })
    expect((await transaction.list()).map(({ name }) => name)).toEqual(['a', 'x'])
  })

  it('makes the commit that git makes of the same files', async () => {
    const place = memoryPlace()
    const repository = await open(place)
    await repository.branch('main').commit(
      async (transaction) => {
        await transaction.write('dir/file', 'hello\n')
        await transaction.write('run.sh', '#!/bin/sh\n', { mode: 0o100755 })
        await transaction.write('link', 'dir/file', { mode: 0o120000 })
      },
      { message: 'First' },
    )
    const git = stockGit()
    await git.take(place)
    expect(git.run(['cat-file', 'commit', 'main']).split('\n').slice(1)).toEqual([
      'author Ada <ada@example.org> 1700000000 +0100',
      'committer Ada <ada@example.org> 1700000000 +0100',
      '',
      'First',
    ])
    expect(
      git.run(['ls-tree', '-r', '--format=%(objectmode) %(path)', 'main']).split('\n'),
    ).toEqual(['100644 dir/file', '120000 link', '100755 run.sh'])
  })

  it('reads its own writes, and nobody else does before the commit', async () => {
    const repository = await open()
    await commit(repository, { a: '1' })
    const transaction = await repository.branch('main').transaction()
    await transaction.write('a', '2')
    await transaction.write('d/b', '3')
    expect([await transaction.readText('a'), await transaction.readText('d/b')]).toEqual(['2', '3'])
    expect((await transaction.list()).map(({ name, kind }) => `${name} ${kind}`)).toEqual([
      'a file',
      'd directory',
    ])
    expect(await transaction.stat('d/b')).toMatchObject({ kind: 'file', size: 1 })
    expect(await (await repository.branch('main').head())?.readText('a')).toBe('1')
  })

  it('is one pack and one update', async () => {
    const place = memoryPlace()
    const repository = await open(place)
    await commit(repository, { 'a/b/c': '1', 'a/d': '2' })
    await commit(repository, { 'a/b/c': '3' })
    const { packs } = await place.read()
    // A blob, the three trees on its path, the commit.
    expect(packs.map(({ objects }) => objects)).toEqual([6, 5])
  })

  it('moves files and directories without touching what is in them', async () => {
    const repository = await open()
    await commit(repository, { 'a/x': '1', 'a/y/z': '2', b: '3' })
    const before = await (await repository.branch('main').head())?.stat('a')
    await repository.branch('main').commit(
      async (transaction) => {
        await transaction.move('a', 'c/d')
        await transaction.move('b', 'c/b')
      },
      { message: 'Move' },
    )
    const head = await repository.branch('main').head()
    expect(await files(repository)).toEqual(['c/b', 'c/d/x', 'c/d/y/z'])
    expect((await head?.stat('c/d'))?.oid).toBe(before?.oid)
  })

  it('keeps no empty directory', async () => {
    const repository = await open()
    await commit(repository, { 'a/b/c': '1', d: '2' })
    await repository
      .branch('main')
      .commit((transaction) => transaction.remove('a/b/c').then(() => undefined), {
        message: 'Remove',
      })
    expect(await files(repository)).toEqual(['d'])
    expect(await (await repository.branch('main').head())?.stat('a')).toBe(undefined)
  })

  it('can leave a commit without files', async () => {
    const place = memoryPlace()
    const repository = await open(place)
    await commit(repository, { a: '1' })
    await repository
      .branch('main')
      .commit((transaction) => transaction.remove('').then(() => undefined), { message: 'Empty' })
    expect((await repository.branch('main').head())?.tree).toBe(
      '4b825dc642cb6eb9a060e54bf8d69288fbee4904',
    )
    const git = stockGit()
    await git.take(place)
  })

  it.each([
    ['write', 'd', 'is-a-directory'],
    ['write', 'f/x', 'not-a-directory'],
    ['write', '.git/config', 'bad-path'],
    ['write', 'a/.GIT/x', 'bad-path'],
    ['write', 'a//b', 'bad-path'],
    ['write', '../x', 'bad-path'],
    ['write', '', 'bad-path'],
    ['setMode', 'none', 'not-found'],
    ['setMode', 'd', 'is-a-directory'],
    ['move', 'none', 'not-found'],
  ] as const)('refuses to %s "%s": %s', async (what, path, code) => {
    const repository = await open()
    await commit(repository, { 'd/x': '1', f: '2' })
    const transaction = await repository.branch('main').transaction()
    const attempt = {
      write: () => transaction.write(path, ''),
      setMode: () => transaction.setMode(path, 0o100755),
      move: () => transaction.move(path, 'elsewhere'),
    }
    await expect(attempt[what]()).rejects.toMatchObject({ name: 'PathError', code })
  })

  it('refuses to move a directory into itself or over something', async () => {
    const repository = await open()
    await commit(repository, { 'd/x': '1', 'e/x': '2', f: '3' })
    const transaction = await repository.branch('main').transaction()
    await expect(transaction.move('d', 'd/e')).rejects.toMatchObject({ code: 'bad-path' })
    await expect(transaction.move('d', 'e')).rejects.toMatchObject({ code: 'is-a-directory' })
    await expect(transaction.move('d', 'f')).rejects.toMatchObject({ code: 'exists' })
  })

  it('puts a file where a directory was removed, and a directory where a file was', async () => {
    const repository = await open()
    await commit(repository, { 'd/x': '1', f: '2' })
    await repository.branch('main').commit(
      async (transaction) => {
        await transaction.remove('d')
        await transaction.write('d', 'file')
        await transaction.remove('f')
        await transaction.write('f/x', 'in a directory')
      },
      { message: 'Swap' },
    )
    expect(await files(repository)).toEqual(['d', 'f/x'])
  })

  it('makes no commit of nothing when told so', async () => {
    const repository = await open()
    await commit(repository, { a: '1' })
    const head = await repository.branch('main').oid()
    const write = (content: string, skipEmpty: boolean) =>
      repository
        .branch('main')
        .commit((transaction) => transaction.write('a', content), { message: 'Same', skipEmpty })
    expect(await write('1', true)).toEqual({ state: 'unchanged', oid: head })
    expect(await write('1', false)).toMatchObject({ state: 'committed', how: 'fast-forward' })
  })

  it('can be used no more when it has ended', async () => {
    const repository = await open()
    const transaction = await repository.branch('main').transaction()
    await transaction.write('a', '1')
    await transaction.commit({ message: 'First' })
    await expect(transaction.write('a', '2')).rejects.toMatchObject({ code: 'closed' })
  })

  it('changes nothing when its function throws', async () => {
    const repository = await open()
    const change = async (): Promise<void> => {
      throw new Error('Changed my mind')
    }
    await expect(repository.branch('main').commit(change, { message: 'Never' })).rejects.toThrow(
      'Changed my mind',
    )
    expect(await repository.branch('main').oid()).toBe(undefined)
  })
})

describe('a branch that has moved', () => {
  it('is merged with its head first, and the merge names the transaction', async () => {
    const repository = await open()
    const main = repository.branch('main')
    await commit(repository, { a: '1', b: '1' })
    const transaction = await main.transaction()
    await transaction.write('a', '2')
    await commit(repository, { b: '2' })
    const other = await main.oid()
    expect(await transaction.commit({ message: 'Mine' })).toMatchObject({
      state: 'committed',
      how: 'merge',
    })
    const merge = (await main.head())?.commit()
    const own = merge?.parents[1] ?? ('' as Oid)
    expect(merge?.parents).toEqual([other, own])
    expect(merge?.message).toBe(`Merge into main\n\nDatakit-Transaction: ${own}\n`)
    expect((await repository.snapshot(own)).commit().message).toBe('Mine\n')
  })

  it('is left alone by a conflict, which leaves the transaction open to be settled', async () => {
    const repository = await open()
    const main = repository.branch('main')
    await commit(repository, { a: '1' })
    const transaction = await main.transaction()
    await transaction.write('a', 'mine')
    await commit(repository, { a: 'other' })
    const other = await main.oid()
    const outcome = await transaction.commit({ message: 'Mine' })
    expect(outcome).toMatchObject({
      state: 'conflict',
      theirs: other,
      conflicts: [{ path: 'a', kind: 'content' }],
    })
    expect([await main.oid(), transaction.isOpen]).toEqual([other, true])
    if (outcome.state !== 'conflict') throw new Error('No conflict')
    await transaction.merge(outcome.theirs)
    await transaction.resolve('a', 'ours')
    expect(await transaction.commit({ message: 'Settled' })).toMatchObject({
      state: 'committed',
      how: 'fast-forward',
    })
    expect((await main.head())?.commit().parents).toEqual([other])
    expect(await (await main.head())?.readText('a')).toBe('mine')
  })

  it('takes the commits of 32 writers, each once', async () => {
    const place = memoryPlace()
    const repository = await open(place)
    await commit(repository, { start: '' })
    const writers = Array.from({ length: 32 }, async (_, i) => {
      const own = await open(place)
      return own
        .branch('main')
        .commit((transaction) => transaction.write(`d/${i}`, `${i}`), { message: `Writer ${i}` })
    })
    const outcomes = await Promise.all(writers)
    expect(outcomes.every(({ state }) => state === 'committed')).toBe(true)
    expect(await files(repository)).toHaveLength(33)
    const git = stockGit()
    await git.take(place)
  })

  it('gets no commit that is older than its parents', async () => {
    let now = 1_700_000_000_000
    const place = memoryPlace()
    const identity = () => ({ name: 'Ada', address: 'ada@example.org' })
    const repository = await Repository.open(place, {
      runtime: nodeRuntime,
      identity,
      clock: () => now,
    })
    await commit(repository, { a: '1' })
    now -= 3_600_000
    await commit(repository, { a: '2' })
    expect((await repository.branch('main').head())?.commit().committer.seconds).toBe(1_700_000_000)
  })
})

describe('a snapshot', () => {
  it('gives every file with its bytes, also those that are the same', async () => {
    const repository = await open()
    await commit(repository, { 'd/a': '1', 'd/b': '1', 'd/e/c': '2', f: '3' })
    const found: string[] = []
    const head = await repository.branch('main').head()
    for await (const { path, body } of head?.readAll({ path: 'd' }) ?? [])
      found.push(`${path} ${new TextDecoder().decode(body)}`)
    expect(found.sort()).toEqual(['d/a 1', 'd/b 1', 'd/e/c 2'])
  })
})

describe('large trees', () => {
  it('are stored as deltas, in chains of at most 32', async () => {
    const place = memoryPlace()
    const repository = await open(place)
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`f${i}`, `${i}`]))
    await commit(repository, many)
    for (let i = 0; i < 40; i++) await commit(repository, { f500: `changed ${i}` })
    const sizes = (await place.read()).packs.map(({ size }) => size)
    expect(sizes.slice(1).filter((size) => size > 1000)).toHaveLength(1)
    const fresh = await open(place)
    expect(await (await fresh.branch('main').head())?.readText('f500')).toBe('changed 39')
    const git = stockGit()
    await git.take(place)
    expect(git.run(['show', 'main:f500'])).toBe('changed 39')
  })
})

const STEPS = 150

// Seen to fail when: `editTree` of the draft compares only oids (a change of mode is lost); a move forgets to remove.
it(`agrees with a map of files after ${STEPS} random changes, and git with both`, async () => {
  const seed = chooseSeed()
  console.log(`SEED=${seed}`)
  const random = seededRandom(seed)
  const place = memoryPlace()
  const repository = await open(place)
  const model = new Map<string, string>()
  const paths = ['a', 'b', 'c', 'd/a', 'd/b', 'd/e/a', 'd/e/b', 'f/a', 'a.b', 'd-e']
  for (let step = 0; step < STEPS / 5; step++) {
    await repository.branch('main').commit(
      async (transaction) => {
        for (let i = 0; i < 5; i++) {
          const [path, to] = [choose(random, paths), choose(random, paths)]
          const what = random()
          if (what < 0.5) {
            const mode = choose(random, [0o100644, 0o100755])
            await transaction.write(path, `${step} ${i}`, { mode })
            model.set(path, `${mode.toString(8)} ${step} ${i}`)
          } else if (what < 0.7) {
            expect(await transaction.remove(path)).toBe(model.delete(path))
          } else if (what < 0.9 && path !== to && model.has(path)) {
            await transaction.move(path, to)
            model.set(to, model.get(path) ?? '')
            model.delete(path)
          } else if (model.has(path)) {
            await transaction.setMode(path, 0o100755)
            model.set(path, `100755 ${model.get(path)?.slice(7) ?? ''}`)
          }
        }
      },
      { message: `Step ${step}` },
    )
  }
  const git = stockGit()
  await git.take(place)
  const listed = git
    .run(['ls-tree', '-r', '--format=%(objectmode) %(objectname) %(path)', 'main'])
    .split('\n')
    .filter(Boolean)
  const found = new Map<string, string>()
  for (const line of listed) {
    const [mode, oid = '', path = ''] = line.split(' ')
    found.set(path, `${mode} ${git.run(['cat-file', 'blob', oid])}`)
  }
  expect([...found].sort(), `seed ${seed}`).toEqual([...model].sort())
})
