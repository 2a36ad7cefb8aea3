/**
 * The server under Node where `git http-backend` stood before: the same names, the same headers, the same reflog.
 */
import { request } from 'node:http'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { httpBackend, type HttpBackend } from '../support/http-backend.ts'
import { startTestServer, temporaryFolder, type TestServer } from '../support/servers.ts'
import { git, refsOf, tryGit } from '../support/stock-git.ts'

const folder = temporaryFolder('alike')
const root = join(folder.path, 'root')
let ours: TestServer
let theirs: HttpBackend

beforeAll(async () => {
  mkdirSync(root)
  ours = await startTestServer('node', { data: root })
  theirs = await httpBackend(root)
  for (const name of ['tree', 'plain', 'with.git', 'pushed.git']) {
    const bare = name === 'tree' ? [] : ['--bare']
    await git(root, 'init', '--quiet', ...bare, '--initial-branch=main', name)
  }
  writeFileSync(join(root, 'tree', 'a.txt'), 'a\n')
  await git(join(root, 'tree'), 'add', 'a.txt')
  await git(join(root, 'tree'), 'commit', '--quiet', '-m', 'One')
  for (const name of ['plain', 'with.git'])
    await git(join(root, 'tree'), 'push', '--quiet', join(root, name), 'main')
  await git(join(root, 'pushed.git'), 'config', 'core.logAllRefUpdates', 'true')
})
afterAll(async () => {
  await ours.stop()
  await theirs.close()
  folder.remove()
})

