/** Callers that do not wait: nothing that they began is lost, doubled or half done. */
import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryPlace } from '@datakit/storage/memory'
import { beforeEach, describe, expect, it } from 'vitest'
import { write } from '../../test/clients.ts'
import { chooseSeed, seededRandom } from '../../test/random-history.ts'
import { Repository } from '../repository.ts'
import type { Transaction } from './transaction.ts'

let repository: Repository
let transaction: Transaction

beforeEach(async () => {
  repository = await Repository.open(memoryPlace(), { runtime: nodeRuntime })
  await write(repository, 'file', '1')
  transaction = await repository.branch('main').transaction()
})

async function files(name = 'main'): Promise<Record<string, string>> {
  const head = await repository.branch(name).head()
  const found: Record<string, string> = {}
  for await (const { path } of head?.walk() ?? []) found[path] = (await head?.readText(path)) ?? ''
  return found
}

async function commits(): Promise<number> {
  const head = await repository.branch('main').oid()
  let count = 0
  for await (const _ of repository.log(head ?? [])) count++
  return count
}

// Seen to fail when: changes do not wait for each other.
describe('a transaction whose caller does not wait', () => {
  it('is committed once, and the second commit is told so', async () => {
    await transaction.write('file', '2')
    const [first, second] = await Promise.allSettled([
      transaction.commit({ message: 'Once' }),
      transaction.commit({ message: 'Twice' }),
    ])
    expect(first).toMatchObject({ status: 'fulfilled', value: { state: 'committed' } })
    expect(second).toMatchObject({
      status: 'rejected',
      reason: { name: 'TransactionError', code: 'closed' },
    })
    expect(await commits()).toBe(2)
  })

  it('gives two commits at once the same conflict, and stays open', async () => {
    await transaction.write('file', '2')
    await write(repository, 'file', '3')
    const outcomes = await Promise.all([
      transaction.commit({ message: 'Once' }),
      transaction.commit({ message: 'Twice' }),
    ])
    expect(outcomes).toMatchObject([{ state: 'conflict' }, { state: 'conflict' }])
    expect(transaction.isOpen).toBe(true)
    expect(await files()).toEqual({ file: '3' })
  })

  it('has in its commit what was begun before, large files too', async () => {
    const large = 'x'.repeat(300_000)
    const writes = [transaction.write('large', large), transaction.write('small', 's')]
    const removed = transaction.remove('file')
    await transaction.commit({ message: 'All' })
    await Promise.all([...writes, removed])
    expect(await files()).toEqual({ large, small: 's' })
  })

  it('refuses what is begun while its commit is under way', async () => {
    await transaction.write('file', '2')
    const commit = transaction.commit({ message: 'Change' })
    const late = [
      transaction.write('late', '1'),
      transaction.remove('file'),
      transaction.move('file', 'other'),
      transaction.setMode('file', 0o100755),
      transaction.resolve('file', 'ours'),
    ]
    expect(await commit).toMatchObject({ state: 'committed' })
    for (const each of await Promise.allSettled(late))
      expect(each).toMatchObject({ status: 'rejected', reason: { code: 'closed' } })
    expect(await files()).toEqual({ file: '2' })
  })

  it('keeps what is begun while a commit is under way that ends in a conflict', async () => {
    await transaction.write('file', '2')
    const theirs = await write(repository, 'file', '3')
    const commit = transaction.commit({ message: 'Change' })
    const late = transaction.write('late', '1')
    expect(await commit).toMatchObject({ state: 'conflict' })
    await late
    await transaction.merge(theirs)
    await transaction.resolve('file', 'ours')
    expect(await transaction.commit({ message: 'Again' })).toMatchObject({ state: 'committed' })
    expect(await files()).toEqual({ file: '2', late: '1' })
  })

  it('goes on after a change that was refused', async () => {
    const refused = transaction.write('../x', '1')
    const written = transaction.write('file', '2')
    await expect(refused).rejects.toMatchObject({ code: 'bad-path' })
    await written
    await transaction.commit({ message: 'Change' })
    expect(await files()).toEqual({ file: '2' })
  })

  it('has what one who waits for each change has, for 200 random sequences', async () => {
    const seed = chooseSeed()
    console.log(`SEED=${seed}, 200 sequences`)
    const random = seededRandom(seed)
    const below = (n: number): number => Math.floor(random() * n)
    const topic = await write(repository, 'topic', 't', 'topic')
    for (let round = 0; round < 200; round++) {
      const acts = Array.from({ length: 2 + below(6) }, () => {
        const [kind, a, b] = [below(5), `f${below(3)}`, `f${below(3)}`]
        const body = 'x'.repeat(below(2) * 100_000 + below(3))
        return (at: Transaction): Promise<unknown> => {
          if (kind === 0) return at.remove(a)
          if (kind === 1) return at.move(a, b)
          if (kind === 2) return at.merge(topic)
          return at.write(a, body)
        }
      })
      const begin = (): Promise<Transaction> => repository.branch('main').transaction()
      const [waiting, hasty] = [await begin(), await begin()]
      for (const act of acts) await act(waiting).catch(() => undefined)
      const begun = acts.map((act) => act(hasty).catch(() => undefined))
      const dirty = await Promise.all(begun).then(() => hasty.list())
      expect(dirty, `round ${round} of seed ${seed}`).toEqual(await waiting.list())
      expect(hasty.parents).toEqual(waiting.parents)
    }
  })
})
