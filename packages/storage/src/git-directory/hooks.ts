/**
 * Hooks: the programs that a repository's operator wants to be asked and told, run as Git runs them.
 *
 * `pre-receive`, `update`, `post-receive`, `post-update` and `reference-transaction`, in `hooks/` or where
 * `core.hooksPath` says. They run in the Git directory with `GIT_DIR` set. Until `pre-receive` has said yes, the packs of a
 * push are shown to them as Git shows its quarantine (`GIT_OBJECT_DIRECTORY`, `GIT_QUARANTINE_PATH`), so that `git rev-list` in a
 * hook sees the pushed commits. `reference-transaction` is run by every update of the place itself; the others are for
 * whoever receives a push. `proc-receive`, which moves refs on its own, is talked with in `proc-receive-hook.ts`.
 *
 * Spec: https://git-scm.com/docs/githooks
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import { basename } from 'node:path'

import { encodeName } from '@datakit/git/bytes'
import { RefusedError } from '@datakit/git/error'
import { ZERO_OID } from '@datakit/git/oid'
import type { PackId, RefUpdate } from '@datakit/git/place'
import type { ProcReceiveReport, ProcReceiveRequest } from '@datakit/git/protocol/proc-receive'
import type { MadeUpdate } from '@datakit/git/transport/ref-rules'

import { pathIn, type Config } from './config.ts'
import type { RefWatcher } from './make-update.ts'
import { namesIn } from './object-directories.ts'
import { runProcReceive } from './proc-receive-hook.ts'

/** What a hook is run with. */
export interface HookRun {
  /** Who pushes, as `Name <address>`: the committer of what a hook commits. */
  readonly who?: string | undefined
  /** Takes what the hook prints, for the client to see. */
  readonly onOutput?: ((piece: Uint8Array) => void) | undefined
  /** Packs that were staged for the push and are to be seen by the hook. */
  readonly staged?: readonly PackId[] | undefined
  /** The options of `git push -o`, for `pre-receive` and `post-receive`. */
  readonly pushOptions?: readonly string[] | undefined
  /** More of the environment of `pre-receive` and `post-receive`; asked for when there is such a hook. */
  readonly env?: (() => Promise<Readonly<Record<string, string>>>) | undefined
}

/** The hooks of one repository. */
export class Hooks {
  readonly #directory: string
  readonly #config: () => Config
  readonly #findStaged: (id: PackId) => string | undefined

  /** `findStaged` gives the object directory of a staged pack. */
  constructor(
    directory: string,
    config: () => Config,
    findStaged: (id: PackId) => string | undefined,
  ) {
    this.#directory = directory
    this.#config = config
    this.#findStaged = findStaged
  }

