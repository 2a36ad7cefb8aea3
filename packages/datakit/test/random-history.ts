/**
 * Random histories for stock Git: small trees full of names that get in each other's way, branches that merge each other.
 *
 * @module
 */

/** A file as `git fast-import` takes it. */
export interface ScriptFile {
  readonly mode: string
  readonly content: string
}

/** Files by path. */
export type Files = ReadonlyMap<string, ScriptFile>

/** Numbers that look random and come again with the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** The seed of this run: of the environment, or of the clock; printed by who uses it. */
export function chooseSeed(): number {
  return Number(process.env['SEED'] ?? Date.now() % 1_000_000_007)
}

const PATHS = [
  'a',
  'a.b',
  'a-b',
  'b',
  'c',
  'd',
  'a/x',
  'a/y',
  'b/x',
  'd/x',
  'd/e',
  'd/e/z',
  'd/e/w',
  'd/f',
]
/** Paths of which none is a directory of another. */
export const APART = ['a.b', 'a-b', 'c', 'a/x', 'a/y', 'b/x', 'd/x', 'd/e/z', 'd/e/w', 'd/f']
const MODES = ['100644', '100644', '100644', '100755', '120000', '160000']

/** One of the list. */
export function choose<T>(random: () => number, list: readonly T[]): T {
  const item = list[Math.floor(random() * list.length)]
  if (item === undefined) throw new RangeError('Nothing to choose from')
  return item
}

/** The files after some random writes and removals; what is in the way of a write goes. */
export function editFiles(random: () => number, files: Files, edits: number, paths = PATHS): Files {
  const edited = new Map(files)
  for (let i = 0; i < edits; i++) {
    const path = choose(random, paths)
    for (const other of edited.keys()) {
      if (other === path || other.startsWith(`${path}/`) || path.startsWith(`${other}/`))
        edited.delete(other)
    }
    if (random() < 0.3) continue
    // Sometimes only the mode of a file changes. No content is used under two paths: Git would see a rename there.
    const content = random() < 0.2 ? files.get(path)?.content : undefined
    edited.set(path, {
      mode: choose(random, MODES),
      content: content ?? `${path} ${Math.floor(random() * 4)}\n`,
    })
  }
  return edited
}

/** The files after some random changes of lines, modes and whole files. Lines name their path, lest Git see renames. */
export function editLines(random: () => number, files: Files, edits: number, paths = APART): Files {
  const edited = new Map(files)
  const line = (path: string): string => `${path} ${Math.floor(random() * 12)}\n`
  for (let i = 0; i < edits; i++) {
    const path = choose(random, paths)
    const known = edited.get(path)
    const kind = random()
    if (known === undefined || kind < 0.05) {
      const content = Array.from({ length: random() * 12 }, () => line(path)).join('')
      edited.set(path, { mode: '100644', content })
    } else if (kind < 0.1) edited.delete(path)
    else if (kind < 0.2) edited.set(path, { ...known, mode: choose(random, MODES.slice(2, 4)) })
    else {
      const lines = known.content.split(/(?<=\n)/)
      const fresh = Array.from({ length: random() * 3 }, () => line(path))
      lines.splice(Math.floor(random() * (lines.length + 1)), Math.floor(random() * 3), ...fresh)
      edited.set(path, { ...known, content: lines.join('') })
    }
  }
  return edited
}

/** A commit in a script: its files and the marks of its parents. */
export interface ScriptCommit {
  readonly files: Files
  readonly parents: readonly number[]
  /** Seconds since 1970; one more than the commit before when left out. */
  readonly time?: number
  /** As in `Ada <ada@example.org>`, who it is when left out. */
  readonly author?: string
}

/** Writes commits for `git fast-import`; their marks count from 1. */
export class HistoryScript {
  readonly commits: ScriptCommit[] = []
  readonly #refs = new Map<string, number>()

  add(commit: ScriptCommit): number {
    return this.commits.push(commit)
  }

  /** Names a commit, so that it can be asked for. */
  name(ref: string, mark: number): void {
    this.#refs.set(ref, mark)
  }

  filesOf(mark: number): Files {
    return this.commits[mark - 1]?.files ?? new Map()
  }

  text(): string {
    const lines: string[] = []
    for (const [i, { files, parents, time, author }] of this.commits.entries()) {
      const when = `${time ?? 1_700_000_000 + i} +0000`
      const who = `Ada <ada@example.org> ${when}`
      const message = `commit ${i + 1}\n`
      lines.push(
        'reset refs/heads/script',
        `commit refs/heads/script`,
        `mark :${i + 1}`,
        ...(author === undefined ? [] : [`author ${author} ${when}`]),
        `committer ${who}`,
      )
      lines.push(`data ${message.length}`, message)
      for (const [n, parent] of parents.entries())
        lines.push(`${n === 0 ? 'from' : 'merge'} :${parent}`)
      lines.push('deleteall')
      for (const [path, { mode, content }] of files) {
        if (mode === '160000')
          lines.push(`M 160000 ${Buffer.from(content).toString('hex').padEnd(40, '1')} ${path}`)
        else lines.push(`M ${mode} inline ${path}`, `data ${Buffer.byteLength(content)}`, content)
      }
      lines.push('')
    }
    for (const [ref, mark] of this.#refs) lines.push(`reset ${ref}`, `from :${mark}`, '')
    return `${lines.join('\n')}\n`
  }
}
