/**
 * Git's clients by name, each as a person installs it, behind one interface.
 *
 * @module
 */
import { execFile, execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs, { existsSync, readFileSync, renameSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import isomorphic from 'isomorphic-git'
import http from 'isomorphic-git/http/node'
import { git } from './stock-git.ts'

/** A client that clones into, fetches into and pushes from repositories with a working tree. */
export interface GitClient {
  readonly name: string
  /** Debian's packages that it needs. */
  readonly packages: readonly string[]
  /** Whether it can clone what has no refs, which not every version could from any server of today. */
  readonly clonesEmpty: boolean
  /** Once, before anything else. */
  prepare?(): void
  clone(url: string, path: string): Promise<unknown>
  /** Brings every branch to `refs/remotes/origin/`. */
  fetch(url: string, path: string): Promise<unknown>
  /** Moves a ref there to where a ref is here; both are whole names. */
  push(url: string, path: string, refs: { from: string; to: string }): Promise<unknown>
  remove(url: string, path: string, ref: string): Promise<unknown>
}

const clients = join(import.meta.dirname, 'clients')

/** Runs a program to its end. @throws Error with what it wrote, when it failed */
function run(program: string, ...args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { maxBuffer: 1 << 26 }, (error, out, err) => {
      if (error === null) resolve(out)
      else reject(new Error(`${program} ${args.join(' ')} failed: ${out}${err}`))
    })
  })
}

/** Stock Git, told to speak one version of the protocol. */
function stockGit(version: string): GitClient {
  const set = ['-c', `protocol.version=${version}`]
  const refspec = '+refs/heads/*:refs/remotes/origin/*'
  return {
    name: `git, protocol ${version}`,
    packages: [],
    clonesEmpty: true,
    clone: (url, path) => git(tmpdir(), ...set, 'clone', '--quiet', url, path),
    fetch: (url, path) => git(path, ...set, 'fetch', '--quiet', url, refspec),
    push: (url, path, { from, to }) => git(path, ...set, 'push', '--quiet', url, `${from}:${to}`),
    remove: (url, path, ref) => git(path, ...set, 'push', '--quiet', url, `:${ref}`),
  }
}

interface Program {
  readonly name: string
  readonly packages: readonly string[]
  readonly clonesEmpty: boolean
  readonly command: readonly [string, ...string[]]
  readonly prepare?: () => void
}

/** A client that is a program of `clients/`: `clone URL PATH`, `fetch URL PATH`, `push URL PATH FROM:TO`, `delete URL PATH REF`. */
function program({ command, ...rest }: Program): GitClient {
  const [file, ...first] = command
  const call = (...args: readonly string[]): Promise<string> => run(file, ...first, ...args)
  return {
    ...rest,
    clone: (url, path) => call('clone', url, path),
    fetch: (url, path) => call('fetch', url, path),
    push: (url, path, { from, to }) => call('push', url, path, `${from}:${to}`),
    remove: (url, path, ref) => call('delete', url, path, ref),
  }
}

const goSource = join(clients, 'go-git-client.go')
const goVersion = createHash('sha1').update(readFileSync(goSource)).digest('hex').slice(0, 12)
const goProgram = join(tmpdir(), `datakit-go-git-client-${goVersion}`)

/** Compiles the client from Debian's own copy of go-git; kept between runs. */
function compileGo(): void {
  if (existsSync(goProgram)) return
  const env = { ...process.env, GO111MODULE: 'off', GOPATH: '/usr/share/gocode', GOFLAGS: '' }
  execFileSync('go', ['build', '-o', `${goProgram}.new`, goSource], { env, stdio: 'pipe' })
  renameSync(`${goProgram}.new`, goProgram)
}

/** What JGit's own program is made of; the one that Debian's `jgit` starts lacks a part. */
const jars = [
  'org.eclipse.jgit.pgm',
  'org.eclipse.jgit',
  'org.eclipse.jgit.lfs',
  'org.eclipse.jgit.archive',
  'org.eclipse.jgit.ui',
  'org.eclipse.jgit.http.apache',
  'args4j',
  'commons-codec',
  'commons-compress',
  'commons-logging',
  'gson',
  'httpclient',
  'httpcore',
  'javaewah',
  'jsch',
  'slf4j-api',
  'slf4j-nop',
]

function runJgit(...args: readonly string[]): Promise<string> {
  const classes = jars.map((name) => `/usr/share/java/${name}.jar`).join(':')
  return run(
    'java',
    '-XX:TieredStopAtLevel=1',
    '-cp',
    classes,
    'org.eclipse.jgit.pgm.Main',
    ...args,
  )
}

function jgitIn(path: string, ...args: readonly string[]): Promise<string> {
  return runJgit('--git-dir', join(path, '.git'), ...args)
}

const jgit: GitClient = {
  name: 'JGit',
  packages: ['jgit-cli', 'openjdk-17-jre-headless'],
  clonesEmpty: true,
  clone: (url, path) => runJgit('clone', url, path),
  fetch: (url, path) => jgitIn(path, 'fetch', url, '+refs/heads/*:refs/remotes/origin/*'),
  push: async (url, path, { from, to }) => {
    const said = await jgitIn(path, 'push', url, `${from}:${to}`)
    // It ends well whatever became of the push.
    if (said.includes('rejected')) throw new Error(said)
  },
  remove: (url, path, ref) => jgitIn(path, 'push', url, `:${ref}`),
}

const isomorphicGit: GitClient = {
  name: 'isomorphic-git',
  packages: [],
  clonesEmpty: true,
  clone: (url, dir) => isomorphic.clone({ fs, http, dir, url }),
  fetch: (url, dir) => isomorphic.fetch({ fs, http, dir, url, remote: 'origin' }),
  push: async (url, dir, { from, to }) => {
    const result = await isomorphic.push({ fs, http, dir, url, ref: from, remoteRef: to })
    if (!result.ok) throw new Error(result.error ?? 'the push was refused')
  },
  remove: (url, dir, remoteRef) =>
    isomorphic.push({ fs, http, dir, url, ref: 'HEAD', remoteRef, delete: true }),
}

/** All of them. */
export const GIT_CLIENTS: readonly GitClient[] = [
  stockGit('0'),
  stockGit('1'),
  stockGit('2'),
  program({
    name: 'libgit2',
    packages: ['python3-pygit2'],
    clonesEmpty: true,
    command: ['/usr/bin/python3', join(clients, 'libgit2-client.py')],
  }),
  program({
    name: 'dulwich',
    packages: ['python3-dulwich'],
    // 0.21 wants a HEAD.
    clonesEmpty: false,
    command: ['/usr/bin/python3', join(clients, 'dulwich-client.py')],
  }),
  program({
    name: 'go-git',
    packages: ['golang-go', 'golang-github-go-git-go-git-dev'],
    // 5.4 wants a server that says nothing then, as Git did before 2.41, rather than what it can do.
    clonesEmpty: false,
    command: [goProgram],
    prepare: compileGo,
  }),
  jgit,
  isomorphicGit,
]
