import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { httpBackend, type HttpBackend } from '../../../../test/support/http-backend.ts'
import { commitFile, exampleRepository, git, gitText, scratch } from '../../test/support/example.ts'
import { collect } from '../../test/support/hostile.ts'
import { streamOf } from '../byte-reader.ts'
import { parseOid, type Oid } from '../oid.ts'
import { Remote, type RemoteOptions, type RemoteProgress } from './remote.ts'

const { path: root, remove } = scratch()
const example = exampleRepository(root)
let backend: HttpBackend

beforeAll(async () => {
  backend = await httpBackend(root, { record: true })
})
afterAll(async () => {
  await backend.close()
  remove()
})

let count = 0

/** A bare copy of the example behind `git http-backend`. */
function served(): { path: string; url: string } {
  const name = `r${++count}.git`
  git(root, ['clone', '-q', '--bare', example, name])
  return { path: join(root, name), url: `${backend.url}/${name}` }
}

/** `fetch` of a client that knows no version 2: its server answers in version 0. */
const oldFetch: RemoteOptions['fetch'] = (url, request) => {
  const headers = new Headers(request.headers)
  headers.delete('git-protocol')
  return fetch(url, { ...request, headers })
}

const versions = [
  ['version 2', {}],
  ['version 0', { fetch: oldFetch }],
] as const

function resolve(path: string, name: string): Oid {
  return parseOid(gitText(path, ['rev-parse', name]))
}

/** A new repository into which Git takes the pack. */
function unpacked(pack: Uint8Array, flags: readonly string[] = []): string {
  const path = join(root, `u${++count}.git`)
  git(root, ['init', '-q', '--bare', path])
  if (flags.includes('--fix-thin')) git(example, ['push', '-q', path, 'main~1:refs/heads/base'])
  git(path, ['index-pack', '--stdin', '--strict', ...flags], { input: pack })
  return path
}

describe.each(versions)('against git http-backend in %s', (version, options) => {
  it('lists refs as Git does', async () => {
    const { path, url } = served()
    const refs = await new Remote(url, options).listRefs()
    const main = resolve(path, 'main')
    expect(refs).toEqual([
      { name: 'HEAD', oid: main, peeled: undefined, symref: 'refs/heads/main' },
      { name: 'refs/heads/main', oid: main, peeled: undefined, symref: undefined },
      { name: 'refs/tags/v1', oid: resolve(path, 'v1'), peeled: main, symref: undefined },
    ])
    const tags = await new Remote(`${url}/`, options).listRefs(['refs/tags/'])
    expect(tags.map(({ name }) => name)).toEqual(['refs/tags/v1'])
    expect(backend.requests.at(-1)?.protocol).toBe(
      version === 'version 2' ? 'version=2' : undefined,
    )
  })

  it('fetches everything, with progress', async () => {
    const { path, url } = served()
    const progress: RemoteProgress[] = []
    const remote = new Remote(url, { ...options, onProgress: (step) => progress.push(step) })
    const wants = (await remote.listRefs()).flatMap(({ oid }) => oid ?? [])
    const target = unpacked(await collect(remote.fetchPack({ wants, haves: [] })))
    git(target, ['update-ref', 'refs/tags/v1', resolve(path, 'v1')])
    expect(gitText(target, ['fsck', '--strict'])).toBe('')
    expect(
      progress.some((step) => step.kind === 'message' && step.message.includes('Counting objects')),
    ).toBe(true)
    expect(progress.some((step) => step.kind === 'received' && step.bytes > 100)).toBe(true)
  })

  it('fetches what is new since the haves, among them one that nobody knows', async () => {
    const { path, url } = served()
    const haves = [resolve(path, 'main~1'), parseOid('1'.repeat(40))]
    const wish = { wants: [resolve(path, 'main')], haves }
    const pack = await collect(new Remote(url, options).fetchPack(wish))
    expect(Buffer.from(pack).readUInt32BE(8)).toBe(3)
    const withTag = await collect(
      new Remote(url, options).fetchPack({ ...wish, includeTag: true, thin: true }),
    )
    const target = unpacked(withTag, ['--fix-thin'])
    expect(gitText(target, ['cat-file', '-t', resolve(path, 'v1')])).toBe('tag')
  })

  it('sees a repository in which there is nothing', async () => {
    git(root, ['init', '-q', '--bare', `empty-${version.at(-1)}.git`])
    const refs = await new Remote(`${backend.url}/empty-${version.at(-1)}.git`, options).listRefs()
    const unborn = { name: 'HEAD', oid: undefined, peeled: undefined, symref: 'refs/heads/main' }
    expect(refs).toEqual(version === 'version 2' ? [unborn] : [])
  })

  it('passes on what the server says of a want that is not its own', async () => {
    const { url } = served()
    const wish = { wants: [parseOid('1'.repeat(40))], haves: [] }
    await expect(collect(new Remote(url, options).fetchPack(wish))).rejects.toThrow(
      /The other side says: upload-pack: not our ref 1{40}/,
    )
  })

  it('never takes a stream that broke off for a pack', async () => {
    const { path, url } = served()
    const wish = { wants: [resolve(path, 'main')], haves: [] }
    const whole = (await collect(new Remote(url, options).fetchPack(wish))).length
    for (const limit of [0, 3, 20, 100, whole, whole + 10]) {
      const cut: RemoteOptions['fetch'] = async (to, request) => {
        const response = await (version === 'version 2' ? fetch : oldFetch)(to, request)
        if (request.method !== 'POST') return response
        const bytes = new Uint8Array(await response.arrayBuffer())
        return new Response(bytes.slice(0, limit), { headers: response.headers })
      }
      await expect(
        collect(new Remote(url, { fetch: cut }).fetchPack(wish)),
        `cut at ${limit}`,
      ).rejects.toThrow('Cannot read')
    }
  })
})

