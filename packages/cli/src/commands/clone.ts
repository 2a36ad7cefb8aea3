/**
 * `datakit clone`: a repository of a DataKit server, into a bare Git directory; or a part of one, of any Git server.
 *
 * @module
 */
import { addressOf } from '@datakit/datakit/server-address'
import { SyncError } from '@datakit/datakit/error'
import { setChoice, type SyncChoice } from '@datakit/datakit/sync-choice'
import type { Repository } from '@datakit/datakit/repository'
import type { Oid } from '@datakit/git/oid'
import { readdirSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename } from 'node:path'
import { parseArgs } from 'node:util'
import { CHOICE_HELP, CHOICE_OPTIONS, choiceOf } from '../choice-options.ts'
import { openRepository, rememberUrl, syncWith, tokenFor } from '../clone-directory.ts'
import { CommandError, EXIT, parseDepth, withExit, type Command } from '../command.ts'
import { noteRemoteHead } from '../named-remote.ts'
import { clonePart, type CloneParts } from '../partial-clone.ts'

const help = `Usage: datakit clone URL [DIR] [--branch NAME]… [--path PATH]… [--blob-limit SIZE] [--json]
       datakit clone URL [DIR] [--filter SPEC] [--depth N] [--json]

Clones a repository of a DataKit server (http://HOST/NAME.git) into DIR, a bare Git directory (NAME.git).
"datakit get", "log", "set" and "watch" work on it, and so does stock git.

${CHOICE_HELP}
  --filter SPEC      leave files with the server until they are wanted, as "git clone --filter" does: blob:none, blob:limit=1m, tree:0
  --depth N          cut history off behind N commits of each branch
  --json             print one line of JSON
  --help             this text

With --branch, --path or --blob-limit every later sync asks for that part, until "datakit sync" is told another one; the rest comes when it is read.
With --filter or --depth URL may be that of any Git server. Commands then fetch and push the branch of HEAD as Git does, and get what is
lacking when it is read; "datakit sync" works where it is a DataKit server, and brings everything. "git config datakit.sync true" makes that the rule.

The token is the password in URL (kept in the clone's config, as git keeps it), or else DATAKIT_TOKEN. Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 nothing is there, 5 refused.`

export const cloneCommand: Command = {
  name: 'clone',
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: {
        ...CHOICE_OPTIONS,
        filter: { type: 'string' },
        depth: { type: 'string' },
        json: { type: 'boolean', default: false },
      },
      allowPositionals: true,
    })
    const [url, folder = basename(url ?? '')] = positionals
    if (url === undefined || positionals.length > 2) {
      throw new CommandError('Expected URL and, if you like, DIR', EXIT.usage)
    }
    const shown = checkUrl(url)
    const { filter, depth } = values
    const choice = choiceOf(values)
    const parts = { filter, depth: depth === undefined ? undefined : parseDepth(depth) }
    if (choice !== undefined && (filter !== undefined || depth !== undefined))
      throw new CommandError(
        '--filter and --depth are of Git, --branch, --path and --blob-limit of DataKit: take one or the other',
        EXIT.usage,
      )
    checkFree(folder)
    const head = await cloneInto({ url, folder, parts, choice }, terminal.signal).catch(
      async (error: unknown) => {
        await rm(folder, { recursive: true, force: true })
        throw error
      },
    )
    if (head.oid === undefined) {
      terminal.warn(`datakit clone: HEAD is ${head.name}, which has no commit`)
    }
    const at = head.oid === undefined ? '' : `, at ${head.oid}`
    terminal.say(
      values.json
        ? JSON.stringify({ folder, head: head.oid })
        : `Cloned ${shown} into ${folder}${at}`,
    )
    return EXIT.done
  },
}

/** @throws CommandError when something is there that a clone would have to make room for */
function checkFree(folder: string): void {
  const there = statSync(folder, { throwIfNoEntry: false })
  if (there === undefined) return
  if (!there.isDirectory()) throw new CommandError(`"${folder}" is a file`, EXIT.usage)
  if (readdirSync(folder).length > 0)
    throw new CommandError(`"${folder}" is there already and not empty`, EXIT.usage)
}

/** The URL without the token. */
function checkUrl(url: string): string {
  try {
    return addressOf({ url }).url
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new CommandError(error.message, EXIT.usage)
  }
}

/** What is cloned, and where to. */
interface CloneRequest {
  readonly url: string
  readonly folder: string
  readonly parts: CloneParts
  readonly choice: SyncChoice | undefined
}

/** Clones, and gives where HEAD is. Branches without the one that HEAD names are a clone too. */
async function cloneInto(
  request: CloneRequest,
  signal: AbortSignal,
): Promise<{ readonly name: string; readonly oid: Oid | undefined }> {
  const { url, folder } = request
  const repository = await openRepository(folder)
  try {
    const remoteHead = await take(repository, request, signal)
    const head = await repository.head()
    const name = 'ref' in head ? head.ref.replace('refs/heads/', '') : head.oid
    const oid = 'ref' in head ? await repository.branch(name).oid() : head.oid
    if ((await repository.branches()).length === 0)
      throw new CommandError(`Nothing is at ${checkUrl(url)} yet`, EXIT.notFound)
    const noted = remoteHead ?? ('ref' in head ? head.ref : undefined)
    await noteRemoteHead(folder, { repository, name: 'origin', head: noted })
    return { name, oid }
  } finally {
    await repository.close()
  }
}

/** Brings what is wanted, and writes down where it came from. The remote's HEAD is given where it says so. */
async function take(
  repository: Repository,
  { url, folder, parts, choice }: CloneRequest,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (parts.filter !== undefined || parts.depth !== undefined) {
    const access = { token: tokenFor('origin'), signal }
    try {
      return await clonePart({ repository, folder, url }, parts, access)
    } catch (error) {
      throw withExit(error)
    }
  }
  if (choice !== undefined) {
    // Git must know where it can fetch from before anything is left there; the first update makes the directory.
    await setChoice(repository, choice)
    await rememberUrl(folder, url)
  }
  const { branches } = await syncWith({ repository, url }, signal).catch((cause: unknown) => {
    if (!(cause instanceof SyncError) || cause.code !== 'not-datakit') throw cause
    const way = '"--filter=blob:none" or "--depth N" clones from any Git server'
    throw new CommandError(`${cause.message}; ${way}`, EXIT.failed, { cause, code: cause.code })
  })
  if (branches.length > 0 && choice === undefined) await rememberUrl(folder, url)
  return undefined
}
