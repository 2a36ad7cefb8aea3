import { execFile } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { afterAll, describe, expect, it } from 'vitest'

import { memoryPlace } from '../../../storage/src/memory.ts'
import { commitFile, exampleRepository, git, gitText, scratch } from '../../test/support/example.ts'
import { bytesOf, collect, latin1, readerOf, pieces } from '../../test/support/hostile.ts'
import { load, refsOf } from '../../test/support/load.ts'
import { uploadPackServer, type UploadPackServer } from '../../test/support/upload-pack-server.ts'
import { streamOf } from '../byte-reader.ts'
import { Objects } from '../objects.ts'
import { parseOid } from '../oid.ts'
import { inPieces } from '../pack-pieces.ts'
import type { Place } from '../place.ts'
import { encodeCommand } from '../protocol/command.ts'
import { encodeFetch } from '../protocol/fetch.ts'
import { encodeFetchV0, readAcknowledgment } from '../protocol/fetch-v0.ts'
import { nodeRuntime } from '../runtime/node.ts'
import { OPEN_FETCH, type FetchPolicy } from './fetch-policy.ts'
import { uploadPack } from './upload-pack.ts'

const { path: root, remove } = scratch()
const servers: UploadPackServer[] = []
afterAll(async () => {
  for (const server of servers) await server.close()
  remove()
})

/** Git as a client, while our server runs in this process. */
async function client(cwd: string, args: readonly string[], version: number): Promise<string> {
  const flags = [
    '-c',
    `protocol.version=${version}`,
    '-c',
    'user.name=Ada',
    '-c',
    'user.email=ada@example.org',
  ]
  const env = {
    ...process.env,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    LC_ALL: 'C',
  }
  const { stdout, stderr } = await promisify(execFile)('git', [...flags, ...args], { cwd, env })
  return (stdout + stderr).trim()
}

async function serve(place: Place): Promise<string> {
  const server = await uploadPackServer(place)
  servers.push(server)
  return server.url
}

async function served(): Promise<{ place: Place; path: string; url: string }> {
  const path = exampleRepository(root)
  const place = memoryPlace()
  await load(place, path)
  return { place, path, url: await serve(place) }
}

function folder(): string {
  return join(mkdtempSync(join(root, 'clone-')), 'r')
}

