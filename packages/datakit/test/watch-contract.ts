/**
 * What watching must do wherever the repository is kept: run over memory, IndexedDB, R2 and a Git directory.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Repository } from '../src/repository.ts'
import { waitFor } from '../src/watch/wait-for.ts'
import { watchGlob } from '../src/watch/watch-glob.ts'
import { watchPath } from '../src/watch/watch-path.ts'
import { watchSteps } from '../src/watch/watch-steps.ts'

/** One repository, and how another handle of it is opened: by another tab, process or isolate where there are any. */
export interface Watched {
  readonly repository: Repository
  readonly other: Repository
  destroy(): Promise<void>
}

/** Writes files in one commit, `undefined` removes; gives the commit. */
export async function commit(
  repository: Repository,
  files: Readonly<Record<string, string | undefined>>,
  branch = 'main',
): Promise<Oid> {
  const outcome = await repository.branch(branch).commit(
    async (transaction) => {
      for (const [path, content] of Object.entries(files)) {
        if (content === undefined) await transaction.remove(path)
        else await transaction.write(path, content)
      }
    },
    { message: Object.keys(files).join(' ') },
  )
  if (outcome.state !== 'committed') throw new Error(`The commit was ${outcome.state}`)
  return outcome.oid
}

/** The next value. */
export async function next<T>(values: AsyncIterator<T, void>): Promise<T> {
  const { done, value } = await values.next()
  if (done === true) throw new Error('The watch has ended')
  return value
}

/** Runs the contract over one kind of place. */
export function watchContract(name: string, make: () => Promise<Watched>): void {
  describe(`watching in ${name}`, () => {
    let watched: Watched
    beforeEach(async () => {
      watched = await make()
    })
    afterEach(() => watched.destroy())

    it('gives the current value of a path, then what another handle makes of it', async () => {
      const { repository, other } = watched
      const values = watchPath(repository, { branch: 'main', path: 'config/limits.json' })
      expect((await next(values)).entry).toBeUndefined()
      for (const content of ['one', 'two']) {
        const pending = next(values)
        await commit(other, { 'config/limits.json': content })
        const { head, entry, path } = await pending
        expect(await head?.readText(path)).toBe(content)
        expect(entry?.kind).toBe('file')
      }
      await values.return?.()
    })

    it('passes over what happens elsewhere, and gives the last value after many', async () => {
      const { repository, other } = watched
      await commit(other, { a: '0', b: '0' })
      const values = watchPath(repository, { branch: 'main', path: 'a' })
      await next(values)
      const pending = next(values)
      for (let i = 0; i < 5; i++) await commit(other, { b: `${i + 1}` })
      await commit(other, { a: '1' })
      expect(await (await pending).head?.readText('a')).toBe('1')
      for (let i = 2; i < 9; i++) await commit(other, { a: `${i}` })
      const last = await waitFor(
        repository,
        { branch: 'main', path: 'a' },
        async ({ head }) => (await head?.readText('a')) === '8',
        { timeout: 20_000 },
      )
      expect(last.path).toBe('a')
      await values.return?.()
    })

    it('gives the files that a pattern fits, and which of them changed', async () => {
      const { repository, other } = watched
      await commit(other, { 'a/x.json': '1', 'a/x.txt': '1', 'b/c/y.json': '1' })
      const values = watchGlob(repository, { branch: 'main', pattern: '**/*.json' })
      expect([...(await next(values)).files.keys()]).toEqual(['a/x.json', 'b/c/y.json'])
      const pending = next(values)
      await commit(other, { 'a/x.txt': '2' })
      await commit(other, { 'a/x.json': '2', 'b/c/y.json': undefined, 'z.json': '1' })
      const changes = (await pending).changes.map(({ path, kind }) => `${kind} ${path}`)
      expect(changes).toEqual(['changed a/x.json', 'removed b/c/y.json', 'added z.json'])
      await values.return?.()
    })

    it('skips no step, however slowly they are taken', async () => {
      const { repository, other } = watched
      const first = await commit(other, { a: '0' })
      const steps = watchSteps(repository, 'main')
      expect(await next(steps)).toMatchObject({ kind: 'current', to: first })
      const made: Oid[] = []
      for (let i = 0; i < 8; i++) made.push(await commit(other, { a: `${i + 1}` }))
      const given: (Oid | undefined)[] = []
      for (let i = 0; i < 8; i++) given.push((await next(steps)).to)
      expect(given).toEqual(made)
      const pending = next(steps)
      await other.branch('main').delete()
      expect(await pending).toMatchObject({ kind: 'deleted', from: made.at(-1) })
      await other.branch('main').create(first)
      expect(await next(steps)).toMatchObject({ kind: 'created', to: first, external: false })
      await steps.return?.()
    })

    it('goes on where it was left', async () => {
      const { repository, other } = watched
      const made: Oid[] = []
      for (let i = 0; i < 5; i++) made.push(await commit(other, { a: `${i}` }))
      const steps = watchSteps(repository, 'main', { since: made[1] })
      for (const oid of made.slice(2)) expect((await next(steps)).to).toBe(oid)
      await steps.return?.()
    })
  })
}
