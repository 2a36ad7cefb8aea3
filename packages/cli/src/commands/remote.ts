/**
 * `datakit remote`: where other copies of a repository are.
 *
 * @module
 */
import {
  remoteOf,
  removeRemote,
  setRemoteUrl,
  type NamedRemote,
  type RemoteList,
} from '@datakit/datakit/remotes'
import type { Repository } from '@datakit/datakit/repository'
import type { RemoteSettings } from '@datakit/git/remote-list'
import { Remote, type RemoteOptions } from '@datakit/git/transport/remote'
import { splitUrl } from '@datakit/git/transport/remote-url'
import { setRemoteHead } from '@datakit/storage/git-directory/remote-head'
import { gitDirectoryRemotes } from '@datakit/storage/git-directory/remotes'
import { parseArgs } from 'node:util'
import { openBare } from '../clone-directory.ts'
import { CommandError, EXIT, type Command, type Terminal } from '../command.ts'
import { withRemote } from '../named-remote.ts'

const help = `Usage: datakit remote [list] [-C DIR] [--json]
       datakit remote add NAME URL [--filter SPEC] [--keep-password] [-C DIR]
       datakit remote set-url NAME URL [--keep-password] [-C DIR]
       datakit remote set-head NAME (BRANCH | --auto | --delete) [-C DIR]
       datakit remote remove NAME [-C DIR]

Names any Git server (http or https) that "datakit fetch", "pull" and "push" go to, in the config of the repository at DIR (.), as "git remote" does.
With a DataKit server there is less to do: "datakit sync" takes and sends at once.

  -C DIR           the repository
  --filter SPEC    leave files with it until they are wanted, as "git clone --filter" does: blob:none, blob:limit=1m, tree:0
  --keep-password  write the password of the URL down, for everyone who can read the config; else it is left out
  --auto           ask the remote where its HEAD is
  --delete         forget it
  --json           print one line of JSON
  --help           this text

set-head says which branch NAME stands for by itself (refs/remotes/NAME/HEAD, as Git has it); the first fetch does that too.
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
        filter: { type: 'string' },
        'keep-password': { type: 'boolean', default: false },
        auto: { type: 'boolean', default: false },
        delete: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
      allowPositionals: true,
    })
    const [verb = 'list', name = '', url = ''] = positionals
    const isTold = values.auto || values.delete
    if (values.auto && values.delete) throw wrongArguments()
    const counts = { list: 0, add: 2, 'set-url': 2, 'set-head': isTold ? 1 : 2, remove: 1 }
    const count = new Map(Object.entries(counts)).get(verb)
    if (Math.max(0, positionals.length - 1) !== count) throw wrongArguments()
    if (isTold && verb !== 'set-head') throw wrongArguments()
    if (verb === 'set-head')
      return setHead(terminal, { folder: values.directory, name, branch: url, how: values })
    const repository = await openBare(values.directory)
    try {
      const remotes = gitDirectoryRemotes(values.directory)
      if (verb === 'list') await list(remotes, terminal, values.json)
      const { filter, 'keep-password': keepsSecrets } = values
      if (verb === 'add') await add(remotes, { name, url, filter, keepsSecrets })
      if (verb === 'set-url') await setUrl(remotes, { name, url, keepsSecrets })
      if (verb === 'remove') await remove(repository, remotes, name)
      return EXIT.done
    } finally {
      await repository.close()
    }
  },
}

function wrongArguments(): CommandError {
  return new CommandError(
    'Expected list, add NAME URL, set-url NAME URL, set-head NAME with BRANCH, --auto or --delete, or remove NAME',
    EXIT.usage,
  )
}

function setHead(
  terminal: Terminal,
  wish: {
    readonly folder: string
    readonly name: string
    readonly branch: string
    readonly how: { readonly auto: boolean; readonly delete: boolean }
  },
): Promise<number> {
  const { folder, name, how } = wish
  return withRemote({ folder, name, terminal }, async ({ repository, remote, access }) => {
    const branch = how.auto ? await askHead(remote, access) : wish.branch
    if (!how.delete) {
      const tracked = `refs/remotes/${name}/${branch}`
      if ((await (await repository.store.state()).ref(tracked)) === undefined)
        throw new CommandError(
          `There is no "${tracked}": "datakit fetch ${name}" takes what the remote has`,
          EXIT.notFound,
        )
    }
    await setRemoteHead(folder, name, how.delete ? undefined : branch)
    if (how.auto) terminal.say(branch)
    return EXIT.done
  })
}

async function askHead({ name, url }: NamedRemote, access: RemoteOptions): Promise<string> {
  const refs = await new Remote(url, access).listRefs(['HEAD'])
  const target = refs.find((ref) => ref.name === 'HEAD')?.symref
  if (target?.startsWith('refs/heads/') === true) return target.slice('refs/heads/'.length)
  throw new CommandError(
    `"${name}" does not say which branch its HEAD is on: name the one that you want`,
    EXIT.notFound,
  )
}

async function setUrl(
  remotes: RemoteList,
  {
    name,
    ...settings
  }: { readonly name: string; readonly url: string; readonly keepsSecrets: boolean },
): Promise<void> {
  const isThere = await setRemoteUrl(remotes, name, settings).catch((error: unknown) => {
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error
    throw new CommandError(error.message, EXIT.usage, { cause: error })
  })
  if (!isThere)
    throw new CommandError(
      `There is no remote "${name}": "datakit remote add ${name} URL" makes it`,
      EXIT.notFound,
    )
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

async function add(remotes: RemoteList, settings: RemoteSettings): Promise<void> {
  try {
    await remotes.add(remoteOf(settings))
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error
    throw new CommandError(error.message, EXIT.usage, { cause: error })
  }
}

async function remove(repository: Repository, remotes: RemoteList, name: string): Promise<void> {
  if (await removeRemote(repository, remotes, name)) return
  throw new CommandError(
    `There is no remote "${name}": "datakit remote list" lists them`,
    EXIT.notFound,
  )
}
