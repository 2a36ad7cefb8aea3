/** Watching in memory; `watch-stock-git.test.ts` has a Git directory. */
import { parseOid, type Oid } from '@datakit/git/oid'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryDepot, memoryPlace } from '@datakit/storage/memory'
import { describe, expect, it } from 'vitest'
import { commit, next, watchContract } from '../../test/watch-contract.ts'
import { publish } from '../transaction/update.ts'
import type { ObjectSource } from '../files/object-source.ts'
import { Repository } from '../repository.ts'
import { TimeoutError, waitFor } from './wait-for.ts'
import { PathFinder, watchPath } from './watch-path.ts'
import { watchSteps } from './watch-steps.ts'
import { watchPlace } from './watch.ts'

const open = (place = memoryPlace()): Promise<Repository> =>
  Repository.open(place, { runtime: nodeRuntime })

watchContract('memory', async () => {
  const depot = memoryDepot()
  return {
    repository: await open(await depot.open('config')),
    other: await open(await depot.open('config')),
    destroy: () => depot.close(),
  }
})

/** What DataKit's own test of watches says of the tree that a path leads to: a letter and the oid. */
async function line(values: ReturnType<typeof watchPath>): Promise<string> {
  const { entry } = await next(values)
  if (entry === undefined) return ''
  const letter = { directory: 'D', file: 'F', executable: 'X', link: 'L', submodule: 'S' }
  return `${letter[entry.kind]}-${entry.oid}`
}

describe('a watch of a path', () => {
  it('tells what the old server told, in the same order', async () => {
    const repository = await open()
    const paths = ['', 'doc', 'src/Makefile'].map((path) => {
      return watchPath(repository, { branch: 'main', path })
    })
    const [root, doc, makefile] = paths
    if (!root || !doc || !makefile) throw new Error('Three watches')
    for (const watch of paths) expect(await line(watch)).toBe('')
    const newRoot = line(root)
    await commit(repository, { 'src/Makefile': 'all: build' })
    expect(await newRoot).toBe('D-acaa8ac97706d94e012da475e8a63d647011a72c')
    expect(await line(makefile)).toBe('F-d81e367f87ee314bcd3e449b1c6641efda5bc269')
    await commit(repository, { 'doc/README': 'Instructions' })
    expect(await line(doc)).toBe('D-a3e8adf6d194bfbdec2ca73aebe0990edee2ddbf')
    expect(await line(root)).toBe('D-eccca2d529dee833e47546cc2e095cc1c79f1917')
    await repository.branch('main').commit(
      async (transaction) => {
        await transaction.setMode('src/Makefile', 0o100755)
      },
      { message: 'chmod' },
    )
    expect(await line(makefile)).toBe('X-d81e367f87ee314bcd3e449b1c6641efda5bc269')
    await repository.branch('main').delete()
    for (const watch of paths) expect(await line(watch)).toBe('')
  })

  it('gives the value of the first change to who waits already, then the newest', async () => {
    const repository = await open()
    const values = watchPath(repository, { branch: 'main', path: 'a' })
    await next(values)
    const pending = next(values)
    await commit(repository, { a: '1' })
    expect(await (await pending).head?.readText('a')).toBe('1')
    for (const content of ['2', '3', '4']) await commit(repository, { a: content })
    expect(await (await next(values)).head?.readText('a')).toBe('4')
  })

  it('drops a value that is as before when it is asked for', async () => {
    const repository = await open()
    await commit(repository, { a: '1' })
    const values = watchPath(repository, { branch: 'main', path: 'a' })
    await next(values)
    await commit(repository, { a: '2' })
    await commit(repository, { a: '1' })
    const pending = next(values)
    await commit(repository, { a: '3' })
    expect(await (await pending).head?.readText('a')).toBe('3')
  })

  it('ends at once when it is told to, while it waits', async () => {
    const repository = await open()
    const values = watchPath(repository, { branch: 'main', path: 'a' })
    await next(values)
    const pending = values.next()
    await values.return?.()
    expect(await pending).toEqual({ done: true, value: undefined })
    const controller = new AbortController()
    const heard: unknown[] = []
    setTimeout(() => controller.abort(), 5)
    const at = { branch: 'main', path: 'a' }
    for await (const value of watchPath(repository, at, { signal: controller.signal }))
      heard.push(value)
    expect(heard).toHaveLength(1)
  })

  it('opens no directory that is as before', async () => {
    const repository = await open()
    const files = Object.fromEntries(
      Array.from({ length: 1000 }, (_, i) => [`dir-${i % 10}/sub-${i % 7}/file-${i}`, `${i}`]),
    )
    await commit(repository, files)
    const opened: Oid[] = []
    const source: ObjectSource = {
      read(oid) {
        opened.push(oid)
        return repository.store.read(oid)
      },
    }
    const finder = new PathFinder('dir-3/sub-3/file-3')
    const tree = async () => (await repository.branch('main').head())?.tree
    const found = await finder.find(source, await tree())
    expect(opened.splice(0)).toHaveLength(3)
    await commit(repository, { 'dir-4/sub-4/file-4': 'new' })
    expect(await finder.find(source, await tree())).toEqual(found)
    expect(opened.splice(0)).toHaveLength(1)
    await commit(repository, { 'dir-3/other': 'new' })
    expect(await finder.find(source, await tree())).toEqual(found)
    expect(opened.splice(0)).toHaveLength(2)
    expect(await finder.find(source, await tree())).toEqual(found)
    expect(opened).toHaveLength(0)
    await commit(repository, { 'dir-3/sub-3/file-3': undefined })
    expect(await finder.find(source, await tree())).toBeUndefined()
  })
})

