/**
 * Histories whose clocks ran backwards, written by Git, are cut at a date and at a ref where `git http-backend` cuts them.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { random, seed } from '../../packages/git/test/seed.ts'
import { httpBackend, type HttpBackend } from '../support/http-backend.ts'
import { startTestServer, temporaryFolder, type TestServer } from '../support/servers.ts'
import { git, tryGit } from '../support/stock-git.ts'

const COMMITS = 60
const FETCHES = 6
console.info(`skewed clocks: seed ${seed}, ${COMMITS} commits, ${FETCHES} fetches of each kind`)

const START = 1_600_000_000
const folder = temporaryFolder('skewed')
const root = join(folder.path, 'root')
const next = random(seed)
let ours: TestServer
let theirs: HttpBackend
let counter = 0

beforeAll(async () => {
  mkdirSync(root)
  await makeRepository('r.git', history())
  ours = await startTestServer('node', { data: root })
  theirs = await httpBackend(root)
})
afterAll(async () => {
  await ours.stop()
  await theirs.close()
  folder.remove()
})

/** Loose objects: nobody has counted generations, so that clocks alone give the order. */
async function makeRepository(name: string, input: string): Promise<void> {
  const path = join(root, name)
  await git(root, 'init', '--quiet', '--bare', '--initial-branch=b0', name)
  await git(path, 'config', 'fastimport.unpackLimit', '1000')
  execFileSync('git', ['-C', path, 'fast-import', '--quiet'], { input })
}

function below(limit: number): number {
  return Math.floor(next() * limit)
}

/** Three branches that merge each other, an hour between commits, and every fifth made half a day too early. */
function history(): string {
  const tips = new Map<string, number>()
  let lines = ''
  for (let i = 1; i <= COMMITS; i++) {
    const branch = `refs/heads/b${i === 1 ? 0 : below(3)}`
    const time = START + 3600 * i - (below(5) === 0 ? 43_200 : 0)
    const own = tips.get(branch) ?? tips.get('refs/heads/b0')
    const other = [...tips.values()][below(tips.size)]
    lines += `commit ${branch}\nmark :${i}\ncommitter Ada <ada@example.org> ${time} +0000\ndata 1\nc\n`
    if (own !== undefined) lines += `from :${own}\n`
    if (other !== undefined && other !== own && below(4) === 0) lines += `merge :${other}\n`
    lines += `M 100644 inline f${below(5)}\ndata ${String(i).length}\n${i}\n`
    if (i % 6 === 0) lines += `reset refs/tags/t${i}\nfrom :${i}\n\n`
    tips.set(branch, i)
  }
  return lines
}

const since = (): string => `--shallow-since=${START + 3600 * below(COMMITS - 14)}`
const exclude = (): string => `--shallow-exclude=t${6 * (1 + below(8))}`

/** Where a fetch with these options cuts, and what it brings. */
async function fetchThrough(url: string, options: readonly string[]) {
  const path = join(folder.path, `clone-${++counter}`)
  await git(folder.path, 'init', '--quiet', '--bare', path)
  const refs = '+refs/heads/*:refs/heads/*'
  const run = await tryGit(path, 'fetch', '--quiet', '--no-tags', ...options, url, refs)
  const shallow = join(path, 'shallow')
  return {
    isTaken: run.code === 0,
    shallow: existsSync(shallow) ? readFileSync(shallow, 'utf8').split('\n').toSorted() : [],
    objects: (await git(path, 'rev-list', '--objects', '--all')).split('\n').toSorted(),
  }
}

it.each([
  ['a date', () => [since()]],
  ['a ref', () => [exclude()]],
  ['a date and a ref', () => [since(), exclude()]],
])('are cut at %s as Git cuts them', async (_, choose) => {
  for (let i = 0; i < FETCHES; i++) {
    const options = choose()
    const cut = await fetchThrough(`${ours.url}/r.git`, options)
    expect(cut, options.join(' ')).toEqual(await fetchThrough(`${theirs.url}/r.git`, options))
  }
})