describe('a push to git http-backend', () => {
  function packed(revisions: string): AsyncIterable<Uint8Array> {
    return streamOf(
      git(example, ['pack-objects', '--stdout', '--revs', '--thin', '-q'], {
        input: Buffer.from(`${revisions}\n`),
      }),
    )
  }

  it('makes, moves and deletes refs, and reports on each', async () => {
    const { path, url } = served()
    const remote = new Remote(url)
    const old = resolve(example, 'main')
    const tip = parseOid(commitFile(example, 'pushed', 'pushed\n', 20))
    const moved = await remote.push({
      updates: [
        { name: 'refs/heads/main', from: old, to: tip },
        { name: 'refs/heads/new', from: undefined, to: tip },
      ],
      pack: packed(`${tip}\n^${old}`),
      atomic: true,
    })
    expect(moved).toEqual({
      unpack: undefined,
      refs: [
        { name: 'refs/heads/main', problem: undefined },
        { name: 'refs/heads/new', problem: undefined },
      ],
    })
    expect(gitText(path, ['rev-parse', 'main', 'new'])).toBe(`${tip}\n${tip}`)
    expect(gitText(path, ['fsck', '--strict'])).toBe('')
    const deleted = await remote.push({
      updates: [{ name: 'refs/heads/new', from: tip, to: undefined }],
    })
    expect(deleted.refs).toEqual([{ name: 'refs/heads/new', problem: undefined }])
    git(example, ['reset', '-q', '--hard', old])
  })

  it('tells why a ref was not moved', async () => {
    const { path, url } = served()
    git(path, ['config', 'receive.denyDeletes', 'true'])
    const tip = resolve(path, 'main')
    const report = await new Remote(url).push({
      updates: [{ name: 'refs/heads/main', from: tip, to: undefined }],
    })
    expect(report.refs).toEqual([{ name: 'refs/heads/main', problem: 'deletion prohibited' }])
  })

  it('passes on what a hook says', async () => {
    const { path, url } = served()
    mkdirSync(join(path, 'hooks'), { recursive: true })
    writeFileSync(join(path, 'hooks/update'), '#!/bin/sh\necho "not on a Friday"\nexit 1\n', {
      mode: 0o755,
    })
    const said: string[] = []
    const remote = new Remote(url, {
      onProgress: (step) => step.kind === 'message' && said.push(step.message),
    })
    const tip = resolve(path, 'main')
    const report = await remote.push({
      updates: [{ name: 'refs/heads/other', from: undefined, to: tip }],
      pack: packed(''),
    })
    expect(report.refs).toEqual([{ name: 'refs/heads/other', problem: 'hook declined' }])
    expect(said.join('')).toContain('not on a Friday')
  })
})

