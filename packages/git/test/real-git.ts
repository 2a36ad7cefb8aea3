/**
 * Real Git, the judge of every format.
 *
 * @module
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'

const environment = {
  ...process.env,
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.org',
  GIT_AUTHOR_DATE: '1700000000 +0100',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.org',
  GIT_COMMITTER_DATE: '1700000000 +0100',
  LC_ALL: 'C',
}

/** What a run of Git said. */
export interface GitRun {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** A repository that real Git keeps in a temporary folder. */
export class RealRepository {
  readonly folder: string

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'real-git-'))
    this.run(['init', '--quiet', '--bare', '--initial-branch=main'])
  }

  /** Standard output of a Git command that must succeed. */
  bytes(args: readonly string[], input?: Uint8Array | string): Uint8Array {
    return execFileSync('git', args, {
      cwd: this.folder,
      env: environment,
      input,
      maxBuffer: 1 << 30,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
  }

  /** The same as text, without the line feed at its end. */
  run(args: readonly string[], input?: Uint8Array | string): string {
    return Buffer.from(this.bytes(args, input)).toString().replace(/\n$/, '')
  }

  /** A Git command that may fail. */
  try(args: readonly string[], input?: Uint8Array | string): GitRun {
    const { status, stdout, stderr } = spawnSync('git', args, {
      cwd: this.folder,
      env: environment,
      input,
      maxBuffer: 1 << 30,
    })
    return { status: status ?? -1, stdout: stdout.toString(), stderr: stderr.toString() }
  }

  /** Puts a loose object where it belongs, however odd it is, and gives its oid. */
  write(type: string, body: Uint8Array): string {
    const whole = Buffer.concat([Buffer.from(`${type} ${body.length}\0`), body])
    const oid = createHash('sha1').update(whole).digest('hex')
    const folder = join(this.folder, 'objects', oid.slice(0, 2))
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, oid.slice(2)), deflateSync(whole, { level: 1 }))
    return oid
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
