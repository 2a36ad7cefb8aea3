/**
 * Two tabs on one repository, of which one chooses another part while the sync of the other is on its way.
 */
import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryPlace } from '@datakit/storage/memory'
import { describe, expect, it } from 'vitest'
import { heads, read, states, write } from '../../test/clients.ts'
import { Network } from '../../test/network.ts'
import { partOf, wrongWith } from '../../test/part-scene.ts'
import { Repository } from '../repository.ts'
import { readChoice, setChoice, type SyncChoice } from './choice.ts'
import { sync, type SyncOptions } from './sync.ts'

const LARGE = Array.from({ length: 3000 }, (_, i) => `${(i * 7919) % 10_007}`).join(' ')

interface Tabs {
  readonly network: Network
  readonly whole: Repository
  readonly one: Repository
  readonly other: Repository
}

async function twoTabs(choice: SyncChoice | undefined): Promise<Tabs> {
  const network = new Network()
  const whole = await network.client()
  for (const path of ['a/file', 'b/file', 'c/file']) await write(whole, path, `${LARGE} ${path}`)
  await sync(whole, network.options)
  const place = memoryPlace()
  const identity = () => ({ name: 'Grace', address: 'grace@example.org' })
  const open = (): Promise<Repository> => Repository.open(place, { runtime: nodeRuntime, identity })
  const [one, other] = [await open(), await open()]
  await setChoice(one, choice)
  await sync(one, network.options)
  return { network, whole, one, other }
}

/** A wire on which something happens before the first request is sent. */
function before({ network }: Tabs, act: () => Promise<unknown>): SyncOptions {
  const { fetch, ...options } = network.options
  let isDone = false
  return {
    ...options,
    async fetch(to, init) {
      if (!isDone) {
        isDone = true
        await act()
      }
      return (await fetch?.(to, init)) ?? Response.error()
    },
  }
}

/** What is wrong with the part, of all that the server has. */
async function wrongIn({ network, one }: Tabs, choice: SyncChoice): Promise<string[]> {
  const server = await network.server()
  const met = await partOf(server, Object.values(await heads(server)) as never[], choice)
  return wrongWith(one, server, met)
}

const changes: [string, SyncChoice | undefined, SyncChoice | undefined][] = [
  ['is widened', { paths: ['a'] }, { paths: ['a', 'b'] }],
  ['is narrowed', { paths: ['a', 'b'] }, { paths: ['a'] }],
  ['becomes another', { paths: ['a'] }, { paths: ['b'], blobLimit: 1_000_000 }],
  ['becomes all', { paths: ['a'] }, undefined],
  ['is made of all', undefined, { paths: ['a'] }],
]

describe('a tab that syncs while another one changes the choice', () => {
  it.each(changes)('ends with all of what is chosen, where that %s', async (_, first, second) => {
    const tabs = await twoTabs(first)
    const { network, whole, one, other } = tabs
    const wire = before(tabs, async () => {
      await setChoice(other, second)
      await sync(other, network.options)
      for (const path of ['a/file', 'b/file']) await write(whole, path, `${LARGE} newer ${path}`)
      await sync(whole, network.options)
    })
    expect(states((await sync(one, wire)).branches)).toEqual({ main: 'pulled' })
    await sync(other, network.options)
    expect(await readChoice(one)).toEqual(second)
    expect(await wrongIn(tabs, second ?? {})).toEqual([])
    // What comes later rests on what is thought to be here.
    await write(whole, 'b/file', `${LARGE} newest`)
    await sync(whole, network.options)
    for (const tab of [one, other])
      expect(states((await sync(tab, network.options)).branches)).toHaveProperty('main')
    expect(await wrongIn(tabs, second ?? {})).toEqual([])
    expect(await read(one, 'b/file')).toBe(`${LARGE} newest`)
  })
})
