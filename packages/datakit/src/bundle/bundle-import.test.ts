import { MissingError, UnsupportedError } from '@datakit/git/error'
import type { Oid } from '@datakit/git/oid'
import { openGitDirectory } from '@datakit/storage/git-directory'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { randomHistory } from '../../../git/test/history.ts'
import { RealRepository } from '../../../git/test/real-git.ts'
import { random, seed } from '../../../git/test/seed.ts'
import { bytesOf, collect, pieces } from '../../../git/test/support/hostile.ts'
import { bundleOf, give, gitRefLines, open, refLines } from '../../test/bundles.ts'
import { forceBranch, heads, refs, write } from '../../test/clients.ts'
import {
  importBundle,
  PrerequisitesError,
  readBundleHeader,
  verifyBundle,
} from './bundle-import.ts'
import { exportBundle, type ExportOptions } from './bundle.ts'
import type { Repository } from '../repository.ts'

let git: RealRepository
beforeEach(() => {
  git = new RealRepository()
})
afterEach(() => git.remove())

/** A bundle of two commits on `main` and a tag, and where they are. */
async function example(options: ExportOptions = {}): Promise<{
  repository: Repository
  first: Oid
  second: Oid
  bundle: Uint8Array
}> {
  const repository = await open()
  const first = await write(repository, 'a', 'one\n')
  const second = await write(repository, 'b/c', 'two\n')
  return { repository, first, second, bundle: await collect(exportBundle(repository, options)) }
}

function states(outcome: { refs: readonly { name: string; state: string }[] }): string[] {
  return outcome.refs.map(({ name, state }) => `${state} ${name}`)
}

