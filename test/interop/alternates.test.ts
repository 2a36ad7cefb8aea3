/**
 * Repositories that borrow objects from others: what is served out of them, what those who push are told of the lenders, and
 * what a push may build on. Beside what `git http-backend` says of the same directories.
 */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { httpBackend, type HttpBackend } from '../support/http-backend.ts'
import { startTestServer, temporaryFolder, type TestServer } from '../support/servers.ts'
import { git, objectsOf, tryGit } from '../support/stock-git.ts'

const folder = temporaryFolder('alternates')
const root = temporaryFolder('alternates-root')
const work = join(folder.path, 'work')
let ours: TestServer
let theirs: HttpBackend
let counter = 0

const at = (name: string): string => join(root.path, `${name}.git`)
const fresh = (): string => join(folder.path, `copy-${++counter}`)

async function commitTo(name: string, branch: string, parent = 'main'): Promise<string> {
  const args = ['-m', `${branch} of ${name}`, '-p', parent, `${parent}^{tree}`]
  const oid = await git(at(name), 'commit-tree', ...args)
  await git(at(name), 'update-ref', `refs/heads/${branch}`, oid)
  return oid
}

/** A repository that borrows everything from another, but for a commit of its own. */
async function borrow(lender: string, name: string, line = `${at(lender)}/objects`): Promise<void> {
  await git(root.path, 'clone', '--quiet', '--bare', '--shared', at(lender), at(name))
  writeFileSync(join(at(name), 'objects/info/alternates'), `${line}\n`)
  await git(at(name), 'config', 'http.receivepack', 'true')
  await commitTo(name, `only-${name}`)
}

beforeAll(async () => {
  ours = await startTestServer('node', { data: root.path })
  theirs = await httpBackend(root.path)
  await git(folder.path, 'init', '--quiet', '-b', 'main', work)
  for (const content of ['one', 'two']) {
    writeFileSync(join(work, 'file.txt'), content)
    await git(work, 'add', 'file.txt')
    await git(work, 'commit', '--quiet', '-m', content)
  }
  await git(root.path, 'clone', '--quiet', '--bare', work, at('lender'))
  await borrow('lender', 'middle')
  await borrow('middle', 'last')
  await commitTo('lender', 'later')
})
afterAll(async () => {
  await ours.stop()
  await theirs.close()
  folder.remove()
  root.remove()
})

/** The lines of what is told to those who push, capabilities left out, sorted. */
async function toldToPush(url: string, name: string): Promise<string[]> {
  const answer = await fetch(`${url}/${name}.git/info/refs?service=git-receive-pack`)
  const lines = (await answer.text()).matchAll(/([0-9a-f]{40}) ([^\0\n]+)/g)
  return [...lines].map(([, oid, ref]) => `${oid} ${ref}`).toSorted()
}

describe('what is borrowed', () => {
  it.each([
    ['over two steps', 'last', undefined],
    ['by a relative path', 'relative', '../../lender.git/objects'],
    ['beside something that is gone', 'beside', `/nonexistent/objects\n${at('lender')}/objects`],
    ['in a circle', 'circle', `${at('circle')}/objects\n${at('lender')}/objects`],
  ])('is served %s', async (_, name, line) => {
    if (line !== undefined) await borrow('lender', name, line)
    for (const version of ['0', '2']) {
      const copies = [fresh(), fresh()]
      for (const [i, url] of [ours.url, theirs.url].entries())
        await git(
          '.',
          '-c',
          `protocol.version=${version}`,
          'clone',
          '-q',
          '--mirror',
          `${url}/${name}`,
          copies[i] ?? '',
        )
      const [one = '', two = ''] = copies
      expect(await objectsOf(one)).toBe(await objectsOf(two))
      await git(one, 'fsck', '--strict')
    }
  })

  it.each(['0', '2'])(
    'is missed plainly in protocol %s where the lender is gone',
    async (version) => {
      await borrow('lender', `broken-${version}`)
      writeFileSync(
        join(at(`broken-${version}`), 'objects/info/alternates'),
        '/nonexistent/objects\n',
      )
      const url = `${ours.url}/broken-${version}`
      const { code, err } = await tryGit(
        '.',
        '-c',
        `protocol.version=${version}`,
        'clone',
        url,
        fresh(),
      )
      expect(code).not.toBe(0)
      expect(err).toMatch(/remote: Cannot read an object: "[0-9a-f]{40}" is not there/)
    },
  )
})

describe('the refs of a lender', () => {
  it('are told to those who push, as git http-backend does', async () => {
    for (const name of ['middle', 'last']) {
      const told = await toldToPush(ours.url, name)
      expect(told.some((line) => line.endsWith(' .have'))).toBe(true)
      expect(told).toEqual(await toldToPush(theirs.url, name))
    }
    await git(
      at('last'),
      'config',
      'core.alternateRefsPrefixes',
      'refs/heads/lat refs/heads/only-middle',
    )
    expect(await toldToPush(ours.url, 'last')).toEqual(await toldToPush(theirs.url, 'last'))
    await git(at('last'), 'config', '--unset', 'core.alternateRefsPrefixes')
  })

  it('are no refs to those who fetch', async () => {
    const later = await git(at('lender'), 'rev-parse', 'later')
    expect(await git('.', 'ls-remote', `${ours.url}/last`)).not.toContain(later)
    const { code } = await tryGit(work, 'fetch', '-q', `${ours.url}/last`, later)
    expect(code).not.toBe(0)
  })

  it('are what a push may build on, as long as they are there', async () => {
    const base = await commitTo('lender', 'base', 'later')
    await git(work, 'fetch', '--quiet', at('lender'), 'base')
    const top = await git(work, 'commit-tree', '-p', base, '-m', 'on top', `${base}^{tree}`)
    const spec = (name: string): string => `${top}:refs/heads/${name}`
    await git(work, 'push', '--quiet', `${ours.url}/last`, spec('built'))
    expect(await git(at('last'), 'rev-parse', 'built~1')).toBe(base)
    await git(at('last'), 'fsck', '--strict')
    // A client that was told of a ref, which is deleted then, before it pushes.
    const pack = packOf(top, base)
    await git(at('lender'), 'update-ref', '-d', 'refs/heads/base')
    await git(at('last'), 'update-ref', '-d', 'refs/heads/built')
    expect(await pushRaw(top, pack)).toContain('missing necessary objects')
  })
})

/** A pack with what one commit has and another does not. */
function packOf(top: string, base: string): Uint8Array {
  const input = `${top}\n^${base}\n`
  return execFileSync('git', ['-C', work, 'pack-objects', '-q', '--revs', '--stdout'], { input })
}

async function pushRaw(oid: string, pack: Uint8Array): Promise<string> {
  const line = `${'0'.repeat(40)} ${oid} refs/heads/raw\0 report-status`
  const head = `${(line.length + 4).toString(16).padStart(4, '0')}${line}0000`
  const answer = await fetch(`${ours.url}/last.git/git-receive-pack`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-git-receive-pack-request' },
    body: Buffer.concat([Buffer.from(head), pack]),
  })
  return answer.text()
}
