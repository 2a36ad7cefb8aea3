/** `watchServer` in a page of a real Chromium, over a wire that is cut. */
import { build } from 'esbuild'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Page } from 'playwright'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { openDevice, type Device } from '../support/editor-page.ts'
import {
  SERVER_KINDS,
  startTestServer,
  temporaryFolder,
  type TestServer,
} from '../support/servers.ts'
import { git } from '../support/stock-git.ts'
import { openWire, type Wire } from '../support/wire.ts'

/** What the page keeps of a watch. */
interface Seen {
  readonly events: {
    kind: string
    id: string
    refs: { name: string; from?: string; to?: string }[]
  }[]
  readonly states: string[]
  /** How the watch ended; `undefined` while it goes on. */
  ended?: string
}

const folder = temporaryFolder('watch-page')
const token = 'open-sesame'
let device: Device
let elsewhere: Server
let origin: string

beforeAll(async () => {
  const { outputFiles } = await build({
    stdin: {
      contents: `import { watchServer } from '@datakit/datakit/watch-server'
        globalThis.start = (options) => {
          const seen = { events: [], states: [] }
          const controller = new AbortController()
          globalThis.seen = seen
          globalThis.stop = () => controller.abort(new Error('enough'))
          const run = async () => {
            const watch = watchServer({ ...options, signal: controller.signal, onState: ({ state }) => seen.states.push(state) })
            for await (const event of watch) seen.events.push(event)
          }
          run().then(() => (seen.ended = 'done'), (error) => (seen.ended = String(error)))
        }`,
      resolveDir: join(import.meta.dirname, '..'),
      loader: 'js',
    },
    bundle: true,
    format: 'iife',
    platform: 'browser',
    write: false,
  })
  const script = outputFiles[0]?.text ?? ''
  elsewhere = createServer((_, response) => {
    response.setHeader('content-type', 'text/html')
    response.end(`<!doctype html><title>elsewhere</title><script>${script}</script>`)
  }).listen(0, '127.0.0.1')
  await once(elsewhere, 'listening')
  origin = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`
  device = await openDevice()
})
afterAll(async () => {
  await device.close()
  elsewhere.close()
  folder.remove()
})

const seenBy = (page: Page): Promise<Seen> =>
  page.evaluate(() => Reflect.get(globalThis, 'seen') as Seen)

async function start(page: Page, options: object): Promise<void> {
  await page.goto(origin)
  await page.evaluate((given) => {
    const begin = Reflect.get(globalThis, 'start') as (options: object) => void
    begin(given)
  }, options)
}

// Seen to fail when: the id of the last event is not sent.
describe.each(SERVER_KINDS)('a page that watches the %s server', (kind) => {
  let server: TestServer
  let wire: Wire
  let work: string
  beforeAll(async () => {
    server = await startTestServer(kind, { token, cors: [origin] })
    wire = await openWire(server.url)
    work = join(folder.path, kind)
    await git(folder.path, 'init', '-q', '-b', 'main', work)
    const { host } = new URL(server.url)
    await git(work, 'remote', 'add', 'origin', `http://x:${token}@${host}/one.git`)
    await push()
  })
  afterAll(async () => {
    await wire.close()
    await server.stop()
  })

  async function push(): Promise<string> {
    await git(work, 'commit', '-q', '--allow-empty', '-m', 'Change')
    await git(work, 'push', '-q', 'origin', 'main')
    return git(work, 'rev-parse', 'HEAD')
  }

  it('hears of each change, misses none while it is cut off, and ends by its signal', async () => {
    const page = await device.context.newPage()
    const first = await git(work, 'rev-parse', 'HEAD')
    await start(page, { url: `${wire.url}/one.git`, token, refs: ['refs/heads/main'] })
    const wait = { timeout: 40_000, interval: 100 }
    await vi.waitUntil(async () => (await seenBy(page)).events.length === 1, wait)
    expect((await seenBy(page)).events[0]).toMatchObject({
      kind: 'snapshot',
      refs: [{ to: first }],
    })
    const second = await push()
    await vi.waitUntil(async () => (await seenBy(page)).events.length === 2, wait)

    wire.cut()
    await vi.waitUntil(async () => (await seenBy(page)).states.includes('waiting'), wait)
    await push()
    const fourth = await push()
    wire.mend()
    await vi.waitUntil(async () => (await seenBy(page)).events.length === 3, wait)
    const { events, ended } = await seenBy(page)
    expect(ended).toBeUndefined()
    // What happened meanwhile is one change, told from where the watch was: no new snapshot, no gap.
    expect(events.map(({ kind: what, refs: [ref] }) => [what, ref?.from, ref?.to])).toEqual([
      ['snapshot', undefined, first],
      ['change', first, second],
      ['change', second, fourth],
    ])

    await device.context.setOffline(true)
    await device.context.setOffline(false)
    const fifth = await push()
    await vi.waitUntil(async () => (await seenBy(page)).events.at(-1)?.refs[0]?.to === fifth, wait)
    await page.evaluate(() => (Reflect.get(globalThis, 'stop') as () => void)())
    await vi.waitUntil(async () => (await seenBy(page)).ended !== undefined, wait)
    expect((await seenBy(page)).ended).toBe('done')
    const [sent, count] = [wire.sent(), (await seenBy(page)).events.length]
    await push()
    await page.waitForTimeout(3000)
    expect(wire.sent()).toBe(sent)
    expect((await seenBy(page)).events).toHaveLength(count)
    await page.close()
    await vi.waitUntil(() => wire.open() === 0, wait)
  })

  it('is told in a typed error that its token is no good', async () => {
    const page = await device.context.newPage()
    await start(page, { url: `${wire.url}/one.git`, token: 'wrong' })
    await vi.waitUntil(async () => (await seenBy(page)).ended !== undefined)
    expect((await seenBy(page)).ended).toContain('Cannot watch')
    await page.close()
  })
})
