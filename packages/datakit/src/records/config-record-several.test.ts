/** Configuration records that several use: programs, tabs, and people with stock git. */
import type { Place } from '@datakit/git/place'
import { openGitDirectory } from '@datakit/storage/git-directory'
import { memoryDepot, memoryPlace } from '@datakit/storage/memory'
import { describe, expect, it } from 'vitest'
import { fields, files, open, recordOf } from '../../test/record-support.ts'
import { StockGit } from '../../test/stock-git.ts'
import { commit, next } from '../../test/watch-contract.ts'
import { FieldError } from './field-error.ts'
import { int } from './field.ts'

/** A place in which updates of a ref can be held up. */
function slowUpdates(place: Place, ref: string) {
  let wait: (() => Promise<void>) | undefined
  const update: Place['update'] = async (request) => {
    if (request.refs.some(({ name }) => name === ref)) await wait?.()
    return place.update(request)
  }
  const hold = () => {
    const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    wait = () => {
      reached.resolve()
      return released.promise
    }
    return { reached: reached.promise, release: released.resolve }
  }
  return { place: { ...place, update }, hold }
}

describe('several who use a record', () => {
  it('see each other, and lose nothing of what they set at once', async () => {
    const depot = memoryDepot()
    const names = ['a', 'b', 'c', 'd']
    const many = Object.fromEntries(names.map((name) => [name, int(0)]))
    const records = await Promise.all(
      names.map(async () => recordOf(await open(await depot.open('config')), many)),
    )
    for (let round = 1; round <= 5; round++)
      await Promise.all(
        records.map((record, i) => record.set({ [names[i] ?? '']: round, a: round })),
      )
    for (const record of records) {
      await record.refresh()
      expect(Object.values(record.values())).toEqual([5, 5, 5, 5])
    }
    const repository = await open(await depot.open('config'))
    expect((await files(repository, 'state'))['vm/d']).toBe('5\n')
    for (const branch of ['user', 'state', 'defaults']) {
      const oid = await repository.branch(branch).oid()
      if (oid === undefined) throw new Error('No branch')
      for await (const { commit } of repository.log(oid))
        expect(commit.parents.length).toBeLessThan(2)
    }
  })

  it.each([
    ['what is newer', 8192, '8192\n'],
    ['that it was taken away', undefined, '2048\n'],
  ])(
    'have in the state %s, also when an older value was slow to be written',
    async (_, newer, text) => {
      const place = memoryPlace()
      const slow = slowUpdates(place, 'refs/heads/state')
      const [one, other] = [await open(slow.place), await open(place)]
      const [a, b] = [await recordOf(one, fields), await recordOf(other, fields)]
      const held = slow.hold()
      const setting = a.set({ memory: 4096 })
      await held.reached
      await b.set({ memory: newer, debug: true })
      held.release()
      await setting
      expect(await files(other, 'state')).toMatchObject({ 'vm/memory': text, 'vm/debug': 'true\n' })
      expect(a.values()).toMatchObject({ memory: Number(text), debug: true })
    },
  )

  it('hear of a field, of all fields, and of nothing else', async () => {
    const depot = memoryDepot()
    const [mine, theirs] = [
      await recordOf(await open(await depot.open('config')), fields),
      await recordOf(await open(await depot.open('config')), fields),
    ]
    const memory = mine.watch('memory')
    const all = mine.watchAll()
    expect(await next(memory)).toMatchObject({ value: 2048 })
    expect(await next(all)).toMatchObject({ memory: 2048, debug: false })
    const pending = next(memory)
    const pendingAll = next(all)
    await theirs.set({ debug: true })
    expect(await pendingAll).toMatchObject({ memory: 2048, debug: true })
    await theirs.set({ memory: 1024 })
    expect(await pending).toMatchObject({ value: 1024, layer: 'user' })
    await memory.return?.()
    await all.return?.()
    expect(() => mine.watch('nothing' as never)).toThrow(FieldError)
  })

  it('edit by hand, with stock git', async () => {
    const git = new StockGit()
    const repository = await open(await openGitDirectory(git.directory))
    try {
      const record = await recordOf(repository, fields)
      await record.set({ memory: 1024 })
      const memory = record.watch('memory')
      expect(await next(memory)).toMatchObject({ value: 1024 })
      const pending = next(memory)
      const blob = git.run(['hash-object', '-w', '--stdin'], '  8192 \r\n')
      const tree = git.run(['mktree'], `100644 blob ${blob}\tmemory\n`)
      const root = git.run(['mktree'], `040000 tree ${tree}\tvm\n`)
      const oid = git.run(['commit-tree', root, '-p', 'user', '-m', 'By hand'])
      git.run(['update-ref', 'refs/heads/user', oid])
      expect(await pending).toMatchObject({ value: 8192, layer: 'user', problem: undefined })
      expect(git.run(['show', 'state:vm/memory'])).toBe('8192')
      git.run(['fsck', '--strict'])
      await memory.return?.()
    } finally {
      await repository.close()
      git.close()
    }
  })

  it('keep the old value while what is there cannot be read', async () => {
    const repository = await open()
    const record = await recordOf(repository, fields)
    await record.set({ memory: 1024 })
    const { store } = repository
    const read = store.read.bind(store)
    await commit(repository, { 'vm/memory': '4096' }, 'user')
    const oid = (await (await repository.branch('user').head())?.stat('vm/memory'))?.oid
    const { MissingError } = await import('@datakit/git/error')
    store.read = (wanted) =>
      wanted === oid ? Promise.reject(new MissingError('an object', wanted)) : read(wanted)
    await record.refresh()
    expect(record.get('memory')).toMatchObject({
      value: 1024,
      problem: { message: expect.stringContaining('object') },
    })
    store.read = read
    await record.refresh()
    expect(record.get('memory')).toMatchObject({ value: 4096, problem: undefined })
  })
})
