/**
 * `datakit clone`: a repository of a DataKit server, into a bare Git directory.
 *
 * @module
 */
import { readdirSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename } from 'node:path'
import { parseArgs } from 'node:util'
import { openRepository, rememberUrl, syncWith } from '../clone-directory.ts'
import { CommandError, EXIT, type Command } from '../command.ts'

const help = `Usage: datakit clone URL [DIR] [--json]

Clones a repository of a DataKit server (http://HOST/NAME.git) into DIR, a bare Git directory (NAME.git).
"datakit get", "log", "set" and "watch" work on it, and so does stock git.

  --json   print one line of JSON
  --help   this text

The token is read from DATAKIT_TOKEN. Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 nothing is there.`

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
    checkFree(folder)
    const head = await cloneInto(url, folder, terminal.signal).catch(async (error: unknown) => {
      await rm(folder, { recursive: true, force: true })
      throw error
    })
    terminal.say(
      values.json ? JSON.stringify({ folder, head }) : `Cloned ${url} into ${folder}, at ${head}`,
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

/** Clones, and gives the oid of the head. */
async function cloneInto(url: string, folder: string, signal: AbortSignal): Promise<string> {
  const repository = await openRepository(folder)
  try {
    await syncWith(repository, url, signal)
    const head = await repository.head()
    const oid =
      'ref' in head ? await repository.branch(head.ref.replace('refs/heads/', '')).oid() : head.oid
    if (oid === undefined) throw new CommandError(`Nothing is at ${url} yet`, EXIT.notFound)
    await rememberUrl(folder, url)
    return oid
  } finally {
    await repository.close()
  }
}
