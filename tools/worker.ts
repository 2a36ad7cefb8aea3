/**
 * The real Worker in workerd, with a local R2 that persists in a folder: `npm run worker`, and what tests and
 * benchmarks start.
 *
 * It runs on Miniflare's own API rather than on `wrangler dev`, which was seen to die when clients went away in
 * mid-stream.
 *
 * @module
 */
import { onStopSignal } from '@datakit/cli/stop-signals'
import { build } from 'esbuild'
import type { Bucket } from '@datakit/storage/r2'
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare'
import { mkdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

const help = `Usage: npm run worker -- [--port N] [--data DIR] [--token TOKEN] [--coordinated]

Runs the Worker in workerd on 127.0.0.1, with a local R2 bucket that is kept in DIR.

  --port N       port to listen on (8788)
  --data DIR     folder of the bucket (data-worker, beside package.json)
  --token TOKEN  want this token for all data (or DATAKIT_TOKEN); without one only this machine's own pages are served
  --coordinated  let a Durable Object gather the pushes to a repository that come together, and keep WebSockets of those who watch
  --help         this text`

/** What a Worker is started with. */
export interface WorkerOptions {
  /** 0 for any that is free. */
  readonly port: number
  /** Folder of the bucket. */
  readonly data: string
  readonly token?: string | undefined
  /** Further variables, for tests. */
  readonly variables?: Readonly<Record<string, string>>
  /** Port for a debugger; none listens when left out. */
  readonly inspectorPort?: number | undefined
  /** Whether a Durable Object gathers the updates of a repository. */
  readonly coordinated?: boolean | undefined
  /** The module to run instead of the Worker's own, for tests that wrap it. */
  readonly entry?: string | undefined
}

/** A Worker that runs. */
export interface RunningWorker {
  /** `http://127.0.0.1:PORT`, without a slash at the end. */
  readonly url: string
  /** The bucket, as the Worker sees it, for tests. */
  bucket(): Promise<Bucket>
  /** Ends workerd; what was acknowledged is in the folder. */
  stop(): Promise<void>
}

/** Starts the Worker; it answers when the promise resolves. @throws Error when the port is in use */
export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  await checkPort(options.port)
  const data = resolve(options.data)
  mkdirSync(data, { recursive: true })
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: '127.0.0.1',
      port: options.port,
      ...(options.inspectorPort === undefined ? {} : { inspectorPort: options.inspectorPort }),
      log: new Log(LogLevel.ERROR),
      modules: true,
      script: await bundleWorker(options.entry),
      ...settings(),
      bindings: {
        // This variable alone opens a Worker without a token, and only to this machine.
        DATAKIT_OPEN: 'loopback',
        ...(options.token === undefined ? {} : { DATAKIT_TOKEN: options.token }),
        ...options.variables,
      },
      r2Buckets: { BUCKET: 'datakit' },
      ...(options.coordinated === true
        ? { durableObjects: { COORDINATOR: { className: 'Coordinator', useSQLite: true } } }
        : {}),
      resourcePersistencePath: data,
      assets: {
        directory: join(root, 'web', 'dist'),
        binding: 'ASSETS',
        routerConfig: { invoke_user_worker_ahead_of_assets: true, has_user_worker: true },
      },
    }),
  )
  const url = (await miniflare.ready).href.replace(/\/$/, '')
  return {
    url,
    bucket: () => miniflare.getR2Bucket('BUCKET'),
    stop: () => miniflare.dispose(),
  }
}

/** The Worker as one module, as it is deployed. */
export async function bundleWorker(
  entry = join(root, 'worker', 'src', 'main.ts'),
): Promise<string> {
  const result = await build({
    entryPoints: [entry],
    bundle: true,
    format: 'esm',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['node:*', 'cloudflare:*'],
    write: false,
    logLevel: 'silent',
  })
  const [output] = result.outputFiles
  if (output === undefined) throw new Error('Cannot bundle the Worker: esbuild wrote nothing')
  return output.text
}

/** Date and flags of compatibility, from the file that a deployment uses. */
function settings(): { compatibilityDate: string; compatibilityFlags: string[] } {
  const toml = readFileSync(join(root, 'wrangler.toml'), 'utf8')
  const date = /^compatibility_date = "(.+)"$/m.exec(toml)?.[1]
  const flags = /^compatibility_flags = \[(.+)\]$/m.exec(toml)?.[1]
  if (date === undefined || flags === undefined)
    throw new Error(
      'Cannot read wrangler.toml: expected compatibility_date and compatibility_flags',
    )
  return {
    compatibilityDate: date,
    compatibilityFlags: flags.split(',').map((flag) => flag.trim().replaceAll('"', '')),
  }
}

/** Says plainly when the port is in use; workerd would only write it among its own messages. */
function checkPort(port: number): Promise<void> {
  if (port === 0) return Promise.resolve()
  return new Promise((resolvePort, reject) => {
    const probe = createServer()
    probe.once('error', (error: NodeJS.ErrnoException) => {
      const why =
        error.code === 'EADDRINUSE'
          ? 'another program listens there; choose another with --port'
          : error.message
      reject(new Error(`Cannot listen on 127.0.0.1:${port}: ${why}`))
    })
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolvePort()))
  })
}

/** Wrong arguments. */
class UsageError extends Error {
  override readonly name = 'UsageError'
}

function isUsageError(error: unknown): boolean {
  if (error instanceof UsageError) return true
  return (
    error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
  )
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '8788' },
      data: { type: 'string', default: join(root, 'data-worker') },
      token: { type: 'string', default: process.env['DATAKIT_TOKEN'] ?? '' },
      coordinated: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return console.log(help)
  const port = Number(values.port)
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    throw new UsageError(`Not a port: "${values.port}" (expected 0 to 65535)`)
  const worker = await startWorker({
    port,
    data: values.data,
    token: values.token === '' ? undefined : values.token,
    coordinated: values.coordinated,
  })
  console.log(
    `DataKit's Worker runs in workerd on ${worker.url} (bucket in ${resolve(values.data)})\n\n  git clone ${worker.url}/NAME.git`,
  )
  onStopSignal(() => void worker.stop().then(() => process.exit(0)))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = isUsageError(error) ? 2 : 1
  })
}