  /** Path of a hook that can be run, `undefined` when there is none. */
  find(name: string): string | undefined {
    const path = `${this.#hooksDirectory()}/${name}`
    if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return undefined
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // Git passes over a hook that is not executable.
      return undefined
    }
  }

  /** Asks `pre-receive` about a whole push; `false` refuses all of it. */
  async runPreReceive(updates: readonly RefUpdate[], run: HookRun = {}): Promise<boolean> {
    return await this.#run('pre-receive', { args: [], input: linesOf(updates) }, run)
  }

  /** Asks `update` about one ref; `false` refuses that one. */
  async runUpdate({ name, from, to }: RefUpdate, run: HookRun = {}): Promise<boolean> {
    return await this.#run(
      'update',
      { args: [name, from ?? ZERO_OID, to ?? ZERO_OID], input: '' },
      plain(run),
    )
  }

  /**
   * Has `proc-receive` make updates; `undefined` when there is no such hook. It learns of push options by its protocol.
   *
   * @throws RefusedError `hook` when it cannot be run
   */
  async runProcReceive(
    request: ProcReceiveRequest,
    run: HookRun = {},
  ): Promise<ProcReceiveReport | undefined> {
    const path = this.find('proc-receive')
    if (path === undefined) return undefined
    const env = this.#environment(plain(run))
    return await runProcReceive(request, {
      path,
      cwd: this.#directory,
      env,
      onOutput: run.onOutput ?? (() => {}),
    }).catch((cause: unknown) => {
      throw cannotRun(path, cause)
    })
  }

  /**
   * Tells `post-receive`, then `post-update`, of the refs that moved: the first also of what was done instead. How they end
   * does not matter.
   */
  async runPostReceive(updates: readonly MadeUpdate[], run: HookRun = {}): Promise<void> {
    if (updates.length === 0) return
    const lines = linesOf(updates.flatMap(rewritten))
    await this.#run('post-receive', { args: [], input: lines }, run)
    const args = updates.map(({ name }) => name)
    await this.#run('post-update', { args, input: '' }, plain(run))
  }

  /** Asks (`prepared`) or tells `reference-transaction`; only the answer to `prepared` matters. */
  async runReferenceTransaction(
    phase: 'prepared' | 'committed' | 'aborted',
    updates: readonly RefUpdate[],
    run: HookRun = {},
  ): Promise<boolean> {
    if (updates.length === 0) return true
    return await this.#run('reference-transaction', { args: [phase], input: linesOf(updates) }, run)
  }

  /** Has `reference-transaction` asked and told of updates. */
  watcher(): RefWatcher {
    return {
      prepared: async ({ refs, addPacks, log: { who } }) => {
        const run = { who, staged: addPacks?.map(({ id }) => id) }
        if (await this.runReferenceTransaction('prepared', refs, run)) return
        await this.runReferenceTransaction('aborted', refs, { who })
        throw new RefusedError(
          'hook',
          'Cannot update the refs: the hook reference-transaction said no',
        )
      },
      ended: async ({ refs, log: { who } }, how) => {
        await this.runReferenceTransaction(how, refs, { who })
      },
    }
  }

  /** Branches that are checked out in a working tree, which is not updated along with its branch. */
  checkedOut(): string[] {
    const heads = namesIn(`${this.#directory}/worktrees`).map((name) => `worktrees/${name}/HEAD`)
    if (!this.#isBare()) heads.unshift('HEAD')
    return heads.map((head) => branchOf(`${this.#directory}/${head}`)).filter((name) => name !== '')
  }

  #isBare(): boolean {
    return this.#config().bool('core.bare') ?? !this.#directory.endsWith('/.git')
  }

  #hooksDirectory(): string {
    return pathIn(this.#directory, this.#config().get('core.hooksPath') ?? 'hooks')
  }

  async #run(name: string, call: Call, run: HookRun): Promise<boolean> {
    const path = this.find(name)
    if (path === undefined) return true
    const env = { ...this.#environment(run), ...(await run.env?.()) }
    return await runProgram(
      path,
      { ...call, cwd: this.#directory, env },
      run.onOutput ?? (() => {}),
    )
  }

  #environment(run: HookRun): Record<string, string> {
    const staged = (run.staged ?? []).map(this.#findStaged).filter((path) => path !== undefined)
    return environmentOf(this.#directory, run, staged)
  }
}

/** A run of a hook that is told nothing of what came with a push: only those before and after the whole of it are. */
function plain(run: HookRun): HookRun {
  return { ...run, pushOptions: undefined, env: undefined }
}

/** Says which hook, and not where on this machine it is: that is read by whoever pushes. */
function cannotRun(path: string, cause: unknown): RefusedError {
  return new RefusedError('hook', `Cannot run the hook "${basename(path)}"`, { cause })
}

interface Call {
  readonly args: readonly string[]
  readonly input: string
}

/** Runs a program to its end; whether it said yes. */
function runProgram(
  path: string,
  call: Call & { readonly cwd: string; readonly env: Record<string, string> },
  onOutput: (piece: Uint8Array) => void,
): Promise<boolean> {
  return new Promise((done, fail) => {
    const child = spawn(path, call.args, { cwd: call.cwd, env: call.env })
    child.stdout.on('data', onOutput)
    child.stderr.on('data', onOutput)
    child.on('error', (cause) => fail(cannotRun(path, cause)))
    child.on('close', (code) => done(code === 0))
    // A hook need not read what it is told.
    child.stdin.on('error', () => {})
    child.stdin.end(encodeName(call.input))
  })
}

/** What programs get of this one's environment: not variables of a Git that started it, nor its secrets. */
export function outerEnvironment(): Record<string, string> {
  const env: Record<string, string> = {}
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !/^(GIT|DATAKIT)_/.test(name)) env[name] = value
  }
  return env
}

function environmentOf(
  directory: string,
  run: HookRun,
  [first, ...more]: readonly string[],
): Record<string, string> {
  const env = outerEnvironment()
  env['GIT_DIR'] = directory
  const [, name, address] = /^(.*?) ?<([^<>]*)>$/.exec(run.who ?? '') ?? []
  if (name !== undefined && address !== undefined) {
    env['GIT_COMMITTER_NAME'] = name
    env['GIT_COMMITTER_EMAIL'] = address
  }
  run.pushOptions?.forEach((option, i) => (env[`GIT_PUSH_OPTION_${i}`] = option))
  if (run.pushOptions) env['GIT_PUSH_OPTION_COUNT'] = String(run.pushOptions.length)
  if (first !== undefined) {
    env['GIT_OBJECT_DIRECTORY'] = first
    env['GIT_QUARANTINE_PATH'] = first
    env['GIT_ALTERNATE_OBJECT_DIRECTORIES'] = [`${directory}/objects`, ...more].join(':')
  }
  return env
}

/** What was done: the update, or each of what was done instead. */
function rewritten({ rewrites = [], ...update }: MadeUpdate): RefUpdate[] {
  if (rewrites.length === 0) return [update]
  return rewrites.map(({ name = update.name, from = update.from, to = update.to }) => ({
    name,
    from,
    to,
  }))
}

function linesOf(updates: readonly RefUpdate[]): string {
  return updates
    .map(({ name, from, to }) => `${from ?? ZERO_OID} ${to ?? ZERO_OID} ${name}\n`)
    .join('')
}

function branchOf(head: string): string {
  try {
    return /^ref: (refs\/heads\/.+)/.exec(readFileSync(head, 'utf8'))?.[1]?.trim() ?? ''
  } catch {
    return ''
  }
}
