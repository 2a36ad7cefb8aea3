/**
 * `datakit clone`: a repository of a DataKit server, into a bare Git directory.
 *
 * @module
 */
import { addressOf } from '@datakit/datakit/sync-exchange'
import type { Oid } from '@datakit/git/oid'
import { readdirSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename } from 'node:path'
import { parseArgs } from 'node:util'
import { openRepository, rememberUrl, syncWith } from '../clone-directory.ts'
import { CommandError, EXIT, type Command } from '../command.ts'
import { noteRemoteHead } from '../named-remote.ts'

const help = `Usage: datakit clone URL [DIR] [--json]

Clones a repository of a DataKit server (http://HOST/NAME.git) into DIR, a bare Git directory (NAME.git).
"datakit get", "log", "set" and "watch" work on it, and so does stock git.

  --json   print one line of JSON
  --help   this text

The token is the password in URL (kept in the clone's config, as git keeps it), or else DATAKIT_TOKEN. Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 nothing is there.`

export const cloneCommand: Command = {
  name: 'clone',
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: { json: { type: 'boolean', default: false } },
      allowPositionals: true,
    })
    const [url, folder = basename(url ?? '')] = positionals
    if (url === undefined || positionals.length > 2) {
      throw new CommandError('Expected URL and, if you like, DIR', EXIT.usage)
    }
    const shown = checkUrl(url)
    checkFree(folder)
    const head = await cloneInto(url, folder, terminal.signal).catch(async (error: unknown) => {
      await rm(folder, { recursive: true, force: true })
      throw error
    })
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

/** Clones, and gives where HEAD is. Branches without the one that HEAD names are a clone too. */
async function cloneInto(
  url: string,
  folder: string,
  signal: AbortSignal,
): Promise<{ readonly name: string; readonly oid: Oid | undefined }> {
  const repository = await openRepository(folder)
  try {
    const { branches } = await syncWith({ repository, url }, signal)
    const head = await repository.head()
    const name = 'ref' in head ? head.ref.replace('refs/heads/', '') : head.oid
    const oid = 'ref' in head ? await repository.branch(name).oid() : head.oid
    if (branches.length === 0)
      throw new CommandError(`Nothing is at ${checkUrl(url)} yet`, EXIT.notFound)
    await rememberUrl(folder, url)
    const ref = 'ref' in head ? head.ref : undefined
    await noteRemoteHead(folder, { repository, name: 'origin', head: ref })
    return { name, oid }
  } finally {
    await repository.close()
  }
}
