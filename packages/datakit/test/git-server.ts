/**
 * Stock Git behind HTTP, and a repository of its to fetch from and to push to.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import { parseOid } from '@datakit/git/oid'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { remoteOf, type NamedRemote } from '../src/remote/remotes.ts'
import { gitText, git, scratch } from '../../git/test/support/example.ts'
import { httpBackend, type HttpBackend } from '../../../test/support/http-backend.ts'

/** A folder of bare repositories behind `git http-backend`. */
export class GitServer {
  readonly #scratch = scratch()
  #backend: HttpBackend | undefined
  #count = 0

  /** Starts it. With a token it asks for that. */
  async start(token?: string): Promise<void> {
    const options = token === undefined ? {} : { token }
    this.#backend = await httpBackend(this.#scratch.path, { ...options, record: true })
  }

  async stop(): Promise<void> {
    await this.#backend?.close()
    this.#scratch.remove()
  }

  /** How many requests came so far. */
  get requests(): number {
    return this.#backend?.requests.length ?? 0
  }

  /** How many packs were asked for so far. */
  get fetches(): number {
    const all = this.#backend?.requests ?? []
    return all.filter(({ body }) => body.includes('command=fetch')).length
  }

  /** A new bare repository, and a work tree with a commit on `main` that was pushed to it. */
  repository(): GitRemote {
    const name = `r${++this.#count}`
    const bare = join(this.#scratch.path, `${name}.git`)
    git(this.#scratch.path, ['init', '-q', '--bare', '-b', 'main', bare])
    git(bare, ['config', 'uploadpack.allowFilter', 'true'])
    const work = join(this.#scratch.path, `${name}-work`)
    git(this.#scratch.path, ['init', '-q', '-b', 'main', work])
    git(work, ['remote', 'add', 'origin', bare])
    return new GitRemote(bare, work, `${this.#backend?.url}/${name}.git`)
  }
}

/** One repository of a {@link GitServer}. */
export class GitRemote {
  readonly bare: string
  readonly work: string
  readonly url: string
  readonly remote: NamedRemote
  #seconds = 1_700_000_000

  constructor(bare: string, work: string, url: string) {
    this.bare = bare
    this.work = work
    this.url = url
    this.remote = remoteOf({ name: 'origin', url })
  }

  /** Runs Git in the work tree. */
  run(...args: readonly string[]): string {
    const date = `${++this.#seconds} +0000`
    return gitText(this.work, args, { env: { GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date } })
  }

  /** Runs Git in the bare repository. */
  there(...args: readonly string[]): string {
    return gitText(this.bare, args)
  }

  /** Writes a file in the work tree, for the next commit. */
  commitLater(path: string, content: string): void {
    const file = join(this.work, path)
    mkdirSync(join(file, '..'), { recursive: true })
    writeFileSync(file, content)
  }

  /** Commits a file in the work tree, with those for this commit; with `push` the branch is pushed. */
  commit(path: string, content: string, push = true): Oid {
    this.commitLater(path, content)
    this.run('add', '.')
    this.run('commit', '-q', '-m', `Set ${path}`)
    if (push) this.run('push', '-q', 'origin', 'HEAD')
    return this.oid('HEAD')
  }

  /** What a name stands for in the work tree. */
  oid(name: string): Oid {
    return parseOid(this.run('rev-parse', name))
  }

  /** What a name stands for in the bare repository; `undefined` when nothing. */
  oidThere(name: string): Oid | undefined {
    const oid = this.there('for-each-ref', '--format=%(objectname)', name)
    return oid === '' ? undefined : parseOid(oid)
  }

  /** A hook that refuses pushes, or none. */
  refuse(isRefused: boolean): void {
    const hook = join(this.bare, 'hooks', 'pre-receive')
    if (isRefused) writeFileSync(hook, '#!/bin/sh\necho closed >&2\nexit 1\n', { mode: 0o755 })
    else if (existsSync(hook)) rmSync(hook)
  }
}

/** `fetch` of a client that knows no version 2 of the protocol: servers answer in version 0. */
export const oldFetch = (url: string, request: RequestInit): Promise<Response> => {
  const headers = new Headers(request.headers)
  headers.delete('git-protocol')
  return fetch(url, { ...request, headers })
}
