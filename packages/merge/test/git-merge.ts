/**
 * Stock Git as the judge of merged files: `git merge-file` for one, `git merge-tree` for many at once.
 *
 * @module
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { MergedLines, Versions } from '../src/merge-lines.ts'

const environment = {
  PATH: process.env['PATH'],
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_SYSTEM: '/dev/null',
  LC_ALL: 'C',
}

/** A bare repository and a few files. */
export class GitMerge {
  readonly #directory = mkdtempSync(join(tmpdir(), 'datakit-merge-'))

  constructor() {
    this.#run(['init', '-q', '--bare'])
  }

  /** What `git merge-file` makes of one file. */
  mergeFile(versions: Versions, flags: readonly string[]): MergedLines {
    for (const name of ['ours', 'base', 'theirs'] as const)
      writeFileSync(join(this.#directory, `${name}.txt`), versions[name])
    const labels = ['-L', 'ours', '-L', 'base', '-L', 'theirs']
    const args = ['merge-file', '-p', ...labels, ...flags, 'ours.txt', 'base.txt', 'theirs.txt']
    const options = { cwd: this.#directory, env: environment, maxBuffer: 1 << 28 }
    const { status, stdout, stderr } = spawnSync('git', args, options)
    if (status === null || status > 127) throw new Error(`git merge-file: ${stderr.toString()}`)
    return { bytes: new Uint8Array(stdout), conflicts: status }
  }

  /** What `git merge-tree` makes of many files, each merged apart from the others; the labels are `ours` and `theirs`. */
  mergeTree(cases: readonly Versions[], attributes = ''): MergedLines[] {
    writeFileSync(join(this.#directory, 'info/attributes'), attributes)
    this.#import(cases)
    const args = ['-c', 'merge.renames=false', 'merge-tree', '--write-tree', '--name-only', '-z']
    const options = { cwd: this.#directory, env: environment, maxBuffer: 1 << 28 }
    const { stdout } = spawnSync('git', [...args, 'ours', 'theirs'], options)
    const [tree = '', ...rest] = stdout.toString().split('\0')
    const inConflict = new Set(rest.slice(0, rest.indexOf('')))
    const wanted = cases.map((_, i) => `${tree}:f${i}\n`).join('')
    const bodies = this.#readAll(wanted)
    return bodies.map((bytes, i) => ({ bytes, conflicts: inConflict.has(`f${i}`) ? 1 : 0 }))
  }

  close(): void {
    rmSync(this.#directory, { recursive: true, force: true })
  }

  #run(args: readonly string[], input: Uint8Array = new Uint8Array(0)): Buffer {
    const options = { cwd: this.#directory, env: environment, maxBuffer: 1 << 28 }
    return execFileSync('git', args, { ...options, input, stdio: 'pipe' })
  }

  #import(cases: readonly Versions[]): void {
    const parts: Uint8Array[] = []
    const say = (line: string): void => void parts.push(new TextEncoder().encode(`${line}\n`))
    for (const [mark, name] of (['base', 'ours', 'theirs'] as const).entries()) {
      say(`commit refs/heads/${name}\nmark :${mark + 1}`)
      say(`committer Ada <ada@example.org> ${1_700_000_000 + mark} +0000\ndata 0`)
      if (mark > 0) say('from :1')
      say('deleteall')
      for (const [i, versions] of cases.entries()) {
        say(`M 100644 inline f${i}\ndata ${versions[name].length}`)
        parts.push(versions[name])
        say('')
      }
    }
    this.#run(['fast-import', '--quiet', '--force'], Buffer.concat(parts))
  }

  #readAll(names: string): Uint8Array[] {
    const output = this.#run(['cat-file', '--batch'], new TextEncoder().encode(names))
    const bodies: Uint8Array[] = []
    for (let at = 0; at < output.length;) {
      const end = output.indexOf(10, at)
      const size = Number(output.toString('latin1', at, end).split(' ')[2])
      bodies.push(new Uint8Array(output.subarray(end + 1, end + 1 + size)))
      at = end + 1 + size + 1
    }
    return bodies
  }
}
