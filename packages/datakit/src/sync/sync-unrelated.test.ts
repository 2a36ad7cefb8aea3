import { describe, expect, it } from 'vitest'
import { forceBranch, heads, refs, states, twoClients, write } from '../../test/clients.ts'
import { Network } from '../../test/network.ts'
import { StockGit } from '../../test/stock-git.ts'
import { takeTheirs } from './take-theirs.ts'
import type { Repository } from '../repository.ts'
import { sync } from './sync.ts'

describe('sync of two repositories that have nothing in common', () => {
  /** Grace has commits of her own before she meets the server. */
  async function strangers(network: Network): Promise<[Repository, Repository]> {
    const [ada, grace] = [await network.client('Ada'), await network.client('Grace')]
    await write(ada, 'a', 'ada')
    await write(ada, 'a', 'ada', 'dev')
    await sync(ada, network.options)
    await write(grace, 'b', 'grace')
    await write(grace, 'b', 'grace', 'feature')
    return [ada, grace]
  }

  it('mixes nothing', async () => {
    const network = new Network()
    const [ada, grace] = await strangers(network)
    const before = await heads(grace)
    for (let i = 0; i < 2; i++) {
      expect((await sync(grace, network.options)).branches).toMatchObject([
        { branch: 'dev', state: 'elsewhere' },
        { branch: 'feature', state: 'unrelated', theirs: undefined },
        { branch: 'main', state: 'unrelated', theirs: await ada.branch('main').oid() },
      ])
      expect(await heads(grace)).toEqual(before)
      expect(await heads(await network.server())).toEqual(await heads(ada))
      expect(await refs(grace, 'refs/datakit/repository/')).toEqual({})
    }
  })

  it('goes on when a person kept mine under another name', async () => {
    const network = new Network()
    const [ada, grace] = await strangers(network)
    const mine = await heads(grace)
    const [, , outcome] = (await sync(grace, network.options)).branches
    if (outcome?.state !== 'unrelated' || outcome.theirs === undefined) throw new Error('Related')
    const { branch, ours, theirs } = outcome
    await takeTheirs(grace, { branch, ours, theirs }, { keepMineAs: 'mine' })
    expect(states((await sync(grace, network.options)).branches)).toEqual({
      dev: 'pulled',
      feature: 'pushed',
      main: 'in-step',
      mine: 'pushed',
    })
    const all = { ...(await heads(ada)), feature: mine['feature'], mine: mine['main'] }
    expect(await heads(grace)).toEqual(all)
    expect(await heads(await network.server())).toEqual(all)
    expect(await sync(grace, network.options)).toMatchObject({ rounds: 1 })
  })

  it('stops where no branch has the name of another, until a person accepts it', async () => {
    const network = new Network()
    const [ada, grace] = [await network.client('Ada'), await network.client('Grace')]
    await write(ada, 'a', 'ada', 'trunk')
    await sync(ada, network.options)
    await write(grace, 'b', 'grace')
    expect(states((await sync(grace, network.options)).branches)).toMatchObject({
      main: 'unrelated',
    })
    expect(Object.keys(await heads(await network.server()))).toEqual(['trunk'])
    const accepted = await sync(grace, { ...network.options, acceptOther: true })
    expect(states(accepted.branches)).toEqual({ main: 'pushed', trunk: 'pulled' })
    expect((await sync(grace, network.options)).rounds).toBe(1)
  })

  it('knows its own repository again that it never synced itself', async () => {
    const network = new Network()
    const [ada] = await twoClients(network)
    const git = new StockGit()
    const copy = await network.client('Copy')
    try {
      await git.take(ada.store.place)
      for (const name of git.run(['for-each-ref', '--format=%(refname)']).split('\n'))
        if (name !== 'refs/heads/main') git.run(['update-ref', '-d', name])
      await git.give(copy.store.place)
    } finally {
      git.close()
    }
    await write(ada, 'c', 'ada')
    await write(ada, 'd', 'ada', 'dev')
    await sync(ada, network.options)
    await write(copy, 'b', 'copy')
    expect(states((await sync(copy, network.options)).branches)).toEqual({
      dev: 'pulled',
      main: 'merged',
    })
  })

  // Seen to be refused for ever where the request names the repository of before.
  it('sends everything again to a server that has lost it, when a person says so', async () => {
    const [before, network] = [new Network(), new Network()]
    const ada = await before.client('Ada')
    await write(ada, 'a', 'ada')
    await sync(ada, before.options)
    await write(ada, 'a', 'more')
    expect(states((await sync(ada, network.options)).branches)).toEqual({ main: 'unrelated' })
    const other = { ...network.options, acceptOther: true }
    expect(states((await sync(ada, other)).branches)).toEqual({ main: 'gone' })
    const restored = await sync(ada, { ...other, restore: ['main'] })
    expect(states(restored.branches)).toEqual({ main: 'pushed' })
    expect(await heads(await network.server())).toEqual(await heads(ada))
    await write(ada, 'a', 'most')
    expect(states((await sync(ada, network.options)).branches)).toEqual({ main: 'pushed' })
    expect((await sync(ada, network.options)).rounds).toBe(1)
  })

  it('syncs with a server that has a repository without branches', async () => {
    const network = new Network()
    const ada = await network.client('Ada')
    const server = await network.server()
    await forceBranch(server, 'x', await write(server, 'a', '1', 'y'))
    for (const branch of ['x', 'y']) await forceBranch(server, branch, undefined)
    await write(ada, 'a', '1')
    expect(states((await sync(ada, network.options)).branches)).toEqual({ main: 'pushed' })
    expect((await sync(ada, network.options)).rounds).toBe(1)
  })
})
