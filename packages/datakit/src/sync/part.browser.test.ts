import { portableRuntime } from '@datakit/git/runtime/portable'
import { createApp } from '@datakit/server/app'
import { indexedDbDepot, openIndexedDbPlace } from '@datakit/storage/indexeddb'
import { memoryDepot, memoryPlace } from '@datakit/storage/memory'
import { expect, it } from 'vitest'
import { CARRIED, carryPart } from '../../test/carry-part.ts'
import { read, write } from '../../test/clients.ts'
import { requestOf } from '../../test/request.ts'
import { Repository } from '../repository.ts'
import { setChoice } from './choice.ts'
import { sync, type SyncOptions } from './sync.ts'

// Seen to fail when IndexedDB keeps no promises.
it('syncs a part into IndexedDB, works in it, and fetches the rest', async () => {
  const name = `part-${Date.now()}`
  const place = await openIndexedDbPlace(name)
  expect(await carryPart(portableRuntime, { place, depot: memoryDepot() })).toEqual(CARRIED)
  await place.close()
  indexedDB.deleteDatabase(name)
})

it('asks for the part that a page has chosen, whoever opens the database then, as a service worker does', async () => {
  const app = createApp({
    depot: memoryDepot(),
    runtime: portableRuntime,
    access: { kind: 'token', token: 'secret' },
    assets: () => new Response('', { status: 404 }),
  })
  const asked: string[] = []
  const options: SyncOptions = {
    url: 'http://127.0.0.1:8787/config.git',
    token: 'secret',
    fetch: async (url, init) => {
      const bytes = init.body as Uint8Array<ArrayBuffer>
      const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4)
      asked.push(new TextDecoder().decode(bytes.subarray(8, 8 + length)))
      return app.fetch(await requestOf(url, init))
    },
  }
  const ada = await Repository.open(memoryPlace(), { runtime: portableRuntime })
  await write(ada, 'a/one', '1')
  await write(ada, 'b/two', '2')
  await sync(ada, options)
  const name = `chosen-${Date.now()}`
  const open = async () =>
    Repository.open(await indexedDbDepot().open(name), { runtime: portableRuntime })
  const page = await open()
  await setChoice(page, { paths: ['a'] })
  await sync(page, options)
  await write(page, 'a/one', 'mine')
  await page.close()
  const worker = await open()
  await sync(worker, options)
  expect(asked.at(-1)).toContain('"choice":{"paths":["a"]}')
  worker.store.onDemand = undefined
  await expect(read(worker, 'b/two')).rejects.toMatchObject({ code: 'not-here' })
  await sync(ada, options)
  expect(await read(ada, 'a/one')).toBe('mine')
  await worker.close()
})