describe.each([0, 1, 2])('a stock client of version %i', (version) => {
  it('clones: the same refs, the same trees, and nothing to complain about', async () => {
    const { path, url } = await served()
    const clone = folder()
    await client(root, ['clone', '-q', url, clone], version)
    expect(gitText(clone, ['fsck', '--strict'])).toBe('')
    expect(gitText(clone, ['rev-parse', 'origin/main', 'v1', 'HEAD^{tree}', 'origin/HEAD'])).toBe(
      gitText(path, ['rev-parse', 'main', 'v1', 'HEAD^{tree}', 'HEAD']),
    )
    expect(gitText(clone, ['symbolic-ref', 'HEAD'])).toBe('refs/heads/main')
  })

  it('clones with progress, and by other ways', async () => {
    const { path, url } = await served()
    git(path, ['checkout', '-q', '-b', 'side'])
    commitFile(path, 'side', 'side\n', 9)
    const { place } = await servedAgain(path)
    const again = await serve(place)
    const said = await client(root, ['clone', '--progress', '--bare', again, folder()], version)
    expect(said).toContain('remote: Sending 13 objects')
    const mirror = folder()
    await client(root, ['clone', '-q', '--mirror', again, mirror], version)
    expect(refsOf(mirror)).toEqual(refsOf(path))
    const single = folder()
    await client(
      root,
      ['clone', '-q', '--single-branch', '--branch', 'main', '--no-tags', again, single],
      version,
    )
    expect([...refsOf(single).keys()]).toEqual(['refs/heads/main', 'refs/remotes/origin/main'])
    expect(gitText(single, ['fsck', '--strict', '--no-dangling'])).toBe('')
    expect(await client(root, ['ls-remote', '--symref', url, 'HEAD'], version)).toContain(
      'ref: refs/heads/main\tHEAD',
    )
  })

  it('fetches what is new, and the tags that belong to it', async () => {
    const { place, path, url } = await served()
    const clone = folder()
    await client(root, ['clone', '-q', url, clone], version)
    commitFile(path, 'file-4', 'new\n', 10)
    commitFile(path, 'file-1', 'changed\n', 11)
    git(path, ['tag', '-a', 'v2', '-m', 'second'])
    await load(place, path, ['--thin'])
    await client(clone, ['fetch', '-q'], version)
    expect(gitText(clone, ['rev-parse', 'origin/main', 'v2'])).toBe(
      gitText(path, ['rev-parse', 'main', 'v2']),
    )
    expect(gitText(clone, ['fsck', '--strict', '--no-dangling'])).toBe('')
    expect(await client(clone, ['fetch'], version)).toBe('')
  })

  it('fetches although it has commits of its own, more than one round of them', async () => {
    const { place, path, url } = await served()
    const clone = folder()
    await client(root, ['clone', '-q', url, clone], version)
    const script = Array.from({ length: 300 }, (_, i) => {
      const from = i === 0 ? 'from refs/remotes/origin/main\n' : ''
      return `commit refs/heads/own\ncommitter Ada <ada@example.org> ${1_800_000_000 + i} +0000\ndata 1\nx${from === '' ? '' : '\n'}${from}`
    })
    git(clone, ['fast-import', '--quiet'], { input: Buffer.from(script.join('\n') + '\n') })
    commitFile(path, 'theirs', 'theirs\n', 12)
    await load(place, path)
    await client(clone, ['fetch', '-q'], version)
    expect(gitText(clone, ['rev-parse', 'origin/main'])).toBe(gitText(path, ['rev-parse', 'main']))
    expect(gitText(clone, ['fsck', '--strict', '--no-dangling'])).toBe('')
  })

  it('fetches an unrelated history', async () => {
    const { url, path } = await served()
    const other = folder()
    git(root, ['init', '-q', other])
    commitFile(other, 'other', 'other\n', 1)
    await client(other, ['fetch', '-q', url, 'refs/heads/*:refs/remotes/them/*'], version)
    expect(gitText(other, ['rev-parse', 'them/main'])).toBe(gitText(path, ['rev-parse', 'main']))
    expect(gitText(other, ['fsck', '--strict'])).toBe('')
  })

  it('clones a repository in which there is nothing', async () => {
    const url = await serve(memoryPlace())
    const clone = folder()
    const said = await client(root, ['clone', url, clone], version)
    expect(said).toContain('You appear to have cloned an empty repository')
    if (version === 2) expect(gitText(clone, ['symbolic-ref', 'HEAD'])).toBe('refs/heads/main')
  })

  it('is told in words what it cannot have', async () => {
    const { path, url } = await served()
    const stranger = '1'.repeat(40)
    await expect(client(path, ['fetch', url, stranger], version)).rejects.toThrow(
      `upload-pack: not our ref ${stranger}`,
    )
  })

  it('fetches a commit by name as long as a ref leads to it', async () => {
    const { path, place, url } = await served()
    const clone = folder()
    git(root, ['init', '-q', clone])
    const old = gitText(path, ['rev-parse', 'main~1'])
    await client(clone, ['fetch', '-q', url, old], version)
    expect(gitText(clone, ['rev-parse', 'FETCH_HEAD'])).toBe(old)
    const forced = gitText(path, ['rev-parse', 'main'])
    git(path, ['tag', '-d', 'v1'])
    git(path, ['reset', '-q', '--hard', 'main~1'])
    await load(place, path)
    const other = folder()
    git(root, ['init', '-q', other])
    await expect(client(other, ['fetch', '-q', url, forced], version)).rejects.toThrow(
      `not our ref ${forced}`,
    )
  })
})

async function servedAgain(path: string): Promise<{ place: Place }> {
  const place = memoryPlace()
  await load(place, path)
  return { place }
}