describe('a watch of a place that hears of nobody', () => {
  it('looks now and then', async () => {
    const place = memoryPlace()
    const deaf = {
      ...place,
      traits: { ...place.traits, hearsOthers: false },
      subscribe: () => () => {},
    }
    const repository = await open(deaf)
    const values = watchPlace(deaf, () => repository.branch('main').oid(), {
      isEqual: (a, b) => a === b,
      poll: 10,
    })
    expect(await next(values)).toBeUndefined()
    const pending = next(values)
    expect(await commit(repository, { a: '1' })).toBe(await pending)
    await values.return?.()
  })
})

describe('waiting for a path', () => {
  const at = { branch: 'main', path: 'a' }

  it('asks about the current value first, and about one at a time', async () => {
    const repository = await open()
    await commit(repository, { a: '0' })
    let running = 0
    const asked: string[] = []
    const found = waitFor(repository, at, async ({ head }) => {
      expect(++running).toBe(1)
      const content = (await head?.readText('a')) ?? ''
      await new Promise((resolve) => setTimeout(resolve, 2))
      asked.push(content)
      running--
      return content === '9'
    })
    for (let i = 1; i < 10; i++) await commit(repository, { a: `${i}` })
    expect(await (await found).head?.readText('a')).toBe('9')
    expect(asked[0]).toBe('0')
    expect(asked.at(-1)).toBe('9')
  })

  it('is given up in time, with an error that says what it was', async () => {
    const repository = await open()
    const error = await waitFor(repository, at, () => false, { timeout: 10 }).catch((e) => e)
    expect(error).toBeInstanceOf(TimeoutError)
    expect(error).toMatchObject({
      code: 'timeout',
      message: expect.stringContaining('"a" on "main"'),
    })
  })

  it('rejects with the reason of its signal, also in the middle of a question', async () => {
    const repository = await open()
    const controller = new AbortController()
    const never = new Promise<boolean>(() => {})
    const waiting = waitFor(repository, at, () => never, { signal: controller.signal })
    setTimeout(() => controller.abort(new Error('enough')), 5)
    await expect(waiting).rejects.toThrow('enough')
    await expect(
      waitFor(repository, at, () => true, { signal: controller.signal }),
    ).rejects.toThrow('enough')
  })

  it('fails with what the question fails with', async () => {
    const repository = await open()
    const ask = () => {
      throw new RangeError('no')
    }
    await expect(waitFor(repository, at, ask)).rejects.toThrow(RangeError)
  })
})

describe('a watch of steps', () => {
  it('names each commit of a move along first parents, and other moves as one', async () => {
    const repository = await open()
    const made: Oid[] = []
    for (let i = 0; i < 4; i++) made.push(await commit(repository, { a: `${i}` }, 'topic'))
    const side = await commit(repository, { b: '1' }, 'side')
    const steps = watchSteps(repository, 'main')
    expect(await next(steps)).toMatchObject({ kind: 'current', to: undefined })
    const move = async (from: Oid | undefined, to: Oid | undefined, why: string) => {
      const refs = [{ name: 'refs/heads/main', from, to }]
      const log = { who: 'Ada <ada@example.org>', why }
      expect((await publish(repository.store.place, { refs, log })).state).toBe('done')
    }
    await move(undefined, made[0], 'create')
    await move(made[0], made[3], 'push')
    await move(made[3], made[1], 'reset')
    await move(made[1], side, 'elsewhere')
    const told: string[] = []
    for (let i = 0; i < 6; i++) {
      const { kind, to, why } = await next(steps)
      told.push(`${kind} ${to === side ? 'side' : made.findIndex((oid) => oid === to)} ${why}`)
    }
    expect(told).toEqual([
      'created 0 create',
      'commit 1 push',
      'commit 2 push',
      'commit 3 push',
      'moved 1 reset',
      'moved side elsewhere',
    ])
  })

  it('tells moves apart that are alike, in one millisecond', async () => {
    let now = 1000
    const place = memoryPlace({ clock: () => now })
    const repository = await open(place)
    const [one, two] = [await commit(repository, { a: '1' }), await commit(repository, { a: '2' })]
    const flip = async (from: Oid, to: Oid) => {
      const refs = [{ name: 'refs/heads/main', from, to }]
      await publish(place, { refs, log: { who: 'Ada <ada@example.org>', why: 'flip' } })
    }
    const steps = watchSteps(repository, 'main')
    await next(steps)
    const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
    console.log(`watch: seed ${seed}, 40 bursts`)
    let random = seed
    let at = two
    for (let round = 0; round < 40; round++) {
      random = (random * 1103515245 + 12345) % 2 ** 31
      if (random % 3 === 0) now++
      const burst = 1 + ((random >> 8) % 5)
      const expected: Oid[] = []
      for (let i = 0; i < burst; i++) {
        const to = at === one ? two : one
        await flip(at, to)
        expected.push(to)
        at = to
      }
      for (const to of expected) expect((await next(steps)).to).toBe(to)
    }
  })

  it('says where the branch is when the log no longer leads there', async () => {
    const repository = await open()
    const first = await commit(repository, { a: '1' })
    const second = await commit(repository, { a: '2' })
    const stranger = parseOid('1'.repeat(40))
    const steps = watchSteps(repository, 'main', { since: stranger })
    expect(await next(steps)).toMatchObject({
      kind: 'moved',
      from: stranger,
      to: second,
      external: true,
    })
    const known = watchSteps(repository, 'main', { since: first })
    expect(await next(known)).toMatchObject({ kind: 'commit', from: first, to: second })
  })
})
