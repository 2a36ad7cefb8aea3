/**
 * A client that was written from `docs/sync-protocol.md` alone: `fetch` for the wire, stock git for everything else, and nothing of ours.
 *
 * Seen to fail when a field of the page has another name, and when `from` is not compared.
 *
 * @module
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { execFile, execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startTestServer, temporaryFolder, type TestServer } from '../support/servers.ts'

interface Answer {
  readonly repository: string
  readonly version: string
  readonly head: { readonly ref?: string; readonly oid?: string }
  readonly refs?: readonly { readonly name: string; readonly oid: string }[]
  readonly updates: readonly {
    readonly name: string
    readonly outcome: string
    readonly reason?: string
    readonly current?: string
  }[]
}

interface Update {
  readonly name: string
  readonly from?: string | undefined
  readonly to?: string | undefined
}

const TYPE = 'application/x-datakit-sync'
const TOKEN = 'secret'

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** The page's body: magic, length, header, sections. */
function encode(header: object, section: Buffer = Buffer.alloc(0)): Buffer {
  const json = Buffer.from(JSON.stringify(header))
  return Buffer.concat([Buffer.from('DKS1'), u32(json.length), json, section])
}

/** A repository of stock git that speaks to the server. */
class PageClient {
  readonly directory: string
  readonly #url: string
  repository: string | undefined
  version: string | undefined

  constructor(directory: string, url: string) {
    this.directory = directory
    this.#url = url
    this.git(['init', '-q', '-b', 'main', directory], '', '.')
    this.git(['config', 'user.name', 'Ada'])
    this.git(['config', 'user.email', 'ada@example.org'])
  }

  git(args: readonly string[], input: string | Buffer = '', cwd = this.directory): Buffer {
    return execFileSync('git', args, { cwd, input, stdio: ['pipe', 'pipe', 'ignore'] })
  }

  oid(name: string): string | undefined {
    return this.git(['for-each-ref', '--format=%(objectname)', name]).toString().trim() || undefined
  }

  commit(path: string, content: string): string {
    execFileSync('sh', ['-c', 'mkdir -p "$(dirname "$1")" && cat > "$1"', 'sh', path], {
      cwd: this.directory,
      input: content,
    })
    this.git(['add', '-A'])
    this.git(['commit', '-q', '-m', `Write ${path}`])
    return this.oid('refs/heads/main') ?? ''
  }

  /** What the updates reach and the server's refs do not; thin against those. */
  pack(updates: readonly Update[]): Buffer {
    const wants = updates.flatMap(({ to }) => to ?? [])
    if (wants.length === 0) return Buffer.alloc(0)
    const revisions = [...wants, ...this.haves().map((oid) => `^${oid}`)].join('\n')
    return this.git(
      ['pack-objects', '-q', '--revs', '--thin', '--stdout', '--delta-base-offset'],
      `${revisions}\n`,
    )
  }

  haves(): string[] {
    const lines = this.git(['for-each-ref', '--format=%(objectname)', 'refs/remotes/origin/'])
      .toString()
      .trim()
    return [...new Set(lines === '' ? [] : lines.split('\n'))]
  }

  request(updates: readonly Update[], more: object = {}): Buffer {
    const pack = this.pack(updates)
    const header = {
      id: randomBytes(16).toString('hex'),
      repository: this.repository ?? (updates.length > 0 ? '' : undefined),
      known: { refs: this.version },
      haves: this.haves(),
      updates,
      log: { who: 'Ada <ada@example.org>', why: 'sync' },
      wantPack: true,
      pack: pack.length,
      ...more,
    }
    return encode(header, pack)
  }

  post(body: Buffer, headers: Record<string, string> = {}): Promise<Response> {
    const all = { 'content-type': TYPE, authorization: `Bearer ${TOKEN}`, ...headers }
    return fetch(`${this.#url}/sync`, { method: 'POST', body: new Uint8Array(body), headers: all })
  }

  /** Sends, takes the pack and moves the refs that mirror the server's. */
  async send(body: Buffer): Promise<Answer> {
    const response = await this.post(body)
    const bytes = Buffer.from(await response.arrayBuffer())
    if (response.headers.get('content-type') !== TYPE)
      throw new Error(`${response.status}: ${bytes.toString()}`)
    if (bytes.toString('latin1', 0, 4) !== 'DKS1') throw new Error('This is no answer of version 1')
    const end = 8 + bytes.readUInt32BE(4)
    const header = JSON.parse(bytes.toString('utf8', 8, end)) as Answer & {
      pack: number | 'chunked'
    }
    let at = end
    let pack = Buffer.alloc(0)
    if (header.pack === 'chunked')
      for (let size = bytes.readUInt32BE(at); ; size = bytes.readUInt32BE(at)) {
        at += 4
        if (size === 0) break
        pack = Buffer.concat([pack, bytes.subarray(at, at + size)])
        at += size
      }
    else pack = bytes.subarray(at, at + header.pack)
    if (pack.length > 0) this.git(['index-pack', '--stdin', '--fix-thin', '--strict'], pack)
    for (const { name, oid } of header.refs ?? [])
      this.git(['update-ref', name.replace('refs/heads/', 'refs/remotes/origin/'), oid])
    this.repository = header.repository
    this.version = header.version
    return header
  }