describe('a request by hand', () => {
  async function ask(bytes: Uint8Array, version: 0 | 2, size = bytes.length): Promise<Uint8Array> {
    const { place } = await served()
    const objects = await Objects.open(place, nodeRuntime)
    return collect(uploadPack(objects, pieces(bytes, size), { version }))
  }

  const stranger = parseOid('1'.repeat(40))

  it('may come one byte at a time, or compressed to nothing', async () => {
    const request = encodeFetch({
      wants: [stranger],
      haves: [],
      done: true,
      thinPack: false,
      quiet: false,
      includeTag: false,
      ofsDelta: true,
      waitForDone: false,
    })
    expect(latin1(await ask(request, 2, 1))).toBe(`004aERR upload-pack: not our ref ${stranger}\n`)
    expect(latin1(await ask(new Uint8Array(), 2))).toBe('')
    expect(latin1(await ask(new Uint8Array(), 0))).toBe('')
  })

  it('is answered with the reason when it is cut short or none', async () => {
    expect(latin1(await ask(Buffer.from('0012command=fetch\n'), 2))).toContain('ERR Cannot read a ')
    expect(latin1(await ask(Buffer.from('GET / HTTP/1.1'), 2))).toContain(
      'ERR Cannot read a packet',
    )
    expect(latin1(await ask(Buffer.from('0012command=steal\n0000'), 2))).toContain(
      '"steal" is not known here',
    )
    expect(latin1(await ask(Buffer.from('0008have'), 0))).toContain('ERR Cannot read a fetch')
  })

  it.each([
    [[], 'final'],
    [['multi_ack'], 'continue'],
    [['multi_ack_detailed'], 'common'],
  ])('of version 0 with %j is acknowledged as that asks', async (capabilities, how) => {
    const { place, path } = await served()
    const objects = await Objects.open(place, nodeRuntime)
    const [main, first] = ['main', 'main~2'].map((name) =>
      parseOid(gitText(path, ['rev-parse', name])),
    )
    if (main === undefined || first === undefined) throw new Error('Git names both')
    const request = encodeFetchV0({ wants: [main], capabilities, haves: [first], done: true })
    const reader = readerOf(await collect(uploadPack(objects, streamOf(request), { version: 0 })))
    expect(await readAcknowledgment(reader)).toEqual({ kind: 'ack', oid: first, how })
    if (how !== 'final') expect(await readAcknowledgment(reader)).toMatchObject({ how: 'final' })
    // Without a side-band the pack comes as it is.
    expect(latin1(await collect(reader.rest())).slice(0, 4)).toBe('PACK')
  })

  it('is broken off, not ended, when a pack vanishes', async () => {
    const { place, path } = await served()
    const burning = () => Promise.reject(new Error('the bucket is on fire'))
    const gone: Place = {
      ...place,
      readPack: burning,
      streamPack: () => inPieces(burning, 0, 1),
    }
    const objects = await Objects.open(gone, nodeRuntime)
    const main = parseOid(gitText(path, ['rev-parse', 'main']))
    const request = encodeFetchV0({
      wants: [main],
      capabilities: ['side-band-64k'],
      haves: [],
      done: true,
    })
    const sent: string[] = []
    const run = async (): Promise<void> => {
      for await (const piece of uploadPack(objects, streamOf(request), { version: 0 }))
        sent.push(latin1(piece))
    }
    await expect(run()).rejects.toThrow('the bucket is on fire')
    expect(sent.join('')).toContain('\x03the server failed')
    expect(sent.join('').endsWith('0000')).toBe(false)
  })

  /** What comes back for a command of version 2, with this policy. */
  async function command(
    name: string,
    args: readonly string[],
    policy: Partial<FetchPolicy> = {},
  ): Promise<{ said: string; path: string }> {
    const { place, path } = await served()
    const objects = await Objects.open(place, nodeRuntime)
    const resolved = args.map((arg) =>
      arg.replaceAll(/\{(.*?)\}/g, (_, name: string) => gitText(path, ['rev-parse', name])),
    )
    const options = { version: 2, policy: { ...OPEN_FETCH, ...policy } } as const
    const answer = uploadPack(objects, streamOf(encodeCommand(name, resolved)), options)
    return { said: latin1(await collect(answer)), path }
  }

  it('tells the size of what could be fetched, and of nothing else', async () => {
    const stranger = '1'.repeat(40)
    const args = ['size', 'oid {main:file-1}', `oid ${stranger}`]
    const { said, path } = await command('object-info', args)
    const [blob, size] = [
      gitText(path, ['rev-parse', 'main:file-1']),
      gitText(path, ['cat-file', '-s', 'main:file-1']),
    ]
    expect(said).toContain(`size\n`)
    expect(said).toContain(`${blob} ${size}\n`)
    expect(said).toContain(`${stranger} \n0000`)
    expect((await command('object-info', args, { objectInfo: false })).said).toContain(
      'ERR Cannot read a command: "object-info" is not known here',
    )
  })

  it('gives refs that are wanted by name, behind the cuts', async () => {
    const args = ['want-ref refs/heads/main', 'deepen 1', 'done']
    const { said, path } = await command('fetch', args)
    const main = gitText(path, ['rev-parse', 'main'])
    expect(said).toMatch(
      new RegExp(
        `^....shallow-info\n0034shallow ${main}0001....wanted-refs\n....${main} refs/heads/main\n0001....packfile\n`,
      ),
    )
    expect((await command('fetch', ['want-ref refs/heads/none', 'done'])).said).toContain(
      'ERR unknown ref refs/heads/none',
    )
    expect((await command('fetch', args, { refInWant: false })).said).toContain('is no argument')
  })

  it('puts the whole answer into a side-band, where that is allowed', async () => {
    const args = ['sideband-all', 'want {main}', 'have {main~1}']
    const { said } = await command('fetch', args, { sidebandAll: true })
    expect(said).toMatch(/^....\x01acknowledgments\n....\x01ACK .*\n....\x01ready\n0001/)
    expect(said).toContain('\x01packfile\n')
    expect((await command('fetch', args)).said).toContain('is no argument')
  })

  it('is answered without wants when it waits for done', async () => {
    const { said, path } = await command('fetch', ['wait-for-done', 'have {main~1}'])
    const have = gitText(path, ['rev-parse', 'main~1'])
    expect(said).toBe(`0014acknowledgments\n0031ACK ${have}\n0000`)
  })

  it.each([
    [['want {main}', 'deepen 1', 'deepen-since 1'], 'cannot be used together'],
    [['want {main}', 'deepen-not nowhere'], 'ambiguous deepen-not: nowhere'],
    [['want {main}', 'deepen-since 4000000000'], 'no commits selected for shallow requests'],
    [['want {main}', 'shallow {v1}'], 'invalid shallow object'],
    [['want {main}', 'filter sparse:oid=main:x'], "filter 'sparse:oid' not supported"],
    [['want {main}', 'filter blob:limit=x'], "invalid filter-spec 'blob:limit=x'"],
    [['want {main}', 'unwanted'], 'is no argument of fetch'],
  ])('is told what is wrong with %j', async (args, words) => {
    const { said } = await command('fetch', [...args, 'done'])
    expect(said).toMatch(/^....ERR /)
    expect(said).toContain(words)
  })

  it('names another object format than ours as the reason', async () => {
    const { place } = await served()
    const objects = await Objects.open(place, nodeRuntime)
    const request = bytesOf('0014command=ls-refs\n0018object-format=sha2560000')
    const said = latin1(await collect(uploadPack(objects, streamOf(request), { version: 2 })))
    expect(said).toContain('mismatched object format: server sha1; client sha256')
  })
})