describe('importing', () => {
  it('takes what Git makes, tags and HEAD, in a Git directory that Git finds whole', async () => {
    console.log(`SEED=${seed}, 1 case`)
    const history = randomHistory({ files: 50, commits: 25, random: random() })
    history.run(
      ['tag', '-a', '-m', 'deep', 'deep', 'v1'].map((arg) => (arg === 'v1' ? 'main~2' : arg)),
    )
    history.run(['branch', '-m', 'main', 'develop'])
    history.run(['symbolic-ref', 'HEAD', 'refs/heads/develop'])
    const bundle = bundleOf(history, '--all')
    const directory = `${git.folder}/taken.git`
    const repository = await open(await openGitDirectory(directory, { create: true }))
    const { refs } = await importBundle(repository, pieces(bundle, 3000))
    expect(refs.every(({ state }) => state === 'created')).toBe(true)
    await repository.close()
    git.run(['-C', directory, 'fsck', '--strict', '--no-dangling'])
    const lines = git.run(['-C', directory, 'for-each-ref', '--format=%(objectname) %(refname)'])
    expect(lines.split('\n')).toEqual(gitRefLines(history))
    expect(git.run(['-C', directory, 'symbolic-ref', 'HEAD'])).toBe('refs/heads/develop')
    history.remove()
  })

  it('takes one byte at a time', async () => {
    const { repository, bundle } = await example()
    const copy = await open()
    await importBundle(copy, pieces(bundle, 1))
    expect(await refLines(copy)).toEqual(await refLines(repository))
  })

  it('takes nothing of a bundle that is cut, at every length', async () => {
    // Seen to fail when the end of the source was taken for the end of the pack.
    const { bundle } = await example()
    const copy = await open()
    const { version } = await copy.store.state()
    for (let length = 0; length < bundle.length; length++) {
      const source = pieces(bundle.subarray(0, length), 100)
      await expect(importBundle(copy, source)).rejects.toMatchObject({ code: 'malformed' })
      const verified = verifyBundle(copy, pieces(bundle.subarray(0, length), 100))
      await expect(verified).rejects.toMatchObject({ code: 'malformed' })
    }
    expect((await copy.store.state()).version).toBe(version)
    await importBundle(copy, pieces(bundle, 100))
  })

  it('takes nothing of a bundle in which a byte is wrong', async () => {
    const { bundle } = await example()
    const start = Buffer.from(bundle).indexOf('PACK')
    const copy = await open()
    for (let at = start; at < bundle.length; at += 7) {
      const broken = bundle.slice()
      broken[at] = (broken[at] ?? 0) ^ 0x10
      await expect(importBundle(copy, pieces(broken, 500))).rejects.toThrow()
    }
    const more = new Uint8Array([...bundle, 0])
    await expect(importBundle(copy, pieces(more, 500))).rejects.toMatchObject({ code: 'malformed' })
    expect(await refLines(copy)).toEqual([])
    expect((await copy.store.state()).packs).toEqual([])
  })

  it('refuses refs whose objects are not in it, and takes the others', async () => {
    const { second, bundle } = await example()
    const stray = '1'.repeat(40)
    const text = Buffer.from(bundle).toString('latin1')
    const lying = text.replace('\n\n', `\n${stray} refs/heads/stray\n\n`)
    const copy = await open()
    const outcome = await importBundle(copy, pieces(bytesOf(lying), 500))
    expect(states(outcome)).toEqual(['created refs/heads/main', 'refused refs/heads/stray'])
    expect(await refLines(copy)).toEqual([`${second} refs/heads/main`])
    const verified = verifyBundle(await open(), pieces(bytesOf(lying), 500))
    await expect(verified).rejects.toMatchObject({ code: 'not-connected' })
  })

  it('wants the commits that it goes on from, reachable and not merely there', async () => {
    // Seen to fail when prerequisites only had to be there.
    const { repository, first, second } = await example()
    const bundle = await collect(exportBundle(repository, { since: [first] }))
    const copy = await open()
    await expect(importBundle(copy, pieces(bundle, 500))).rejects.toThrow(PrerequisitesError)
    await write(copy, 'x', 'y')
    const failed = importBundle(copy, pieces(bundle, 500))
    await expect(failed).rejects.toMatchObject({ missing: [{ oid: first, comment: 'Write a' }] })
    const base = await collect(
      exportBundle(await at(repository, first), { refs: ['refs/heads/first'] }),
    )
    await importBundle(copy, pieces(base, 500))
    await forceBranch(copy, 'first', undefined)
    expect(await copy.store.objects.has(first)).toBe(true)
    expect((await verifyBundle(copy, pieces(bundle, 500))).missing).toHaveLength(1)
    await expect(importBundle(copy, pieces(bundle, 500))).rejects.toThrow(PrerequisitesError)
    await forceBranch(copy, 'first', first)
    expect((await verifyBundle(copy, pieces(bundle, 500))).missing).toEqual([])
    await importBundle(copy, pieces(bundle, 500), { into: 'backup' })
    expect(await refs(copy, 'refs/remotes/')).toEqual({ 'refs/remotes/backup/main': second })
  })

  it('moves branches forward and tags not at all, unless it is forced to', async () => {
    const { repository, first, second, bundle } = await example()
    const copy = await open()
    await importBundle(copy, pieces(bundle, 500))
    expect(states(await importBundle(copy, pieces(bundle, 500)))).toEqual([
      'unchanged refs/heads/main',
    ])
    const own = await write(copy, 'mine', '1')
    const kept = await importBundle(copy, pieces(bundle, 500))
    expect(states(kept)).toEqual(['refused refs/heads/main'])
    expect(await heads(copy)).toEqual({ main: own })
    expect(states(await importBundle(copy, pieces(bundle, 500), { force: true }))).toEqual([
      'updated refs/heads/main',
    ])
    const third = await write(repository, 'a', 'three\n')
    const newer = await collect(exportBundle(repository))
    expect(states(await importBundle(copy, pieces(newer, 500)))).toEqual([
      'updated refs/heads/main',
    ])
    expect(await heads(copy)).toEqual({ main: third })
    git.run(['fetch', '-q', give(git, newer), 'main:main'])
    git.run(['tag', 'v', first])
    await importBundle(copy, pieces(bundleOf(git, 'v'), 500))
    git.run(['tag', '-f', 'v', second])
    const tag = bundleOf(git, 'v')
    expect(states(await importBundle(copy, pieces(tag, 500)))).toEqual(['refused refs/tags/v'])
    await importBundle(copy, pieces(tag, 500), { force: true })
    expect(await refs(copy, 'refs/tags/')).toEqual({ 'refs/tags/v': second })
  })

  it('takes only the refs that are asked for', async () => {
    const { repository, first, second } = await example()
    await repository.branch('old').create(first)
    const bundle = await collect(exportBundle(repository))
    const copy = await open()
    await importBundle(copy, pieces(bundle, 500), { refs: ['old'] })
    expect(await heads(copy)).toEqual({ old: first })
    expect(await copy.head()).toEqual({ ref: 'refs/heads/old' })
    const missing = importBundle(copy, pieces(bundle, 500), { refs: ['older'] })
    await expect(missing).rejects.toThrow(MissingError)
    await importBundle(copy, pieces(bundle, 500), { into: 'there', refs: ['refs/heads/*'] })
    expect(await refs(copy, 'refs/remotes/')).toEqual({
      'refs/remotes/there/main': second,
      'refs/remotes/there/old': first,
    })
  })

  it('never takes what another repository knows of a third', async () => {
    const { second, bundle } = await example()
    const text = Buffer.from(bundle).toString('latin1')
    const other = text.replace('\n\n', `\n${second} refs/datakit/repository/1\n\n`)
    const copy = await open()
    await importBundle(copy, pieces(bytesOf(other), 500))
    expect(await refLines(copy)).toEqual([`${second} refs/heads/main`])
  })

  it('refuses a bundle that leaves out objects, and says why', async () => {
    const { bundle } = await example()
    git.run(['fetch', '-q', give(git, bundle), 'main:main'])
    const filtered = bundleOf(git, '--version=3', '--filter=blob:none', 'main')
    const copy = await open()
    await expect(importBundle(copy, pieces(filtered, 99))).rejects.toThrow(UnsupportedError)
    await expect(verifyBundle(copy, pieces(filtered, 99))).rejects.toThrow(/--filter/)
    expect((await readBundleHeader(pieces(filtered, 99))).filter).toBe('blob:none')
  })

  it('lets go of the source when it is not read to its end', async () => {
    const { repository, first } = await example()
    const bundle = await collect(exportBundle(repository, { since: [first] }))
    let isOpen = true
    const source = (async function* () {
      try {
        for (;;) yield bundle.slice()
      } finally {
        isOpen = false
      }
    })()
    await expect(importBundle(await open(), source)).rejects.toThrow(PrerequisitesError)
    expect(isOpen).toBe(false)
  })
})

/** The same repository with a branch `first` at a commit. */
async function at(repository: Repository, first: Oid): Promise<Repository> {
  await forceBranch(repository, 'first', first)
  return repository
}
