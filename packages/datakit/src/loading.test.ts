import { expect, it, vi } from 'vitest'
import { read, states, twoClients, write } from '../test/clients.ts'
import { Network } from '../test/network.ts'
import { sync } from './sync/sync.ts'
import type * as loading from './loading.ts'

const asked = vi.hoisted(() => ({ times: 0 }))
vi.mock('./loading.ts', async (original) => {
  const { later } = await original<typeof loading>()
  return {
    later() {
      asked.times++
      return later()
    },
  }
})

// Seen to fail when a branch that is behind moves in a step of its own.
it('loads nothing to commit, to read and to sync a small change both ways', async () => {
  const network = new Network()
  const [ada, grace] = await twoClients(network)
  await write(ada, 'x', '1', 'topic')
  await sync(ada, network.options)
  await sync(grace, network.options)
  asked.times = 0
  await write(ada, 'x', '2')
  await sync(ada, network.options)
  await write(grace, 'y', '2', 'topic')
  expect(states((await sync(grace, network.options)).branches)).toEqual({
    main: 'pulled',
    topic: 'pushed',
  })
  expect(await read(grace, 'x')).toBe('2')
  expect(asked.times).toBe(0)
})
