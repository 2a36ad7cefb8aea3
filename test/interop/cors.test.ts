/** Pages of other origins: let in where the operator names them, in a real browser, and nowhere else. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeCorpus } from '../support/corpus.ts'
import { openDevice, type Device } from '../support/editor-page.ts'
import {
  SERVER_KINDS,
  startTestServer,
  temporaryFolder,
  type TestServer,
} from '../support/servers.ts'
import { git } from '../support/stock-git.ts'

const folder = temporaryFolder('cors')
const corpus = join(folder.path, 'corpus.git')
const token = 'open-sesame'
let device: Device
let elsewhere: Server
let origin: string

beforeAll(async () => {
  await makeCorpus(corpus, { files: 5, commits: 2, layout: 'flat', seed: 3 })
  elsewhere = createServer((_, response) => {
    response.setHeader('content-type', 'text/html')
    response.end('<!doctype html><title>elsewhere</title>')
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

/** Asks for the refs, as isomorphic-git does, from a page of the other origin; the status, or what the browser says. */
async function askFromPage(url: string, headers: Record<string, string>): Promise<string> {
  const page = await device.context.newPage()
  await page.goto(origin)
  const answer = await page.evaluate(
    async ({ url, headers }) => {
      try {
        const refs = await fetch(`${url}/one.git/info/refs?service=git-upload-pack`, { headers })
        const push = await fetch(`${url}/one.git/git-receive-pack`, {
          method: 'POST',
          headers: { ...headers, 'content-type': 'application/x-git-receive-pack-request' },
          body: '0000',
        })
        const text = await refs.text()
        return `${refs.status} ${text.includes('version 2')} ${push.status}`
      } catch (error) {
        return String(error)
      }
    },
    { url, headers },
  )
  await page.close()
  return answer
}

describe.each(SERVER_KINDS)('the %s server', (kind) => {
  async function start(cors: readonly string[]): Promise<TestServer> {
    const server = await startTestServer(kind, { token, cors })
    const { host } = new URL(server.url)
    await git(corpus, 'push', '--quiet', `http://x:${token}@${host}/one.git`, 'main')
    return server
  }
  const headers = { authorization: `Bearer ${token}`, 'git-protocol': 'version=2' }

  it.each([
    ['named', () => [origin]],
    ['any', () => ['*']],
  ])('lets a page of an origin in that is %s', async (_, cors) => {
    const server = await start(cors())
    expect(await askFromPage(server.url, headers)).toBe('200 true 200')
    expect(await askFromPage(server.url, { ...headers, authorization: 'Bearer no' })).toBe(
      '401 false 401',
    )
    const preflight = await fetch(`${server.url}/one.git/git-upload-pack`, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type,git-protocol',
      },
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-methods')).toBe('POST')
    expect(preflight.headers.get('access-control-allow-headers')).toBe(
      'authorization,content-type,git-protocol',
    )
    await server.stop()
  })

  it.each([
    ['no origin is named', () => []],
    ['another one is', () => ['https://editor.example']],
  ])('keeps pages out where %s', async (_, cors) => {
    const server = await start(cors())
    expect(await askFromPage(server.url, headers)).toContain('Failed to fetch')
    await server.stop()
  })
})
