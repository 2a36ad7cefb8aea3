/**
 * Repositories that were there before the server: bare ones, made by stock Git with whatever configuration a test wants, in
 * the folder of a server under Node.
 *
 * @module
 */
import { chmodSync, existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { startTestServer, temporaryFolder, type TestServer } from './servers.ts'
import { git, tryGit, type GitRun } from './stock-git.ts'

/** A repository that is served. */
export interface Prepared {
  readonly directory: string
  readonly url: string
  /** Pushes to it; never throws. */
  push(...refs: readonly string[]): Promise<GitRun>
  hook(name: string, script: string): void
}

/** Settings of a repository, each with a value or several. */
export type Settings = Readonly<Record<string, string | readonly string[]>>

/** A server, and a source with three commits to push from. */
export class PreparedServer {
  readonly folder = temporaryFolder('prepared')
  readonly root = temporaryFolder('prepared-root')
  readonly source = join(this.folder.path, 'source')
  #server: TestServer | undefined
  #counter = 0

  async start(): Promise<void> {
    this.#server = await startTestServer('node', { data: this.root.path })
    await git(this.folder.path, 'init', '--quiet', '--initial-branch=main', this.source)
    for (const content of ['one', 'two', 'three']) await this.commit(content)
  }

  async stop(): Promise<void> {
    await this.#server?.stop()
    this.folder.remove()
    this.root.remove()
  }

  get url(): string {
    return this.#server?.url ?? ''
  }

  /** A number that no other repository or clone here has. */
  nextNumber(): number {
    return ++this.#counter
  }

  /** Another commit in the source; its oid. */
  async commit(content: string): Promise<string> {
    writeFileSync(join(this.source, 'file.txt'), `${content}\n`)
    await git(this.source, 'add', 'file.txt')
    await git(this.source, 'commit', '--quiet', '-m', content)
    return git(this.source, 'rev-parse', 'HEAD')
  }

  /** A bare repository on disk, made by stock Git, with `main` at the second of three commits, and `other` there too. */
  async prepare(settings: Settings = {}, ...init: readonly string[]): Promise<Prepared> {
    const name = `repository-${this.nextNumber()}`
    const root = this.root.path
    const directory = join(root, `${name}.git`)
    await git(root, 'init', '--quiet', '--bare', '--initial-branch=main', ...init, directory)
    const branches = ['main~1:refs/heads/main', 'main~1:refs/heads/other']
    if (init.length === 0) await git(this.source, 'push', '--quiet', directory, ...branches)
    for (const [key, values] of Object.entries(settings)) {
      for (const value of [values].flat()) await git(directory, 'config', '--add', key, value)
    }
    const url = `${this.url}/${name}.git`
    return {
      directory,
      url,
      push: (...refs) => tryGit(this.source, 'push', url, ...refs),
      hook: (hook, script) => {
        const path = join(directory, 'hooks', hook)
        writeFileSync(path, `#!/bin/sh\n${script}\n`)
        chmodSync(path, 0o755)
      },
    }
  }
}

/** Names under `datakit/stage`: packs that came and were not taken. */
export function staged(directory: string): string[] {
  const stage = join(directory, 'datakit', 'stage')
  return existsSync(stage) ? readdirSync(stage) : []
}

/** Fails unless the push was refused in these words and the repository is sound. */
export async function expectRefused(
  repository: Prepared,
  run: GitRun,
  words: string,
): Promise<void> {
  expect(run.err).toContain(words)
  expect(run.code).not.toBe(0)
  await git(repository.directory, 'fsck', '--strict')
}