describe('a server', () => {
  it('that wants a token gets it as the password', async () => {
    const { url } = served()
    const guarded = await httpBackend(root, { token: 'sésame' })
    const there = url.replace(backend.url, guarded.url)
    await expect(new Remote(there).listRefs()).rejects.toMatchObject({ code: 'unauthorised' })
    await expect(new Remote(there, { token: 'wrong' }).listRefs()).rejects.toThrow(
      'wants another token',
    )
    expect(await new Remote(there, { token: 'sésame' }).listRefs()).toHaveLength(3)
    await guarded.close()
  })

  it('that has no such repository says so', async () => {
    await expect(new Remote(`${backend.url}/nothing.git`).listRefs()).rejects.toMatchObject({
      code: 'no-repository',
    })
  })

  it('that is none is told apart from one that is away', async () => {
    const page: RemoteOptions['fetch'] = async () =>
      new Response('<h1>Welcome</h1>', { headers: { 'content-type': 'text/html' } })
    await expect(new Remote('http://portal', { fetch: page }).listRefs()).rejects.toMatchObject({
      code: 'unsupported',
    })
    const busy: RemoteOptions['fetch'] = async () => new Response('later', { status: 503 })
    await expect(new Remote('http://busy', { fetch: busy }).listRefs()).rejects.toThrow(
      'the server answers 503: later',
    )
    const away: RemoteOptions['fetch'] = async () => Promise.reject(new TypeError('fetch failed'))
    await expect(new Remote('http://away', { fetch: away }).listRefs()).rejects.toMatchObject({
      code: 'unavailable',
    })
  })

  // Seen to fail when the type is compared as a whole, and when the body of an error is read to its end.
  it('may stand behind a proxy that adds to its types, and one whose words have no end', async () => {
    const { path, url } = served()
    const adding: RemoteOptions['fetch'] = async (to, init) => {
      const response = await fetch(to, init)
      const type = `${response.headers.get('content-type')}; charset=utf-8`
      return new Response(response.body, { headers: { 'content-type': type } })
    }
    const wish = { wants: [resolve(path, 'main')], haves: [] }
    const remote = new Remote(url, { fetch: adding })
    expect((await collect(remote.fetchPack(wish))).length).toBeGreaterThan(100)
    let sent = 0
    const endless: RemoteOptions['fetch'] = async () => {
      const pull = (controller: ReadableStreamDefaultController): void => {
        sent += 16_384
        controller.enqueue(new Uint8Array(16_384).fill(0x61))
      }
      const headers = { 'content-type': 'text/plain' }
      return new Response(new ReadableStream({ pull }), { status: 500, headers })
    }
    await expect(new Remote(url, { fetch: endless }).listRefs()).rejects.toThrow('answers 500: aaa')
    expect(sent).toBeLessThan(200_000)
  })

  it('is not waited for when the caller has gone', async () => {
    const { url } = served()
    const reason = new Error('never mind')
    const signal = AbortSignal.abort(reason)
    await expect(new Remote(url, { signal }).listRefs()).rejects.toBe(reason)
  })

  it('is followed when it moves a repository', async () => {
    const { path, url } = served()
    const seen: string[] = []
    const moving: RemoteOptions['fetch'] = async (to, request) => {
      seen.push(to)
      const response = await fetch(to.replace('/old.git', new URL(url).pathname), request)
      if (!to.includes('/old.git/info/refs')) return response
      return Object.defineProperties(response, { redirected: { value: true } })
    }
    const remote = new Remote(`${backend.url}/old.git`, { fetch: moving })
    const wish = { wants: [resolve(path, 'main')], haves: [] }
    expect((await collect(remote.fetchPack(wish))).length).toBeGreaterThan(100)
    expect(seen.at(-1)).toBe(`${url}/git-upload-pack`)
  })
})
