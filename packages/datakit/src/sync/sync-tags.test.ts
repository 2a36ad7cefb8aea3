import { describe, expect, it } from 'vitest'
import type { Oid } from '@datakit/git/oid'
import { forceTag, heads, read, refs, states, twoClients, write } from '../../test/clients.ts'
import { Network } from '../../test/network.ts'
import { StockGit } from '../../test/stock-git.ts'
import { sync } from './sync.ts'

/** A server whose repository was made by stock Git: a commit on `main`, and whatever tags `tag` makes of it. */
async function serverWithTags(network: Network, tag: (git: StockGit) => void): Promise<void> {
  const git = new StockGit()
  try {
    const blob = git.run(['hash-object', '-w', '--stdin'], 'one')
    const tree = git.run(['mktree'], `100644 blob ${blob}\ta\n`)
    git.run(['update-ref', 'refs/heads/main', git.run(['commit-tree', '-m', 'one', tree])])
    tag(git)
    await git.give(await network.depot.open('config'))
  } finally {
    git.close()
  }
}

describe('sync of tags', () => {
  it.each([
    ['a commit', ['tag', 'v1', 'main']],
    ['a commit, annotated', ['tag', '-a', '-m', 'one', 'v1', 'main']],
    ['a file', ['tag', 'v1', 'main:a']],
    ['a file, annotated', ['tag', '-a', '-m', 'one', 'v1', 'main:a']],
    ['a directory', ['tag', 'v1', 'main^{tree}']],
  ])('takes one on %s, and goes on sending commits', async (_, command) => {
    const network = new Network()
    await serverWithTags(network, (git) => git.run(command))
    const ada = await network.client()
    expect(states((await sync(ada, network.options)).branches)).toEqual({ main: 'pulled' })
    expect(await refs(ada, 'refs/tags/')).toEqual(await refs(await network.server(), 'refs/tags/'))
    for (const content of ['two', 'three']) {
      await write(ada, 'a', content)
      expect(states((await sync(ada, network.options)).branches)).toEqual({ main: 'pushed' })
      expect(await read(await network.server(), 'a')).toBe(content)
    }
    const [, tag] = Object.entries(await refs(ada, 'refs/tags/'))[0] ?? []
    expect(tag && (await ada.store.read(tag)).type).toBeDefined()
  })

  it('takes all of what a tag is on, where no branch has it', async () => {
    const network = new Network()
    await serverWithTags(network, (git) => {
      const blob = git.run(['hash-object', '-w', '--stdin'], 'deep')
      const inner = git.run(['mktree'], `100644 blob ${blob}\tfile\n`)
      git.run(['tag', '-a', '-m', 'one', 'v1', git.run(['mktree'], `040000 tree ${inner}\tsub\n`)])
      git.run(['tag', 'v2', 'v1'])
    })
    const ada = await network.client()
    await sync(ada, network.options)
    const tag = (await refs(ada, 'refs/tags/'))['refs/tags/v2'] as Oid
    const links = await ada.store.links(tag)
    expect(links?.kind === 'tag' && (await ada.store.read(links.target)).type).toBe('tree')
  })

  it('sends no tag', async () => {
    const network = new Network()
    const [ada] = await twoClients(network)
    await forceTag(ada, 'v1', (await heads(ada))['main'] as Oid)
    await write(ada, 'a', '2')
    await sync(ada, network.options)
    expect(await refs(await network.server(), 'refs/tags/')).toEqual({})
  })
})