  /** Sends main, if it is ahead. */
  push(): Promise<Answer> {
    const [from, to] = [this.oid('refs/remotes/origin/main'), this.oid('refs/heads/main')]
    return this.send(this.request(from === to ? [] : [{ name: 'refs/heads/main', from, to }]))
  }
}

const folder = temporaryFolder('page')
let server: TestServer
beforeAll(async () => {
  server = await startTestServer('node', { token: TOKEN })
})
afterAll(async () => {
  await server.stop()
  folder.remove()
})

function client(name: string, repository = 'config'): PageClient {
  return new PageClient(join(folder.path, name), `${server.url}/${repository}.git`)
}

describe('a client written from the page', () => {
  it('sends, takes, loses, merges and comes again, as stock git finds it', async () => {
    const [ada, grace] = [client('ada'), client('grace')]
    const first = ada.commit('config/a.json', '1\n')
    const body = ada.request([{ name: 'refs/heads/main', to: first }])
    const done = { name: 'refs/heads/main', outcome: 'done' }
    const told = await ada.send(body)
    expect(told).toMatchObject({ updates: [done], head: { ref: 'refs/heads/main' } })
    expect(await ada.send(body)).toMatchObject({ updates: [done], repository: told.repository })

    await grace.send(grace.request([]))
    grace.git(['reset', '-q', '--hard', 'refs/remotes/origin/main'])
    const hers = grace.commit('config/b.json', '2\n')
    expect((await grace.push()).updates).toMatchObject([done])
    expect((await grace.send(grace.request([]))).refs ?? []).toEqual([])

    ada.commit('config/c.json', '3\n')
    const lost = await ada.push()
    expect(lost.updates).toMatchObject([
      { name: 'refs/heads/main', outcome: 'lost', current: hers },
    ])
    ada.git(['merge', '-q', '--no-edit', 'refs/remotes/origin/main'])
    expect((await ada.push()).updates).toMatchObject([done])
    const clone = join(folder.path, 'clone')
    const url = `${server.url.replace('//', `//x:${TOKEN}@`)}/config.git`
    // The server is in this process: it must not wait for the clone.
    await promisify(execFile)('git', ['clone', '-q', url, clone])
    execFileSync('git', ['-C', clone, 'fsck', '--strict', '--full'], { stdio: 'pipe' })
    const head = execFileSync('git', ['-C', clone, 'rev-parse', 'HEAD']).toString().trim()
    expect(head).toBe(ada.oid('refs/heads/main'))
  })

  it('sends a pack whose length it does not know, and other branches beside one that is lost', async () => {
    const ada = client('chunks', 'chunks')
    const to = ada.commit('a', 'x'.repeat(5000))
    const pack = ada.pack([{ name: 'refs/heads/main', to }])
    const pieces: Buffer[] = []
    for (let at = 0; at < pack.length; at += 100) {
      const piece = pack.subarray(at, at + 100)
      pieces.push(u32(piece.length), piece)
    }
    const updates = [
      { name: 'refs/heads/main', to },
      { name: 'refs/heads/topic', from: to, to },
    ]
    const whole = ada.request(updates, { pack: 'chunked' })
    const header = whole.subarray(0, 8 + whole.readUInt32BE(4))
    const answer = await ada.send(Buffer.concat([header, ...pieces, u32(0)]))
    expect(answer.updates.map(({ outcome }) => outcome)).toEqual(['done', 'lost'])
  })

  // Every status of the page that a client can bring about by itself.
  it.each<readonly [number, string, (ada: PageClient) => Promise<Response>]>([
    [400, 'malformed', (ada) => ada.post(Buffer.from('DKS9\0\0\0\x02{}'))],
    [400, 'malformed', (ada) => ada.post(ada.request([]).subarray(0, 40))],
    [401, 'unauthorised', (ada) => ada.post(ada.request([]), { authorization: 'Bearer wrong' })],
    [409, 'repository-changed', (ada) => ada.post(ada.request([], { repository: 'f'.repeat(32) }))],
    [
      409,
      'repository-changed',
      (ada) => ada.post(ada.request([{ name: 'refs/heads/main', to: ada.commit('z', 'z') }])),
    ],
    [415, 'wrong-type', (ada) => ada.post(ada.request([]), { 'content-type': 'text/plain' })],
    [415, 'wrong-type', (ada) => ada.post(ada.request([]), { 'content-encoding': 'br' })],
  ])('is told %i %s', async (status, code, send) => {
    const first = client(`first-${randomBytes(4).toString('hex')}`, 'refusals')
    if (first.commit('a', '1') !== '') await first.push().catch(() => undefined)
    const response = await send(client(`other-${randomBytes(4).toString('hex')}`, 'refusals'))
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject({ error: { code, message: expect.any(String) } })
  })
})
