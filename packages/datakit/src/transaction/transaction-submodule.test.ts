import { memoryPlace } from '@datakit/storage/memory'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { afterEach, describe, expect, it } from 'vitest'
import { StockGit } from '../../test/stock-git.ts'
import { Repository } from '../repository.ts'
import type { Transaction } from './transaction.ts'

const commit = '1234567890123456789012345678901234567890'
const opened: StockGit[] = []
afterEach(() => {
  for (const git of opened.splice(0)) git.close()
})

function stockGit(): StockGit {
  const git = new StockGit()
  opened.push(git)
  return git
}

/** A repository with a file, a submodule and a branch `other` where that is at another commit. */
async function withSubmodule(): Promise<Repository> {
  const git = stockGit()
  const blob = git.run(['hash-object', '-w', '--stdin'], 'one')
  const make = (oid: string, parents: readonly string[]): string => {
    const tree = git.run(['mktree'], `100644 blob ${blob}\ta\n160000 commit ${oid}\tsub\n`)
    return git.run(['commit-tree', '-m', 'one', ...parents, tree])
  }
  const first = make(commit, [])
  git.run(['update-ref', 'refs/heads/main', first])
  git.run(['update-ref', 'refs/heads/other', make(commit.replace('1', '2'), ['-p', first])])
  const place = memoryPlace()
  await git.give(place)
  return Repository.open(place, { runtime: nodeRuntime })
}

/** What git lists after a change, once its fsck has found nothing. */
async function listAfter(
  repository: Repository,
  change: (transaction: Transaction) => Promise<void>,
): Promise<string[]> {
  await repository.branch('main').commit(change, { message: 'Change' })
  const git = stockGit()
  await git.take(repository.store.place)
  return git
    .run(['ls-tree', '-r', '--format=%(objectmode) %(objecttype) %(path)', 'main'])
    .split('\n')
}

describe('a transaction over a submodule', () => {
  it('puts a file in its place, with the mode of a file', async () => {
    const repository = await withSubmodule()
    const listed = await listAfter(repository, (transaction) => transaction.write('sub', 'text'))
    expect(listed).toEqual(['100644 blob a', '100644 blob sub'])
    expect(await (await repository.branch('main').head())?.readText('sub')).toBe('text')
  })

  it.each(['remove', 'move'] as const)('can %s it as it is', async (act) => {
    const listed = await listAfter(await withSubmodule(), async (transaction) => {
      if (act === 'move') await transaction.move('sub', 'dir/sub')
      else await transaction.remove('sub')
    })
    expect(listed).toEqual(
      act === 'move' ? ['100644 blob a', '160000 commit dir/sub'] : ['100644 blob a'],
    )
  })

  it('gives it no mode, and has no files in it', async () => {
    const transaction = await (await withSubmodule()).branch('main').transaction()
    await expect(transaction.setMode('sub', 0o100644)).rejects.toMatchObject({
      code: 'is-a-directory',
    })
    await expect(transaction.read('sub')).rejects.toMatchObject({ code: 'is-a-directory' })
    await expect(transaction.write('sub/x', '1')).rejects.toMatchObject({ code: 'not-a-directory' })
  })

  it('settles a conflict with it by a file', async () => {
    const repository = await withSubmodule()
    const listed = await listAfter(repository, async (transaction) => {
      await transaction.write('sub', 'mine')
      const { conflicts } = await transaction.merge(
        (await repository.branch('other').oid()) as never,
      )
      expect(conflicts).toMatchObject([{ path: 'sub' }])
      await transaction.resolve('sub', { bytes: 'both' })
    })
    expect(listed).toEqual(['100644 blob a', '100644 blob sub'])
  })

  it('settles a conflict between two of them by a file', async () => {
    const repository = await withSubmodule()
    const listed = await listAfter(repository, async (transaction) => {
      await transaction.move('sub', 'old')
      const { conflicts } = await transaction.merge(
        (await repository.branch('other').oid()) as never,
      )
      expect(conflicts).toMatchObject([{ path: 'sub', kind: 'modify/delete' }])
      await transaction.resolve('sub', { bytes: 'both' })
    })
    expect(listed).toEqual(['100644 blob a', '160000 commit old', '100644 blob sub'])
  })
})
