/** Git directories that are broken on purpose, looked at beside `git fsck`, and repaired so that it finds nothing more. */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { randomHistory } from '../../../git/test/history.ts'
import { RealRepository } from '../../../git/test/real-git.ts'
import { cases, random } from '../../../git/test/seed.ts'
import { codes, gather } from '../../test/checking.ts'
import { checkGitDirectory } from './check.ts'
import { openGitDirectory } from './depot.ts'
import { openCopy, repairGitDirectory } from './repair.ts'

const repositories: RealRepository[] = []
afterEach(() => {
  for (const each of repositories.splice(0)) each.remove()
})

/** A repository with a history of some tags, merges and odd names, in one pack. */
function repository(seed = 7): RealRepository {
  const made = randomHistory({ files: 30, commits: 25, random: random(seed) })
  repositories.push(made)
  return made
}

/** Another directory with the same in it. */
function copyOf(original: RealRepository): RealRepository {
  const copy = new RealRepository()
  repositories.push(copy)
  rmSync(copy.folder, { recursive: true })
  cpSync(original.folder, copy.folder, { recursive: true })
  return copy
}

const check = (git: RealRepository) => gather(checkGitDirectory(git.folder))
const repair = (git: RealRepository) => gather(repairGitDirectory(git.folder))

function packFile(git: RealRepository, ending: string): string {
  const folder = join(git.folder, 'objects/pack')
  const name = readdirSync(folder).find((each) => each.endsWith(ending))
  return join(folder, name ?? 'none')
}

function spoil(path: string, at: (length: number) => number): void {
  const bytes = readFileSync(path)
  const i = at(bytes.length)
  bytes[i] = (bytes[i] ?? 0) ^ 0xff
  chmodSync(path, 0o644)
  writeFileSync(path, bytes)
}

function loosePath(git: RealRepository, oid: string): string {
  return join(git.folder, 'objects', oid.slice(0, 2), oid.slice(2))
}

/** Makes every object a file of its own. */
function unpack(git: RealRepository): void {
  const pack = packFile(git, '.pack')
  const bytes = readFileSync(pack)
  for (const ending of ['.pack', '.idx', '.rev'])
    rmSync(pack.replace('.pack', ending), { force: true })
  git.bytes(['unpack-objects', '-q'], bytes)
}

/** Every file and what is in it, of everything below a directory. */
function picture(folder: string): string {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()
  return names
    .map((name) => {
      const path = join(folder, name)
      const stat = statSync(path)
      return stat.isFile() ? `${name} ${stat.mtimeMs} ${stat.size}` : name
    })
    .join('\n')
}

it('finds nothing wrong where git finds nothing, and counts what git counts', async () => {
  const git = repository()
  const said = await check(git)
  expect(codes(said)).toEqual([])
  const all = git.run(['cat-file', '--batch-all-objects', '--batch-check']).split('\n')
  expect(said.counts?.objects).toBe(all.length)
  expect(said.counts?.unreachable).toBe(0)
  expect(git.try(['fsck', '--full', '--strict']).status).toBe(0)
})

it('changes nothing, not even in a repository that was never opened', async () => {
  const git = repository()
  git.run(['hash-object', '-w', '--stdin'], 'loose')
  const before = picture(git.folder)
  await check(git)
  expect(picture(git.folder)).toBe(before)
  expect(existsSync(join(git.folder, 'datakit'))).toBe(false)
})

it('counts what no ref leads to as git does', async () => {
  const git = repository()
  git.run(['update-ref', 'refs/heads/main', 'main~10'])
  for (const tag of git.run(['tag']).split('\n')) if (tag !== '') git.run(['tag', '-d', tag])
  git.run(['hash-object', '-w', '--stdin'], 'nobody names it')
  const unreachable = git.run(['fsck', '--unreachable', '--no-reflogs']).split('\n')
  const said = await check(git)
  expect(codes(said)).toEqual([])
  expect(said.counts?.unreachable).toBe(unreachable.filter((line) => line !== '').length)
})

it('stops when it is told to', async () => {
  const git = repository()
  const signal = AbortSignal.abort(new Error('enough'))
  await expect(gather(checkGitDirectory(git.folder, { signal }))).rejects.toThrow('enough')
})

