/**
 * `datakit remote`: where other copies of a repository are.
 *
 * @module
 */
import { remoteOf, removeRemote, type RemoteList } from '@datakit/datakit/remotes'
import type { Repository } from '@datakit/datakit/repository'
import { splitUrl } from '@datakit/git/transport/remote-url'
import { gitDirectoryRemotes } from '@datakit/storage/git-directory/remotes'
import { parseArgs } from 'node:util'
import { openBare } from '../clone-directory.ts'
import { CommandError, EXIT, type Command, type Terminal } from '../command.ts'

const help = `Usage: datakit remote [list] [-C DIR] [--json]
       datakit remote add NAME URL [--keep-password] [-C DIR]
       datakit remote remove NAME [-C DIR]

Names any Git server (http or https) that "datakit fetch", "pull" and "push" go to, in the config of the repository at DIR (.), as "git remote" does.
With a DataKit server there is less to do: "datakit sync" takes and sends at once.

  -C DIR           the repository
  --keep-password  write the password of the URL down, for everyone who can read the config; else it is left out
  --json           print one line of JSON
  --help           this text

remove also drops what was fetched: refs/remotes/NAME/*.
Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 nothing is there.`

export const remoteCommand: Command = {
  name: 'remote',
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: {
        directory: { type: 'string', short: 'C', default: '.' },
        'keep-password': { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
      allowPositionals: true,
    })
    const [verb = 'list', name = '', url = '', ...more] = positionals
    const counts: Record<string, number> = { list: 0, add: 2, remove: 1 }
    if (
      !Object.hasOwn(counts, verb) ||
      more.length > 0 ||
      positionals.length - 1 > (counts[verb] ?? 0)
    )
      throw new CommandError('Expected list, add NAME URL or remove NAME', EXIT.usage)
    if ((verb !== 'list' && name === '') || (verb === 'add' && url === ''))
      throw new CommandError('Expected list, add NAME URL or remove NAME', EXIT.usage)
    const repository = await openBare(values.directory)
    try {
      const remotes = gitDirectoryRemotes(values.directory)
      if (verb === 'list') await list(remotes, terminal, values.json)
      if (verb === 'add') await add(remotes, { name, url, keepsSecrets: values['keep-password'] })
      if (verb === 'remove') await remove(repository, remotes, name)
      return EXIT.done
    } finally {
      await repository.close()
    }
  },
}

async function list(remotes: RemoteList, terminal: Terminal, json: boolean): Promise<void> {
  const all = (await remotes.list()).map((remote) => ({ ...remote, url: shown(remote.url) }))
  if (json) terminal.say(JSON.stringify({ remotes: all }))
  else for (const { name, url } of all) terminal.say(`${name}\t${url}`)
}

/** A URL of stock Git's may be of another kind, and has no secret that we know of then. */
function shown(url: string): string {
  return /^https?:/i.test(url) ? splitUrl(url).url : url
}

async function add(
  remotes: RemoteList,
  settings: { readonly name: string; readonly url: string; readonly keepsSecrets: boolean },
): Promise<void> {
  try {
    await remotes.add(remoteOf(settings))
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error
    throw new CommandError(error.message, EXIT.usage, { cause: error })
  }
}

async function remove(repository: Repository, remotes: RemoteList, name: string): Promise<void> {
  if (await removeRemote(repository, remotes, name)) return
  throw new CommandError(`There is no remote "${name}"`, EXIT.notFound)
}
