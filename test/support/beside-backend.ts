/**
 * Our server and `git http-backend` over the same folder, so that one can be held against the other, and a repository to push
 * to them from.
 *
 * @module
 */
import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { httpBackend, type HttpBackend } from './http-backend.ts'
import { startTestServer, temporaryFolder, type TestServer } from './servers.ts'
import { git } from './stock-git.ts'

/** A repository that is served. */
export interface Served {
  readonly name: string
  readonly directory: string
}

/** Both servers, from `start` to `stop`. */
export class BesideBackend {
  readonly #folder
  #ours: TestServer | undefined
  #theirs: HttpBackend | undefined
  #counter = 0

  /** `name` is in the name of the folder. */
  constructor(name: string) {
    this.#folder = temporaryFolder(name)
  }

  async start(): Promise<void> {
    mkdirSync(this.root)
    this.#ours = await startTestServer('node', { data: this.root })
    this.#theirs = await httpBackend(this.root)
    await git(this.#folder.path, 'init', '--quiet', '--initial-branch=main', this.source)
    for (const message of ['One', 'Two'])
      await git(this.source, 'commit', '--quiet', '--allow-empty', '-m', message)
  }

  async stop(): Promise<void> {
    await this.#ours?.stop()
    await this.#theirs?.close()
    this.#folder.remove()
  }

  /** Folder of the repositories that are served. */
  get root(): string {
    return join(this.#folder.path, 'root')
  }

  /** A repository with two commits on `main`. */
  get source(): string {
    return join(this.#folder.path, 'source')
  }

  /** Origins of our server and of the judge. */
  get urls(): { readonly ours: string; readonly theirs: string } {
    return { ours: this.#ours?.url ?? '', theirs: this.#theirs?.url ?? '' }
  }

  /** Makes an empty bare repository below the root, with a name that no other has. */
  async create(): Promise<Served> {
    const served = this.#next()
    await git(this.root, 'init', '--quiet', '--bare', '--initial-branch=main', served.name)
    return served
  }

  /** Makes another repository that is like one that nobody has served yet. */
  copy({ directory }: Served): Served {
    const served = this.#next()
    cpSync(directory, served.directory, { recursive: true })
    return served
  }

  #next(): Served {
    const name = `repository-${++this.#counter}.git`
    return { name, directory: join(this.root, name) }
  }
}
