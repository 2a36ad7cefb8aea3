import { beforeEach, describe, expect, it } from 'vitest'
import { readU32 } from '@datakit/git/bytes'
import type { Oid } from '@datakit/git/oid'
import { heads, refs, twoClients, write } from '../../test/clients.ts'
import { Network } from '../../test/network.ts'
import type { Repository } from '../repository.ts'
import type { Store } from '../store.ts'
import { packOutgoing } from './outgoing-pack.ts'
import { sync } from './sync.ts'

const BRANCHES = 60

let network: Network
let ada: Repository
let haves: Oid[]

beforeEach(async () => {
  network = new Network()
  ;[ada] = await twoClients(network)
  const server = await network.server()
  for (let i = 0; i < BRANCHES; i++) await write(server, `file-${i}`, '1', `topic/${i}`)
  await sync(ada, network.options)
  haves = Object.values(await refs(ada, 'refs/remotes/origin/'))
})

/** A store that counts the commits that are looked at. */
function counted(store: Store): { store: Store; looked(): number } {
  const looked = new Set<Oid>()
  const links = (oid: Oid): ReturnType<Store['links']> => {
    looked.add(oid)
    return store.links(oid)
  }
  const own = { links: { value: links }, read: { value: (oid: Oid) => store.read(oid) } }
  // It has the members of a store, those of its prototype among them.
  return { store: Object.create(store, own) as Store, looked: () => looked.size }
}

async function headOf(branch: string): Promise<Oid> {
  // A head is an oid.
  return (await heads(ada))[branch] as Oid
}

/** How many objects a pack says that it has. */
function count(pack: Uint8Array): number {
  return pack.length === 0 ? 0 : readU32(pack.subarray(8, 12))
}

describe('the pack of a sync', () => {
  it('takes a look at the branch that goes on, however many there are', async () => {
    const from = await headOf('topic/7')
    const to = await write(ada, 'a', '2', 'topic/7')
    const { store, looked } = counted(ada.store)
    const pack = await packOutgoing(store, { wants: [to], haves, from: [from] })
    // A commit, its tree and a file.
    expect(count(pack)).toBe(3)
    expect(looked()).toBeLessThan(8)
  })

  it('leaves out what was merged from another branch of the server', async () => {
    const from = await headOf('main')
    for (const branch of ['topic/1', 'topic/2'])
      await ada.branch('main').merge(await headOf(branch))
    const { store, looked } = counted(ada.store)
    const pack = await packOutgoing(store, { wants: [await headOf('main')], haves, from: [from] })
    // Two merges and their trees.
    expect(count(pack)).toBeLessThan(5)
    expect(looked()).toBeLessThan(12)
  })

  it('is empty for a new branch where the server has all of it', async () => {
    const pack = await packOutgoing(ada.store, {
      wants: [await headOf('topic/3')],
      haves,
      from: [undefined],
    })
    expect(count(pack)).toBe(0)
  })

  it('is whole when nothing is said to be there', async () => {
    const from = await headOf('topic/7')
    const to = await write(ada, 'a', '2', 'topic/7')
    const pack = await packOutgoing(ada.store, { wants: [to], haves: [], from: [from] })
    expect(count(pack)).toBeGreaterThan(4)
  })

  it('takes a large directory that is what it was before, on both ways', async () => {
    const branch = ada.branch('large')
    const edit = async (contents: readonly string[]): Promise<void> => {
      for (const content of contents)
        await branch.commit((transaction) => transaction.write('services/file-7', content), {
          message: content,
        })
      await sync(ada, network.options)
      expect((await heads(await network.server()))['large']).toBe(await headOf('large'))
    }
    await branch.commit(
      async (transaction) => {
        for (let i = 0; i < 200; i++) await transaction.write(`services/file-${i}`, '0')
      },
      { message: 'Begin' },
    )
    await edit([])
    await edit(['1', '0', '1'])
    await edit(['2', '1', '3', '2', '1'])
  })
})
