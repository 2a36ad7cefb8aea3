/** What the tool makes of a server that answers in steps and is cut off. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { askServer } from './care.ts'

let server: Server | undefined

afterEach(() => {
  server?.close()
  server?.closeAllConnections()
})

interface Asked {
  readonly url: string
  readonly body: string
}

const finding = (about: string) => ({
  kind: 'finding',
  finding: { code: 'missing', severity: 'error', about, message: about, remedy: 'copy' },
})

/** A server that answers with these lines, one list for each request; without an end it is cut off. */
async function serve(answers: readonly (readonly object[])[]): Promise<[string, Asked[]]> {
  const asked: Asked[] = []
  server = createServer(async (request, response) => {
    let body = ''
    for await (const piece of request) body += String(piece)
    const lines = answers[asked.push({ url: request.url ?? '', body }) - 1] ?? []
    response.write(lines.map((line) => `${JSON.stringify(line)}\n`).join(''), () => {
      if (lines.some((line) => 'kind' in line && line.kind === 'end')) response.end()
      else response.destroy()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return [`http://127.0.0.1:${(server.address() as AddressInfo).port}/a.git`, asked]
}

async function hear(url: string, pack?: Uint8Array): Promise<unknown[]> {
  const said: unknown[] = []
  const { signal } = new AbortController()
  for await (const event of askServer(url, 'repair', { signal, pack })) said.push(event)
  return said
}

const end = { kind: 'end' }
const next = (cursor: string) => ({ kind: 'next', cursor })

it('goes from step to step, and sends its pack with the first', async () => {
  const [url, asked] = await serve([
    [finding('one'), next('a1'), end],
    [next('a2'), end],
    [finding('two'), end],
  ])
  expect(await hear(url, new Uint8Array([80]))).toEqual([finding('one'), finding('two')])
  expect(asked).toEqual([
    { url: '/a.git/repair', body: 'P' },
    { url: '/a.git/repair?cursor=a1', body: '' },
    { url: '/a.git/repair?cursor=a2', body: '' },
  ])
})

it('asks once more for a step that was cut off, and says what it found once', async () => {
  const [url, asked] = await serve([
    [finding('one'), next('a1'), end],
    [finding('two')],
    [finding('two'), next('a2')],
    [finding('two'), next('b2'), end],
    [end],
  ])
  expect(await hear(url)).toEqual([finding('one'), finding('two')])
  expect(asked.map((each) => each.url.split('=')[1])).toEqual([undefined, 'a1', 'a1', 'a1', 'b2'])
})

it('gives up when a step is cut off each time, with what it has heard', async () => {
  const [url, asked] = await serve(Array.from({ length: 9 }, () => [finding('one')]))
  await expect(hear(url)).rejects.toThrow('no whole answer came, so this is not all')
  expect(asked.length).toBe(5)
})
