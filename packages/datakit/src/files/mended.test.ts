/**
 * Objects that are damaged here and whole at a server. Seen to fail when what came was compared with what is damaged.
 */
import { DamagedError } from '@datakit/git/error'
import type { Oid } from '@datakit/git/oid'
import { nodeRuntime } from '@datakit/git/runtime/node'
import type { Place } from '@datakit/git/place'
import { memoryPlace } from '@datakit/storage/memory'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { read } from '../../test/clients.ts'
import { GitServer, type GitRemote } from '../../test/git-server.ts'
import { pullRemote } from '../remote/pull.ts'
import { remoteOf } from '../remote/remotes.ts'
import { Repository } from '../repository.ts'
import { withMended, type MendOptions } from './mended.ts'

const server = new GitServer()
beforeAll(() => server.start())
afterAll(() => server.stop())

/** A place whose packs, as many as there are when `damage` is called, lose a bit of every fourth byte from then on. */
function damageable(): { place: Place; damage: () => Promise<void> } {
  const inner = memoryPlace()
  let damaged = new Set<string>()
  const readPack: Place['readPack'] = async (id, start, end) => {
    const bytes = await inner.readPack(id, start, end)
    return damaged.has(id)
      ? bytes.map((byte, i) => ((start + i) % 4 === 0 ? byte ^ 2 : byte))
      : bytes
  }
  const damage = async (): Promise<void> => {
    damaged = new Set((await inner.read()).packs.map(({ id }) => id))
  }
  return { place: { ...inner, readPack }, damage }
}

/** A clone of Git's repository whose packs are damaged, opened anew. */
async function damagedClone(): Promise<{ git: GitRemote; place: Place; repository: Repository }> {
  const git = server.repository()
  git.there('config', 'uploadpack.allowAnySHA1InWant', 'true')
  git.there('config', 'uploadpack.allowFilter', 'true')
  git.commit('a/b/deep', 'deep\n')
  git.commit('top', 'top\n')
  const { place, damage } = damageable()
  const clone = await Repository.open(place, { runtime: nodeRuntime })
  await pullRemote(clone, remoteOf({ name: 'origin', url: git.url }), {
    branch: 'main',
    how: 'merge',
  })
  await damage()
  return { git, place, repository: await Repository.open(place, { runtime: nodeRuntime }) }
}

function from({ url }: GitRemote, onMended?: (oid: Oid) => void): () => MendOptions {
  return () => ({ remote: remoteOf({ name: 'origin', url }), onMended })
}

it('are named by what is read, and fetched one by one as they are wanted', async () => {
  const { git, place, repository } = await damagedClone()
  await expect(read(repository, 'a/b/deep')).rejects.toThrow(DamagedError)
  const mended: Oid[] = []
  const work = () => read(repository, 'a/b/deep')
  expect(
    await withMended(
      repository,
      from(git, (oid) => mended.push(oid)),
      work,
    ),
  ).toBe('deep\n')
  // The commit, three trees and the file.
  const wanted = ['main', 'main:', 'main:a', 'main:a/b', 'main:a/b/deep']
  expect(mended).toEqual(wanted.map((name) => git.there('rev-parse', name).trim()))
  // Here to stay, for whoever opens it.
  const again = await Repository.open(place, { runtime: nodeRuntime })
  expect(await read(again, 'a/b/deep')).toBe('deep\n')
  await expect(read(again, 'top')).rejects.toThrow(DamagedError)
})

it('stay an error that names them where nobody has them', async () => {
  const { git, repository } = await damagedClone()
  const offline = () => ({ ...from(git)(), fetch: () => Promise.reject(new TypeError('offline')) })
  const failed = withMended(repository, offline, () => read(repository, 'top'))
  await expect(failed).rejects.toMatchObject({ oid: git.there('rev-parse', 'main').trim() })
  const other = server.repository()
  other.there('config', 'uploadpack.allowAnySHA1InWant', 'true')
  other.there('config', 'uploadpack.allowFilter', 'true')
  other.commit('top', 'of another\n')
  const refused = withMended(repository, from(other), () => read(repository, 'top'))
  await expect(refused).rejects.toThrow(DamagedError)
})