describe('a repository that is shallow itself', () => {
  it.each([0, 2])('is cloned as far as it goes, in version %i', async (version) => {
    const path = exampleRepository(root)
    const place = memoryPlace()
    await load(place, path)
    const cut = parseOid(gitText(path, ['rev-parse', 'main~1']))
    const outcome = await place.update({
      id: '0'.repeat(32),
      refs: [],
      shallow: { add: [cut], remove: [] },
      log: { who: 'Ada <ada@example.org>', why: 'cut' },
    })
    expect(outcome.state).toBe('done')
    const url = await serve(place)
    const clone = folder()
    await client(root, ['clone', '-q', '--no-tags', url, clone], version)
    expect(gitText(clone, ['rev-list', '--count', 'HEAD'])).toBe('2')
    expect(gitText(clone, ['rev-parse', '--is-shallow-repository'])).toBe('true')
    expect(gitText(clone, ['fsck', '--strict', '--no-dangling'])).toBe('')
    await client(clone, ['fetch', '-q', '--depth', '1'], version)
    expect(gitText(clone, ['rev-list', '--count', 'HEAD'])).toBe('1')
    await client(clone, ['fetch', '-q', '--unshallow'], version)
    expect(gitText(clone, ['rev-list', '--count', 'HEAD'])).toBe('2')
  })
})
