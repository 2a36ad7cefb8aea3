/**
 * More packs at once than fit into memory: those that do not fit are told to come again, and nothing is lost by it.
 */
import { utf8 } from '@datakit/git/bytes'
import { encodeSyncRequest, SYNC_TYPE } from '@datakit/git/protocol/sync'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { createApp } from '@datakit/server/app'
import { memoryDepot } from '@datakit/storage/memory'
import { expect, it } from 'vitest'

const type = 'application/x-git-receive-pack-request'

function push(body: BodyInit): Request {
  const init = {
    method: 'POST',
    headers: { 'content-type': type, authorization: 'Bearer secret' },
    body,
    // Node wants this said of a body that is a stream; the types of the DOM do not know it.
    duplex: 'half',
  }
  return new Request('http://127.0.0.1/config.git/git-receive-pack', init)
}

function sync(body: Uint8Array<ArrayBuffer>): Request {
  return new Request('http://127.0.0.1/config.git/sync', {
    method: 'POST',
    headers: { 'content-type': SYNC_TYPE, authorization: 'Bearer secret' },
    body,
  })
}

it('sends a push away while another one takes all the room, and nobody who brings no pack', async () => {
  const app = createApp({
    depot: memoryDepot(),
    runtime: nodeRuntime,
    access: { kind: 'token', token: 'secret' },
    assets: () => new Response('', { status: 404 }),
    limits: { receivingBytes: 1, receivingPatience: 30 },
  })
  const { promise, resolve } = Promise.withResolvers<void>()
  const slow = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await promise
      controller.enqueue(utf8('0000'))
      controller.close()
    },
  })
  const first = app.fetch(push(slow))
  const second = await app.fetch(push('0000'))
  expect(second.status).toBe(503)
  expect(second.headers.get('retry-after')).toBe('5')
  expect(await second.text()).toContain('Nothing was changed; try again in a moment')
  const pull = encodeSyncRequest({
    id: '0'.repeat(32),
    repository: undefined,
    known: undefined,
    haves: [],
    updates: [],
    head: undefined,
    log: { who: 'Ada <ada@example.org>', why: 'sync' },
    wantPack: true,
    pack: 0,
  })
  expect((await app.fetch(sync(pull))).status).toBe(200)
  resolve()
  expect((await first).status).toBe(200)
  expect((await app.fetch(push('0000'))).status).toBe(200)
})