it('names the problems of objects as git fsck does', async () => {
  const git = repository()
  const blob = git.run(['hash-object', '-w', '--stdin'], 'x')
  const entry = (mode: string, name: string) =>
    Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(blob, 'hex')])
  const odd = [
    git.write('tree', Buffer.concat([entry('100644', 'b'), entry('100644', 'a')])),
    git.write('tree', Buffer.concat([entry('100644', 'a'), entry('100644', 'a')])),
    git.write('tree', entry('100644', '.git')),
    git.write('tree', entry('0100644', 'zero')),
    git.write('commit', Buffer.from(`tree ${git.run(['mktree'], '')}\nauthor x\n\n`)),
  ]
  const theirs = new Set<string>()
  const { stderr, stdout } = git.try(['fsck', '--full'])
  for (const match of `${stderr}${stdout}`.matchAll(/in \w+ ([0-9a-f]{40}): (\w+)/g))
    theirs.add(`${match[1]} ${match[2]}`)
  const said = await check(git)
  const ours = said.findings.map(({ about, code }) => `${about} ${code}`)
  expect(theirs.size).toBeGreaterThanOrEqual(odd.length)
  expect(new Set(ours.filter((line) => odd.includes(line.slice(0, 40))))).toEqual(theirs)
})

it('finds each object that is missing, which git names too', async () => {
  const { seed } = cases(6)
  const next = random(seed)
  const git = repository(seed)
  unpack(git)
  const oids = git.run(['rev-list', '--objects', '--all']).split('\n')
  const gone = new Set<string>()
  while (gone.size < 6) gone.add((oids[Math.floor(next() * oids.length)] ?? '').slice(0, 40))
  for (const oid of gone) rmSync(loosePath(git, oid))
  const { stdout, stderr } = git.try(['fsck', '--full'])
  // What a ref points at itself, and is missing, has words of its own.
  const named = /(?:^missing \w+|invalid sha1 pointer) ([0-9a-f]{40})/gm
  const theirs = [...new Set([...`${stdout}\n${stderr}`.matchAll(named)].map(([, oid]) => oid))]
  const said = await check(git)
  const ours = said.findings.filter(({ code }) => code === 'missing').map(({ about }) => about)
  expect(ours.sort()).toEqual(theirs.sort())
  const { mended } = await repair(git)
  expect(mended).toEqual([])
})

it('takes what is missing from a copy, whatever it is', async () => {
  const { seed } = cases(20)
  const next = random(seed)
  const git = repository(seed)
  const copy = copyOf(git)
  unpack(git)
  const oids = git.run(['rev-list', '--objects', '--all']).split('\n')
  for (let i = 0; i < 20; i++) {
    const oid = (oids[Math.floor(next() * oids.length)] ?? '').slice(0, 40)
    rmSync(loosePath(git, oid), { force: true })
  }
  const { copy: source, close } = await openCopy(copy.folder)
  await gather(repairGitDirectory(git.folder, { copy: source }))
  await close()
  expect(codes(await check(git))).toEqual([])
  expect(git.try(['fsck', '--full', '--strict'])).toMatchObject({ status: 0 })
  expect(git.run(['rev-list', '--objects', '--all'])).toBe(
    copy.run(['rev-list', '--objects', '--all']),
  )
})

it('sets a damaged file aside once its object is elsewhere, and leaves it where it is not', async () => {
  const git = repository()
  const oid = git.run(['rev-parse', 'main^{tree}'])
  const whole = git.bytes(['cat-file', 'tree', oid])
  git.write('tree', whole)
  const alone = git.run(['hash-object', '-w', '--stdin'], 'nowhere else')
  for (const each of [oid, alone]) spoil(loosePath(git, each), (length) => length >> 1)
  expect(codes(await check(git))).toEqual(['loose'])
  await repair(git)
  expect(existsSync(loosePath(git, oid))).toBe(false)
  expect(existsSync(loosePath(git, alone))).toBe(true)
})