/** Names and values of the headers of an answer, in their order, without those of the connection. */
function headersOf(url: string, body?: string): Promise<string[]> {
  const type = 'application/x-git-upload-pack-request'
  return new Promise((resolve, reject) => {
    const options = body === undefined ? {} : { method: 'POST', headers: { 'content-type': type } }
    const sent = request(url, options, (answer) => {
      answer.resume()
      const lines: string[] = []
      for (let at = 0; at < answer.rawHeaders.length; at += 2)
        lines.push(answer.rawHeaders.slice(at, at + 2).join(': '))
      const connection = /^(date|connection|transfer-encoding|content-length):/i
      resolve(lines.filter((line) => !connection.test(line)))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

it.each(['tree', 'tree/', 'tree/.git', 'plain', 'plain/', 'with', 'with.git', 'with.git/'])(
  'clones a repository by the name %s, as git http-backend does',
  async (name) => {
    for (const [i, url] of [theirs.url, ours.url].entries()) {
      const copy = join(folder.path, `${i}-${name.replaceAll('/', '-')}`)
      await git(folder.path, 'clone', '--quiet', `${url}/${name}`, copy)
      expect(await git(copy, 'rev-parse', 'HEAD')).toBe(
        await git(join(root, 'tree'), 'rev-parse', 'HEAD'),
      )
    }
  },
)

it('takes a push by a name without the ending, to the repository that is there', async () => {
  await git(join(root, 'tree'), 'push', '--quiet', `${ours.url}/plain`, 'main:by-name')
  expect(await git(join(root, 'plain'), 'rev-parse', 'by-name')).toBe(
    await git(join(root, 'tree'), 'rev-parse', 'main'),
  )
})

it('serves a repository that takes the place of another, in whichever form it comes', async () => {
  const forms = [['--bare', 'again.git'], ['--bare', 'again'], ['again'], ['--bare', 'again.git']]
  for (const [i, form] of forms.entries()) {
    await git(root, 'init', '--quiet', '--initial-branch=main', ...form)
    const path = join(root, form.at(-1) ?? '')
    const tree = join(folder.path, `again-${i}`)
    await git(folder.path, 'init', '--quiet', '--initial-branch=main', tree)
    await git(tree, 'commit', '--quiet', '--allow-empty', '-m', `Commit ${i}`)
    await git(tree, 'push', '--quiet', path, 'main:first')
    await git(tree, 'commit', '--quiet', '--allow-empty', '-m', `Another ${i}`)
    await git(tree, 'push', '--quiet', `${ours.url}/again.git`, 'main:second')
    expect(await refsOf(path)).toBe(
      await git(tree, 'ls-remote', '--heads', `${ours.url}/again`).then(spaced),
    )
    await git(path, 'fsck', '--strict')
    rmSync(path, { recursive: true })
    expect((await tryGit(tree, 'ls-remote', `${ours.url}/again.git`)).code).not.toBe(0)
  }
})

/** A list of refs, written as {@link refsOf} writes it. */
function spaced(listed: string): string {
  return listed.replaceAll('\t', ' ')
}

it('takes a push that builds on what may be fetched, though it is hidden from pushes', async () => {
  const tree = join(root, 'tree')
  await git(tree, 'push', '--quiet', join(root, 'plain'), 'main:refs/hidden/base')
  for (const ref of ['refs/heads', 'refs/hidden'])
    await git(join(root, 'plain'), 'config', '--add', 'receive.hideRefs', ref)
  const oid = await git(tree, 'commit-tree', '-m', 'Next', '-p', 'main', 'main^{tree}')
  const thin = ['-c', 'protocol.version=2', '-c', 'push.negotiate=true', 'push', '--quiet']
  await git(tree, ...thin, `${ours.url}/plain`, `${oid}:refs/tags/next`)
  await git(join(root, 'plain'), 'fsck', '--strict')
  expect(await git(join(root, 'plain'), 'rev-parse', 'next')).toBe(oid)
})

it('answers Git with the headers of git http-backend and no others', async () => {
  const advertisement = '/with.git/info/refs?service=git-upload-pack'
  // Node adds this one for the judge, which has no connections of its own.
  const theirsOf = async (...asked: readonly [string, string?]): Promise<string[]> =>
    (await headersOf(...asked)).filter((line) => !line.startsWith('Keep-Alive: '))
  expect(await headersOf(ours.url + advertisement)).toEqual(
    await theirsOf(theirs.url + advertisement),
  )
  const oid = await git(join(root, 'with.git'), 'rev-parse', 'main')
  const body = `0032want ${oid}\n00000009done\n`
  const fetched = '/with.git/git-upload-pack'
  expect(await headersOf(ours.url + fetched, body)).toEqual(
    await theirsOf(theirs.url + fetched, body),
  )
})

it('still tells a browser what a page may do with it', async () => {
  const answer = await fetch(`${ours.url}/with.git/info/refs?service=git-upload-pack`, {
    headers: { 'sec-fetch-site': 'cross-site' },
  })
  await answer.arrayBuffer()
  expect(answer.headers.get('cross-origin-resource-policy')).toBe('same-origin')
})

it('writes who pushed into the reflog, as git http-backend does', async () => {
  const names: string[] = []
  for (const [i, url] of [theirs.url, ours.url].entries()) {
    const address = url.replace('//', '//ada:secret@')
    await git(join(root, 'tree'), 'push', '--quiet', `${address}/pushed.git`, `main:by-${i}`)
    names.push(
      await git(join(root, 'pushed.git'), 'log', '-g', '-1', '--format=%gn %ge', `by-${i}`),
    )
  }
  // The judge is told that everybody is Ada.
  expect(names).toEqual(['ada ada@http.127.0.0.1', 'anonymous anonymous@http.127.0.0.1'])
  expect((await tryGit(join(root, 'pushed.git'), 'fsck', '--strict')).code).toBe(0)
})

it.each(['0', '1', '2'])(
  'tells of symbolic refs as it does in protocol version %s',
  async (version) => {
    const path = join(root, `symbolic-${version}.git`)
    await git(root, 'clone', '--quiet', '--bare', join(root, 'tree'), path)
    await git(path, 'branch', 'other')
    await git(path, 'symbolic-ref', 'refs/heads/latest', 'refs/heads/other')
    await git(path, 'symbolic-ref', 'refs/heads/latest-of-all', 'refs/heads/latest')
    await git(path, 'symbolic-ref', 'refs/heads/nowhere', 'refs/heads/none')
    const listed = (url: string): Promise<string> =>
      git(
        root,
        '-c',
        `protocol.version=${version}`,
        'ls-remote',
        '--symref',
        `${url}/symbolic-${version}`,
      )
    expect(await listed(ours.url)).toBe(await listed(theirs.url))
    await git(path, 'symbolic-ref', 'HEAD', 'refs/heads/latest-of-all')
    expect(await listed(ours.url)).toBe(await listed(theirs.url))
  },
)

it('tells every hook who pushes, so that it may commit in his name', async () => {
  const hooks = ['pre-receive', 'update', 'post-receive', 'post-update', 'reference-transaction']
  const header = `http.extraHeader=Authorization: Basic ${btoa('ada:secret')}`
  const told: string[][] = []
  for (const [i, { url }] of [theirs, ours].entries()) {
    const directory = join(root, `hooked-${i}.git`)
    await git(root, 'init', '--quiet', '--bare', '--initial-branch=main', directory)
    for (const hook of hooks)
      writeFileSync(
        join(directory, 'hooks', hook),
        `#!/bin/sh\necho "${hook} $(git var GIT_COMMITTER_IDENT | sed 's/ [0-9]* [-+0-9]*$//')" >>told\n`,
        { mode: 0o755 },
      )
    const args = ['-c', header, 'push', '--quiet', `${url}/hooked-${i}.git`, 'main']
    await git(join(root, 'tree'), ...args)
    told.push([...new Set(readFileSync(join(directory, 'told'), 'utf8').trimEnd().split('\n'))])
  }
  expect(told[1]).toEqual(told[0])
  expect(told[1]?.toSorted()).toEqual(
    hooks.map((hook) => `${hook} ada <ada@http.127.0.0.1>`).toSorted(),
  )
})

it('moves what a symbolic ref stands for, as git http-backend does', async () => {
  const outcomes: string[] = []
  for (const [name, url] of [
    ['ours', ours.url],
    ['theirs', theirs.url],
  ]) {
    const path = join(root, `alias-${name}.git`)
    const work = join(folder.path, `alias-${name}`)
    await git(root, 'clone', '--quiet', '--bare', join(root, 'tree'), path)
    await git(path, 'config', 'http.receivepack', 'true')
    await git(path, 'symbolic-ref', 'refs/heads/master', 'refs/heads/main')
    await git(path, 'symbolic-ref', 'refs/heads/early', 'refs/heads/late')
    await git(folder.path, 'clone', '--quiet', path, work)
    const oids: string[] = []
    for (const date of ['1700000000 +0000', '1700000001 +0000', '1700000002 +0000']) {
      const dated = ['-c', 'user.useConfigOnly=false', 'commit', '--quiet', '--allow-empty']
      await git(work, ...dated, '-m', date, `--date=${date}`)
      oids.push(await git(work, 'rev-parse', 'HEAD'))
    }
    const push = async (...specs: readonly string[]): Promise<void> => {
      const { code, out } = await tryGit(
        work,
        'push',
        '--porcelain',
        `${url}/alias-${name}.git`,
        ...specs,
      )
      const lines = out.split('\n').filter((line) => line.includes('\t'))
      const marks = lines.map((line) => `${line[0]} ${line.split('\t')[1]?.split(':')[1]}`)
      const refs = (await refsOf(path)).split('\n').map((line) => {
        const place = oids.indexOf(line.slice(0, 40))
        return `${place} ${line.slice(41)}`
      })
      outcomes.push(JSON.stringify({ specs: specs.length, code, marks: marks.toSorted(), refs }))
    }
    await push('HEAD~2:master')
    await push('HEAD~1:master', 'HEAD~1:main')
    await push('HEAD:master', 'HEAD~2:main')
    await push('HEAD:early', 'HEAD:other')
    await git(path, 'fsck', '--strict')
  }
  expect(outcomes.slice(0, 4)).toEqual(outcomes.slice(4))
})
