#!/usr/bin/env node
/**
 * `datakit`: arguments → a command; errors → one line and an exit code.
 *
 * @module
 */
import { PathError } from '@datakit/datakit/error'
import { CommandError, EXIT, type Command, type Terminal } from './command.ts'
import { onStopSignal } from './stop-signals.ts'

/** What there is, and how it is loaded: a command that is not run costs nothing. */
const commands: readonly {
  readonly name: string
  readonly summary: string
  readonly load: () => Promise<Command>
}[] = [
  {
    name: 'clone',
    summary: 'clone a repository into a folder',
    load: async () => (await import('./commands/clone.ts')).cloneCommand,
  },
  {
    name: 'get',
    summary: 'print a file, or the names in a directory',
    load: async () => (await import('./commands/get.ts')).getCommand,
  },
  {
    name: 'set',
    summary: 'change a file in a commit',
    load: async () => (await import('./commands/set.ts')).setCommand,
  },
  {
    name: 'sync',
    summary: 'send what is here, take what is there, decide what is open',
    load: async () => (await import('./commands/sync.ts')).syncCommand,
  },
  {
    name: 'log',
    summary: 'list the commits, of one path or of all',
    load: async () => (await import('./commands/log.ts')).logCommand,
  },
  {
    name: 'watch',
    summary: 'print a file whenever it changes',
    load: async () => (await import('./commands/watch.ts')).watchCommand,
  },
  {
    name: 'remote',
    summary: 'name other Git servers',
    load: async () => (await import('./commands/remote.ts')).remoteCommand,
  },
  {
    name: 'fetch',
    summary: 'take what a Git server has',
    load: async () => (await import('./commands/fetch.ts')).fetchCommand,
  },
  {
    name: 'pull',
    summary: 'take it into a branch',
    load: async () => (await import('./commands/pull.ts')).pullCommand,
  },
  {
    name: 'conflicts',
    summary: 'show what a pull or a sync could not merge',
    load: async () => (await import('./commands/conflicts.ts')).conflictsCommand,
  },
  {
    name: 'resolve',
    summary: 'decide it, path by path and key by key',
    load: async () => (await import('./commands/resolve.ts')).resolveCommand,
  },
  {
    name: 'push',
    summary: 'bring branches and tags to a Git server',
    load: async () => (await import('./commands/push.ts')).pushCommand,
  },
  {
    name: 'bundle',
    summary: 'write a repository to a file, and take it from one',
    load: async () => (await import('./commands/bundle.ts')).bundleCommand,
  },
  {
    name: 'fsck',
    summary: 'check a repository, or a folder of them',
    load: async () => (await import('./commands/fsck.ts')).fsckCommand,
  },
  {
    name: 'repair',
    summary: 'mend what fsck finds',
    load: async () => (await import('./commands/repair.ts')).repairCommand,
  },
  {
    name: 'serve',
    summary: 'serve a folder of bare repositories over HTTP',
    load: async () => (await import('./commands/serve.ts')).serveCommand,
  },
]

const help = `Usage: datakit COMMAND [ARGUMENTS]

Configuration in Git: pull it, read it, change it, watch it, serve it.

${commands.map(({ name, summary }) => `  ${name.padEnd(10)}${summary}`).join('\n')}

"datakit COMMAND --help" tells more. Every command takes --json.
Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 not found, 4 conflict, 5 refused, 6 gone.`

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  const [name = '--help', ...rest] = args
  if (name === '--help' || name === 'help' || name === '-h') {
    console.log(help)
    return args.length === 0 ? EXIT.usage : EXIT.done
  }
  const found = commands.find((candidate) => candidate.name === name)
  if (found === undefined) {
    console.error(`datakit: there is no command "${name}"; "datakit --help" lists them`)
    return EXIT.usage
  }
  const command = await found.load()
  if (rest.includes('--help') || rest.includes('-h')) {
    console.log(command.help)
    return EXIT.done
  }
  return run(command, rest)
}

async function run(command: Command, args: readonly string[]): Promise<number> {
  try {
    return await command.run(args, terminal())
  } catch (error) {
    return report(command, error, args.includes('--json'))
  }
}

function terminal(): Terminal {
  const controller = new AbortController()
  onStopSignal(() => controller.abort())
  return {
    say: (line) => console.log(line),
    write: (bytes) => void process.stdout.write(bytes),
    warn: (line) => console.error(line),
    signal: controller.signal,
  }
}

function report(command: Command, error: unknown, json: boolean): number {
  const message = error instanceof Error ? error.message : String(error)
  const code =
    error instanceof Error && 'code' in error && typeof error.code === 'string'
      ? error.code
      : 'failed'
  const facts = error instanceof CommandError ? error.facts : {}
  if (json) console.log(JSON.stringify({ error: { code, message, ...facts } }))
  console.error(`datakit ${command.name}: ${message}`)
  if (code.startsWith('ERR_PARSE_ARGS')) {
    console.error(`"datakit ${command.name} --help" says what it takes`)
    return EXIT.usage
  }
  // A path that cannot be one, or that leads to something else than was meant, is a wrong argument.
  if (error instanceof PathError) return EXIT.usage
  return error instanceof CommandError ? error.exit : EXIT.failed
}