it.each([
  { title: 'a byte in the middle', at: (length: number) => length >> 1 },
  { title: 'a byte of the checksum at the end', at: (length: number) => length - 5 },
  { title: 'the header of the first object', at: () => 12 },
])('writes a pack anew that is damaged in $title', async ({ at }) => {
  const git = repository()
  const copy = copyOf(git)
  // Whoever has indexed a pack knows its objects when it is damaged later.
  await indexAll(git)
  spoil(packFile(git, '.pack'), at)
  expect(git.try(['fsck', '--full']).status).not.toBe(0)
  const said = await check(git)
  expect(codes(said)).toContain('pack')
  const before = await repair(git)
  const { copy: source, close } = await openCopy(copy.folder)
  await gather(repairGitDirectory(git.folder, { copy: source }))
  await close()
  expect(codes(await check(git))).toEqual([])
  expect(before.findings.every(({ remedy }) => remedy === 'copy')).toBe(true)
  // The damaged one goes when nobody can be in the middle of it.
  const place = await openGitDirectory(git.folder)
  await place.sweep({ grace: 0 })
  await place.close()
  expect(git.try(['fsck', '--full', '--strict'])).toMatchObject({ status: 0 })
  expect(git.run(['rev-list', '--objects', '--all'])).toBe(
    copy.run(['rev-list', '--objects', '--all']),
  )
})

async function indexAll(git: RealRepository): Promise<void> {
  const place = await openGitDirectory(git.folder)
  for (const { id } of (await place.read()).packs) await place.readIndex(id, 0, 1)
  await place.close()
}

it('makes indexes anew, ours and that of Git', async () => {
  const git = repository()
  await indexAll(git)
  const [name = ''] = readdirSync(join(git.folder, 'datakit/index'))
  spoil(join(git.folder, 'datakit/index', name), (length) => length - 60)
  spoil(packFile(git, '.idx'), (length) => length >> 1)
  expect(codes(await check(git))).toEqual(['idx', 'index'])
  expect(git.try(['fsck', '--full']).status).not.toBe(0)
  await repair(git)
  expect(codes(await check(git))).toEqual([])
  expect(git.try(['fsck', '--full', '--strict'])).toMatchObject({ status: 0 })
})

it('notices an index that is well formed and wrong', async () => {
  const [git, other] = [repository(7), repository(8)]
  await indexAll(git)
  await indexAll(other)
  const [name = ''] = readdirSync(join(git.folder, 'datakit/index'))
  const [wrong = ''] = readdirSync(join(other.folder, 'datakit/index'))
  cpSync(join(other.folder, 'datakit/index', wrong), join(git.folder, 'datakit/index', name))
  expect(codes(await check(git))).toContain('index')
  await repair(git)
  expect(codes(await check(git))).toEqual([])
})

it('tells of refs that are broken, and moves none', async () => {
  const git = repository()
  git.run(['update-ref', '--create-reflog', 'refs/heads/topic', 'main'])
  writeFileSync(join(git.folder, 'refs/heads/topic'), 'garbage\n')
  writeFileSync(join(git.folder, 'refs/heads/lost'), `${'1'.repeat(40)}\n`)
  const said = await check(git)
  expect(codes(said)).toEqual(['badRef', 'missing'])
  expect(said.findings[0]?.message).toContain(
    `git update-ref refs/heads/topic ${git.run(['rev-parse', 'main'])}`,
  )
  await repair(git)
  expect(readFileSync(join(git.folder, 'refs/heads/topic'), 'utf8')).toBe('garbage\n')
  expect(readFileSync(join(git.folder, 'refs/heads/lost'), 'utf8')).toBe(`${'1'.repeat(40)}\n`)
})

it('makes our own state anew, with every pack to be proved', async () => {
  const git = repository()
  await indexAll(git)
  writeFileSync(join(git.folder, 'datakit/state'), '{"format":1,')
  expect(codes(await check(git))).toEqual(['own-state'])
  await repair(git)
  const said = await check(git)
  expect(codes(said)).toEqual([])
  expect(said.findings.map(({ code }) => code)).toEqual(['unverified'])
})

it('refuses by name what is no repository of ours', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'datakit-'))
  execFileSync('git', ['init', '--quiet', '--bare', '--object-format=sha256', folder])
  await expect(gather(checkGitDirectory(folder))).rejects.toMatchObject({ code: 'unsupported' })
  rmSync(folder, { recursive: true })
})
