/**
 * Pitfalls that other servers of Git fell into and that no other suite here looks at, with stock Git against both servers; and
 * that each row of docs/pitfalls.md leads to a test that is there.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  SERVER_KINDS,
  startTestServer,
  temporaryFolder,
  type TestServer,
} from '../support/servers.ts'
import { git, refsOf, tryGit } from '../support/stock-git.ts'

const folder = temporaryFolder('pitfalls')
const source = join(folder.path, 'source')
let first = ''

beforeAll(async () => {
  await git(folder.path, 'init', '--quiet', '--initial-branch=main', source)
  await git(source, 'commit', '--quiet', '--allow-empty', '-m', 'First')
  first = await git(source, 'rev-parse', 'HEAD')
})
afterAll(() => folder.remove())

describe.each(SERVER_KINDS)('the %s server', (kind) => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer(kind)
  })
  afterAll(() => server.stop())

  /** A mirror of a repository, which Git finds nothing wrong with. */
  async function mirror(name: string): Promise<string> {
    const path = join(folder.path, `${kind}-${name}.git`)
    await git(folder.path, 'clone', '--quiet', '--mirror', `${server.url}/${name}.git`, path)
    await git(path, 'fsck', '--strict')
    return path
  }

  it('keeps refs apart that differ in case alone', async () => {
    const second = await git(source, 'commit-tree', '-m', 'Second', '-p', first, 'HEAD^{tree}')
    const refs = ['refs/heads/TOPIC/x', 'refs/heads/Topic', 'refs/heads/topic', 'refs/tags/topic']
    const push = refs.map((ref, i) => `${i % 2 === 0 ? first : second}:${ref}`)
    await git(source, 'push', '--quiet', `${server.url}/case.git`, ...push)
    const listed = refs.map((ref, i) => `${i % 2 === 0 ? first : second} ${ref}`)
    expect(await refsOf(await mirror('case'))).toBe(listed.join('\n'))
    await git(source, 'push', '--quiet', `${server.url}/case.git`, ':refs/heads/Topic')
    expect(await git(source, 'ls-remote', `${server.url}/case.git`, 'refs/heads/*')).toBe(
      `${first}\trefs/heads/TOPIC/x\n${first}\trefs/heads/topic`,
    )
  })

  it('keeps names that look like HTML, and shows none of them as HTML', async () => {
    const ref = `refs/heads/<img/src="x"onerror='alert(1)'>&amp;`
    await git(source, 'push', '--quiet', `${server.url}/html.git`, `${first}:${ref}`)
    expect(await refsOf(await mirror('html'))).toBe(`${first} ${ref}`)
    const refused = await tryGit(
      source,
      'push',
      `${server.url}/html.git`,
      `${first}:${ref}/<b>below</b>`,
    )
    expect(refused.err).toContain('<b>below</b>')
    for (const path of ['/<script>.git/info/refs', '/html.git/<b>x</b>', '/<b>.git/sync']) {
      for (const method of ['GET', 'POST']) {
        const answer = await fetch(server.url + encodeURI(path), { method })
        await answer.arrayBuffer()
        expect(answer.status).toBeGreaterThanOrEqual(400)
        expect(answer.headers.get('content-type')).toMatch(/^(text\/plain|application\/json)/)
        expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
      }
    }
  })

  it('takes a tree with a submodule, whose commit is nobody else but its own', async () => {
    const link = '1234567890123456789012345678901234567890'
    const tree = execFileSync('git', ['-C', source, 'mktree', '--missing'], {
      input: `160000 commit ${link}\tvendor\n`,
      encoding: 'utf8',
    }).trim()
    const commit = await git(source, 'commit-tree', '-m', 'Submodule', '-p', first, tree)
    await git(source, 'push', '--quiet', `${server.url}/links.git`, `${commit}:refs/heads/main`)
    const path = await mirror('links')
    expect(await git(path, 'ls-tree', 'main')).toBe(`160000 commit ${link}\tvendor`)
    const shallow = join(folder.path, `${kind}-shallow`)
    await git(folder.path, 'clone', '--quiet', '--depth=1', `${server.url}/links.git`, shallow)
    expect(await git(shallow, 'rev-parse', 'HEAD')).toBe(commit)
  })

  it.each(['0', '2'])('tells protocol %s of all refs where HEAD leads nowhere', async (version) => {
    const url = `${server.url}/unborn-${version}.git`
    await git(source, 'push', '--quiet', url, `${first}:refs/tags/v1`)
    const path = join(folder.path, `${kind}-unborn-${version}`)
    const run = ['-c', `protocol.version=${version}`, '-c', 'init.defaultBranch=other']
    await git(folder.path, ...run, 'clone', '--quiet', url, path)
    expect(await git(path, 'rev-parse', 'v1')).toBe(first)
    // Only the newer protocol has words for it.
    const head = version === '2' ? 'refs/heads/main' : 'refs/heads/other'
    expect(await git(path, 'symbolic-ref', 'HEAD')).toBe(head)
  })
})

it('has a test for each row of docs/pitfalls.md', () => {
  const root = join(import.meta.dirname, '..', '..')
  const page = readFileSync(join(root, 'docs', 'pitfalls.md'), 'utf8')
  const rows = page.split('\n').filter((line) => line.startsWith('| ') && line.includes('`'))
  expect(rows.length).toBeGreaterThan(25)
  for (const row of rows) {
    // A title belongs to the file that was named last.
    const tests = [...row.matchAll(/(?:`([^`]+\.ts)`, )?"([^"]+)"/g)]
    expect([row, tests.length > 0]).toEqual([row, true])
    let path = ''
    for (const [, file, title = ''] of tests) {
      if (file !== undefined) path = join(root, file)
      expect([path, existsSync(path)]).toEqual([path, true])
      expect([title, readFileSync(path, 'utf8').includes(title)]).toEqual([title, true])
    }
  }
})
