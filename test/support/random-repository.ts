/**
 * Random repositories: histories with branches, merges, tags of everything, odd modes and names, files that come back.
 * What follows from the same numbers is the same repository.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { git } from './stock-git.ts'

const NAMES = ['a', 'a.b', 'a-b', 'dir/a', 'dir/b', 'dir/deep/c', 'dir.x/a', 'ü/ß.txt', 'z z']
const BRANCHES = ['main', 'next', 'feature/one', 'feature/two']
const MODES = ['100644', '100755', '120000']

/** Makes a bare repository of about `commits` commits at `path`, packed as it comes. */
export async function makeRandomRepository(
  path: string,
  commits: number,
  random: () => number,
): Promise<void> {
  await git('.', 'init', '--quiet', '--bare', '--initial-branch=main', path)
  const child = spawn('git', ['-C', path, 'fast-import', '--quiet', '--force'], {
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  child.stdin.end(script(commits, random))
  const [code] = (await once(child, 'close')) as [number]
  if (code !== 0) throw new Error(`git fast-import ended with ${code}`)
  await tagEverything(path)
  // Loose objects, one pack, several packs: the places that a server may have to look at.
  const loose = await git(path, 'commit-tree', '-m', 'Loose', 'main^{tree}', '-p', 'main')
  await git(path, 'update-ref', 'refs/heads/loose', loose)
  if (random() < 0.5) await git(path, 'repack', '-q', '-a', '-d', '--depth=50')
  if (random() < 0.5) await git(path, 'pack-refs', '--all')
}

/** One commit after the other, each on a branch that is there or begins at another. */
function script(commits: number, random: () => number): string {
  const pick = <T>(from: readonly T[], otherwise: T): T =>
    from[Math.floor(random() * from.length)] ?? otherwise
  const begun = new Map<string, number>()
  const lines: string[] = []
  for (let mark = 1; mark <= commits; mark++) {
    const branch = mark === 1 ? 'main' : pick(BRANCHES, 'main')
    const head = begun.get(branch)
    const others = [...begun.values()].filter((one) => one !== head)
    lines.push(`commit refs/heads/${branch}`, `mark :${mark}`)
    lines.push(`committer Ada <ada@example.org> ${1_700_000_000 + mark * 60} +0100`)
    lines.push(...data(`Commit ${mark}\n`))
    // The first commit of a branch may also have no parent at all.
    const from = head ?? (random() < 0.8 ? pick(others, 0) : 0)
    if (from !== 0) lines.push(`from :${from}`)
    if (from !== 0 && random() < 0.25 && others.length > 0) {
      const merged = pick(others, 0)
      if (merged !== 0 && merged !== from) lines.push(`merge :${merged}`)
    }
    for (let i = 0; i < 1 + random() * 3; i++) lines.push(...change(random, pick))
    begun.set(branch, mark)
  }
  return `${lines.join('\n')}\n`
}

type Pick = <T>(from: readonly T[], otherwise: T) => T

function change(random: () => number, pick: Pick): string[] {
  const name = pick(NAMES, 'a')
  if (random() < 0.15) return [`D ${name}`]
  // Few contents, so that files come back, beside long ones that are worth a delta.
  const number = Math.floor(random() * 12)
  const body = random() < 0.3 ? longText(number, Math.floor(random() * 40)) : `${number}\n`
  return [`M ${pick(MODES, '100644')} inline ${name}`, ...data(body)]
}

function longText(number: number, changed: number): string {
  return Array.from({ length: 200 }, (_, i) =>
    i === changed ? `changed ${number}\n` : `line ${i} of ${number % 3}\n`,
  ).join('')
}

function data(text: string): string[] {
  return [`data ${Buffer.byteLength(text)}`, text]
}

/** Tags of a commit, a tree, a blob and a tag, annotated and not. */
async function tagEverything(path: string): Promise<void> {
  await git(path, 'tag', 'light', 'main')
  await git(path, 'tag', '-a', '-m', 'Of a commit', 'annotated', 'main')
  await git(path, 'tag', '-a', '-m', 'Of a tag', 'nested', 'annotated')
  await git(path, 'tag', 'tree', 'main^{tree}')
  await git(path, 'tag', '-a', '-m', 'Of a tree', 'of-tree', 'main^{tree}')
}
