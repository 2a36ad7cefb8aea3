/**
 * `datakit serve`: any folder of bare repositories, over HTTP.
 *
 * @module
 */
import { parseArgs } from 'node:util'
import { parseOrigins, type CorsOrigins } from '@datakit/server/cors'
import { CommandError, EXIT, type Command, type Terminal } from '../command.ts'
import { ServerError, startServer } from '../server.ts'

const help = `Usage: datakit serve [--root DIR] [--host HOST] [--port N] [--web DIR] [--cors ORIGIN] [--protect REF] [--json]

Serves the bare Git repositories under DIR to stock Git and to DataKit's own clients.
DIR/NAME.git is http://HOST:PORT/NAME.git; the first push or sync to a name creates it.

  --root DIR    folder of the repositories (.); --data is the same
  --host HOST   address to listen on (127.0.0.1); beyond loopback a token is required
  --port N      port to listen on (8787), 0 for any
  --web DIR     folder of the built web app
  --cors ORIGIN let pages of another origin read the data, as https://editor.example;
                "*" lets every page. May be given more than once
  --protect REF let these refs only move forward, and keep them from being deleted: main,
                release/*, refs/tags. May be given more than once
  --json        print one line of JSON when it listens
  --help        this text

The token is read from DATAKIT_TOKEN. Exit codes: 0 stopped, 1 cannot start, 2 wrong arguments.`

export const serveCommand: Command = {
  name: 'serve',
  help,
  async run(args, terminal) {
    const options = parse(args)
    const server = await startServer(options).catch((error: unknown) => {
      throw error instanceof ServerError
        ? new CommandError(error.message, EXIT.failed, { cause: error })
        : error
    })
    if (options.json) terminal.say(JSON.stringify({ url: server.url, root: options.root }))
    else greet(terminal, server.url, options)
    await stopped(terminal.signal)
    await server.stop()
    return EXIT.done
  },
}

interface ServeOptions {
  readonly root: string
  readonly host: string
  readonly port: number
  readonly web: string | undefined
  readonly token: string | undefined
  readonly cors: CorsOrigins
  readonly protect: readonly string[]
  readonly json: boolean
}

function parse(args: readonly string[]): ServeOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      root: { type: 'string' },
      data: { type: 'string' },
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '8787' },
      web: { type: 'string' },
      cors: { type: 'string', multiple: true, default: [] },
      protect: { type: 'string', multiple: true, default: [] },
      json: { type: 'boolean', default: false },
    },
  })
  const token = process.env['DATAKIT_TOKEN'] ?? ''
  return {
    root: values.data ?? values.root ?? '.',
    host: values.host,
    port: parsePort(values.port),
    web: values.web,
    token: token === '' ? undefined : token,
    cors: parseCors(values.cors),
    protect: values.protect,
    json: values.json,
  }
}

function parseCors(settings: readonly string[]): CorsOrigins {
  try {
    return settings.flatMap(parseOrigins)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new CommandError(error.message, EXIT.usage, { cause: error })
  }
}

function parsePort(text: string): number {
  const port = Number(text)
  if (/^\d+$/.test(text) && port <= 65535) return port
  throw new CommandError(`Not a port: "${text}" (expected 0 to 65535)`, EXIT.usage)
}

function greet(terminal: Terminal, url: string, options: ServeOptions): void {
  terminal.say(
    `DataKit serves ${options.root} on ${url}${options.token === undefined ? '' : ' (token required)'}`,
  )
  terminal.say('')
  if (options.web !== undefined) terminal.say(`  open       ${url}/`)
  terminal.say(`  git clone  ${url}/NAME.git`)
  terminal.say(`  git push   ${url}/NAME.git main    (the first push creates it)`)
}

function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
