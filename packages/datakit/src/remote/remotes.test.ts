import { MissingError } from '@datakit/git/error'
import { describe, expect, it } from 'vitest'
import { memoryPlace } from '@datakit/storage/memory'
import { open } from '../../test/bundles.ts'
import { Remote } from '@datakit/git/transport/remote'
import { refs, write } from '../../test/clients.ts'
import { Network } from '../../test/network.ts'
import { collect } from '../../../git/test/support/hostile.ts'
import { exportBundle } from '../bundle/bundle.ts'
import { readBundleHeader } from '../bundle/bundle-import.ts'
import { findRemote, remoteOf, removeRemote, storedRemotes, setRemoteUrl } from './remotes.ts'
import { pushRemote } from './push.ts'
import { sync } from '../sync/sync.ts'
import { publish } from '../transaction/update.ts'

const origin = remoteOf({ name: 'origin', url: 'https://example.org/config.git' })
const backup = remoteOf({
  name: 'backup',
  url: 'https://example.org/backup.git',
  fetch: ['+refs/heads/main:refs/remotes/backup/main'],
})

it.each(['blobs:none', 'tree:', 'blob:limit=many'])('have no filter "%s"', (filter) => {
  const settings = { name: 'origin', url: 'https://example.org/config.git', filter }
  expect(() => remoteOf(settings)).toThrow(RangeError)
})

describe('remotes that are kept with a repository', () => {
  it('are found again by whoever opens it', async () => {
    const place = memoryPlace()
    const remotes = storedRemotes(await open(place))
    for (const remote of [origin, backup]) await remotes.add(remote)
    const again = storedRemotes(await open(place))
    expect(await again.list()).toEqual([backup, origin])
    expect(await findRemote(again, 'origin')).toEqual(origin)
    await expect(findRemote(again, 'other')).rejects.toThrow(MissingError)
    await expect(again.add(origin)).rejects.toMatchObject({ code: 'exists' })
    expect(await again.remove('backup')).toBe(true)
    expect(await again.remove('backup')).toBe(false)
    expect(await remotes.list()).toEqual([origin])
  })

  it('get another URL, without its password, and keep what is fetched from them', async () => {
    const repository = await open()
    const remotes = storedRemotes(repository)
    const part = remoteOf({
      ...origin,
      fetch: ['+refs/heads/a:refs/remotes/origin/a'],
      filter: 'blob:none',
    })
    await remotes.add(part)
    const url = 'https://example.org/next.git'
    const secret = 'https://ada:hunter2@example.org/next.git'
    expect(await setRemoteUrl(remotes, 'origin', { url: secret })).toBe(true)
    expect(await remotes.list()).toEqual([{ ...part, url }])
    expect(await setRemoteUrl(remotes, 'origin', { url: secret, keepsSecrets: true })).toBe(true)
    expect(await remotes.list()).toEqual([{ ...part, url: secret }])
    expect(await setRemoteUrl(remotes, 'none', { url })).toBe(false)
    await expect(setRemoteUrl(remotes, 'origin', { url: 'ssh://x' })).rejects.toThrow(TypeError)
  })

  it('go with what was fetched from them, and nothing else goes', async () => {
    const repository = await open()
    const oid = await write(repository, 'a', '1')
    const remotes = storedRemotes(repository)
    await remotes.add(origin)
    const moves = ['origin/main', 'origin/x', 'origins/main'].map((name) => ({
      name: `refs/remotes/${name}`,
      from: undefined,
      to: oid,
    }))
    const log = { who: 'Ada <ada@example.org>', why: 'test' }
    await publish(repository.store.place, { refs: moves, log })
    expect(await removeRemote(repository, remotes, 'origin')).toBe(true)
    expect(await refs(repository, 'refs/')).toEqual({
      'refs/heads/main': oid,
      'refs/remotes/origins/main': oid,
    })
    expect(await removeRemote(repository, remotes, 'origin')).toBe(false)
  })

  it('are in no bundle', async () => {
    const repository = await open()
    await write(repository, 'a', '1')
    await storedRemotes(repository).add(origin)
    const bundle = await collect(exportBundle(repository))
    const { refs: names } = await readBundleHeader(
      (async function* () {
        yield bundle
      })(),
    )
    expect(names.map(({ name }) => name)).toEqual(['HEAD', 'refs/heads/main'])
  })

  it('are told to nobody whom the repository is served to, and nobody can push to them', async () => {
    const network = new Network()
    const served = await network.server()
    const oid = await write(served, 'a', '1')
    await storedRemotes(served).add(origin)
    const { url, token = '', fetch } = network.options
    const client = new Remote(url, { token, fetch })
    const names = (await client.listRefs()).map(({ name }) => name)
    expect(names).toEqual(['HEAD', 'refs/heads/main'])
    expect((await client.listPushRefs()).map(({ name }) => name)).toEqual(['refs/heads/main'])
    const ada = await network.client()
    await sync(ada, network.options)
    const copied = Object.keys(await refs(ada, 'refs/'))
    expect(
      copied.filter((name) => name.includes('datakit/remote') || name.includes('origin/remote')),
    ).toEqual([])
    const evil = { ...origin, name: 'evil' }
    await storedRemotes(ada).add(evil)
    const pushed = await pushRemote(ada, remoteOf({ name: 'x', url }), {
      refs: ['refs/datakit/remote/evil'],
      token,
      fetch,
    })
    expect(pushed.refs).toMatchObject([{ state: 'refused', reason: 'deny updating a hidden ref' }])
    expect(await storedRemotes(served).list()).toEqual([origin])
    expect(await served.branch('main').oid()).toBe(oid)
  })
})
