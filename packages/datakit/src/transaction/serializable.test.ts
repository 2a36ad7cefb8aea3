import type { Oid } from '@datakit/git/oid'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryPlace } from '@datakit/storage/memory'
import { expect, it } from 'vitest'
import { collect, commit, oidOf } from '../../test/model-scene.ts'
import { chooseSeed, seededRandom } from '../../test/random-history.ts'
import { Repository } from '../repository.ts'
import type { Transaction } from './transaction.ts'

/** One thing that a program does in a transaction; gives what it saw. */
type Step = (transaction: Transaction) => Promise<unknown>

const PATHS = ['a', 'b', 'c', 'd', 'd/x', 'd/y', 'd/e/z', 'e']
const CONTENTS = ['', '1\n', '2\n', '1\n2\n3\n4\n5\n', '1\n2\n3\n4\nfive\n', 'one\n2\n3\n4\n5\n']

/** A step of some kind, drawn once: it does the same wherever it is run. */
function drawStep(random: () => number, commits: readonly Oid[]): Step {
  const one = <T>(all: readonly T[], otherwise: T): T =>
    all[Math.floor(random() * all.length)] ?? otherwise
  const [path, other, content] = [one(PATHS, 'a'), one(PATHS, 'b'), one(CONTENTS, '')]
  const [mode, oid] = [one([0o100644, 0o100755], 0o100644), commits[Math.floor(random() * 4)]]
  const merge = random() < 0.5
  const steps: readonly Step[] = [
    (t) => t.readText(path),
    (t) => t.stat(path),
    (t) => t.list(path),
    (t) => t.isDirty(),
    (t) => collect(t.diff()),
    (t) => collect(t.diff(oid)),
    (t) => t.write(path, content),
    (t) => t.write(path, content),
    (t) => t.write(path, content, { mode }),
    (t) => t.remove(path),
    (t) => t.move(path, other, { merge }),
    (t) => t.setMode(path, mode),
    async (t) => oid && (await t.revert(oid)).conflicts.map(({ path, kind }) => [path, kind]),
    (t) => t.resolve(path, merge ? 'ours' : 'theirs'),
  ]
  return one(steps, steps[0] as Step)
}

/** What a program saw, errors too. */
async function run(steps: readonly Step[], transaction: Transaction): Promise<unknown[]> {
  const seen: unknown[] = []
  for (const step of steps)
    seen.push(
      await step(transaction).catch((error: Error & { code?: string }) => [error.name, error.code]),
    )
  return seen
}

const ROUNDS = 400

it('gives what the transactions would have given one after the other, whatever they look at', async () => {
  const seed = chooseSeed()
  const random = seededRandom(seed)
  const counts = { merge: 0, conflict: 0, read: 0 }
  for (let round = 0; round < ROUNDS; round++) {
    const repository = await Repository.open(memoryPlace(), { runtime: nodeRuntime })
    const main = repository.branch('main')
    const commits = [
      await commit(repository, { a: '1\n2\n3\n4\n5\n', 'd/x': '1\n', 'd/y': '2\n' }),
      await commit(repository, { a: '1\n2\n3\n4\nfive\n', e: '1\n' }),
    ]
    const transactions = await Promise.all([1, 2, 3].map(() => main.transaction()))
    for (const transaction of transactions) {
      const steps = Array.from({ length: 1 + Math.floor(random() * 4) }, () =>
        drawStep(random, commits),
      )
      const seen = await run(steps, transaction)
      const before = oidOf({ state: 'unchanged', oid: (await main.oid()) as Oid })
      if (transaction.conflicts.length > 0) continue
      const outcome = await transaction.commit({ message: 'One of them', serializable: true })
      if (outcome.state === 'conflict') {
        counts.conflict++
        if (outcome.conflicts.every(({ kind }) => kind === 'read')) counts.read++
        expect(await main.oid()).toBe(before)
      }
      if (outcome.state !== 'committed' || outcome.how !== 'merge') continue
      counts.merge++
      // The same program, begun when the one before had ended.
      await repository.branch(`serial`).compareAndSet(undefined, before)
      const serial = await repository.branch('serial').transaction(before)
      const what = { seed, round, steps: steps.map(String) }
      expect({ ...what, seen: await run(steps, serial) }).toEqual({ ...what, seen })
      const alone = oidOf(await serial.commit({ message: 'One of them' }))
      const trees = [alone, outcome.oid].map(async (oid) => (await repository.snapshot(oid)).tree)
      const [expected, found] = await Promise.all(trees)
      expect({ ...what, tree: found }).toEqual({ ...what, tree: expected })
      await repository.branch('serial').delete()
    }
  }
  console.log(`SEED=${seed}, ${ROUNDS} rounds: ${JSON.stringify(counts)}`)
  // Enough of each, or the test says nothing.
  expect(counts.merge).toBeGreaterThan(ROUNDS / 10)
  expect(counts.read).toBeGreaterThan(ROUNDS / 10)
})

it('tells two who did the same in the same second from one', async () => {
  const place = memoryPlace()
  const clock = () => 1_700_000_000_000
  const open = () => Repository.open(place, { runtime: nodeRuntime, clock })
  const [one, other] = [await open(), await open()]
  await commit(one, { hits: '1' })
  const increment = async (repository: Repository): Promise<string> => {
    const transaction = await repository.branch('main').transaction()
    await transaction.write('hits', `${Number(await transaction.readText('hits')) + 1}`)
    return (await transaction.commit(options)).state
  }
  const options = { message: 'A hit', serializable: true }
  const [mine, theirs] = await Promise.all(
    [one, other].map((each) => each.branch('main').transaction()),
  )
  for (const transaction of [mine, theirs]) await transaction?.write('hits', '2')
  expect((await mine?.commit(options))?.state).toBe('committed')
  expect(await theirs?.commit(options)).toMatchObject({
    state: 'conflict',
    conflicts: [{ path: 'hits', kind: 'read' }],
  })
  expect(await increment(other)).toBe('committed')
  expect(await (await one.branch('main').head())?.readText('hits')).toBe('3')
})

it('counts what a commit changed as read where that was taken back already', async () => {
  const repository = await Repository.open(memoryPlace(), { runtime: nodeRuntime })
  await commit(repository, { a: '1' })
  const wrong = await commit(repository, { a: '2' })
  await commit(repository, { a: '1' })
  const transaction = await repository.branch('main').transaction()
  expect((await transaction.revert(wrong)).conflicts).toEqual([])
  await transaction.write('b', '1')
  await commit(repository, { a: '2' })
  expect(await transaction.commit({ message: 'Back', serializable: true })).toMatchObject({
    state: 'conflict',
    conflicts: [{ path: 'a', kind: 'read' }],
  })
})
