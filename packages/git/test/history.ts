/**
 * Random histories for tests, made by `git fast-import` from a seed.
 *
 * They hold what configuration repositories hold and what is odd about Git's trees: files that hardly change, the same
 * content under two names, executables, links, submodules, names that are not UTF-8, merges, tags.
 *
 * @module
 */
import { RealRepository } from './real-git.ts'

/** How large a history is. */
export interface HistoryOptions {
  readonly files: number
  readonly commits: number
  /** Numbers from 0 up to 1. */
  readonly random: () => number
}

/** A new repository with a random history on `main`, all of it in one pack. */
export function randomHistory({ files, commits, random }: HistoryOptions): RealRepository {
  const git = new RealRepository()
  const below = (limit: number) => Math.floor(random() * limit)
  const contents = new Map<number, string[]>()
  const script: Buffer[] = []
  const say = (text: string) => script.push(Buffer.from(text, 'latin1'))
  for (let commit = 1; commit <= commits; commit++) {
    const who = `Ada <ada@example.org> ${1_700_000_000 + commit * 60} +0100`
    say(
      `commit refs/heads/main\nmark :${commit}\nauthor ${who}\ncommitter ${who}\n${data(`commit ${commit}\n`)}`,
    )
    if (commit > 1) say(`from :${commit - 1}\n`)
    if (commit > 3 && below(6) === 0) say(`merge :${1 + below(commit - 2)}\n`)
    const changes = commit === 1 ? files : 1 + below(4)
    for (let i = 0; i < changes; i++) {
      const file = commit === 1 ? i : below(files)
      if (commit > 1 && below(12) === 0) say(`D ${pathOf(file)}\n`)
      else
        say(`M ${modeOf(file)} inline ${pathOf(file)}\n${data(contentOf(contents, file, below))}`)
    }
    if (below(8) === 0) say(`M 160000 ${String(1 + below(9)).repeat(40)} modules/m${below(3)}\n`)
    if (below(10) === 0) {
      const from = `from :${commit}\ntagger ${who}\n`
      say(`tag v${commit}\n${from}${data(`version ${commit}\n`)}`)
    }
  }
  git.bytes(['fast-import', '--quiet'], Buffer.concat(script))
  git.run(['repack', '-adfq', '--depth=20'])
  return git
}

function data(text: string): string {
  return `data ${text.length}\n${text}\n`
}

function pathOf(file: number): string {
  if (file % 17 === 3) return `odd/n\xe4me-${file}\xff`
  return file % 3 === 0 ? `flat-${file}.yaml` : `dir-${file % 5}/sub-${file % 7}/file-${file}.json`
}

function modeOf(file: number): string {
  return file % 11 === 4 ? '100755' : file % 13 === 5 ? '120000' : '100644'
}

function contentOf(
  contents: Map<number, string[]>,
  file: number,
  below: (limit: number) => number,
): string {
  const lines =
    contents.get(file) ?? Array.from({ length: below(30) }, (_, i) => `key ${i}: ${below(1000)}`)
  contents.set(file, lines)
  const at = below(lines.length + 1)
  if (below(3) === 0) lines.splice(at, 1)
  else lines.splice(at, 1, `key ${at}: ${below(1000)}`)
  // Some files share their content with others.
  return below(10) === 0 ? 'shared\n' : lines.join('\n')
}

/** The objects that `revisions` name (as for `git rev-list --objects`; none: all of them), as one pack. */
export function packOf(
  git: RealRepository,
  revisions: readonly string[],
  flags: readonly string[] = [],
): Uint8Array {
  const all = revisions.length === 0 ? ['--all'] : []
  const args = ['pack-objects', '--revs', '--stdout', '-q', ...all, ...flags]
  return git.bytes(args, `${revisions.join('\n')}\n`)
}
