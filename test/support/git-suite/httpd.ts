/**
 * Httpd: the program that Git's own HTTP tests start and stop as if it were Apache. `SUITE_SERVER` says who answers for
 * Git: `ours` starts `datakit serve` over the repositories, as a person would; `stock` runs `git http-backend`.
 *
 * `-d FOLDER -c "Listen HOST:PORT" -k start|stop`, and whatever else is Apache's.
 *
 * @module
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gateway, inherited, OTHER_COMMITTER } from './gateway.ts'

const main = join(import.meta.dirname, '..', '..', '..', 'packages', 'cli', 'src', 'main.ts')

function valueOf(option: string): string {
  return process.argv[process.argv.indexOf(option) + 1] ?? ''
}

const folder = valueOf('-d')
const pidFile = join(folder, 'httpd.pid')
const act = valueOf('-k')
if (act === 'start') await start()
else if (act === 'stop') stop()
else await run()

/** Leaves a server behind, and ends when it listens. */
async function start(): Promise<void> {
  const out = openSync(join(folder, 'error.log'), 'a')
  const args = process.argv.slice(2).map((arg) => (arg === 'start' ? 'run' : arg))
  const child = spawn(process.execPath, [import.meta.filename, ...args], {
    detached: true,
    stdio: ['ignore', out, out, 'ipc'],
  })
  closeSync(out)
  const [event] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => ['exit']),
  ])) as [string]
  if (event === 'exit') process.exitCode = 1
  child.disconnect()
  child.unref()
}

function stop(): void {
  if (existsSync(pidFile)) process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGTERM')
  rmSync(pidFile, { force: true })
}

async function run(): Promise<void> {
  const children: ChildProcess[] = []
  const end = (): void => {
    for (const child of children) child.kill('SIGKILL')
    process.exit(0)
  }
  process.on('SIGTERM', end)
  const port = Number(/:(\d+)$/.exec(valueOf('-c'))?.[1])
  const www = join(folder, 'www')
  mkdirSync(www, { recursive: true })
  const serve = async (environment: NodeJS.ProcessEnv): Promise<string> => {
    const { child, url } = await startOurs(www, environment)
    children.push(child)
    return url
  }
  const isOurs = process.env['SUITE_SERVER'] === 'ours'
  const plain = isOurs ? await serve({}) : undefined
  let other: Promise<string> | undefined
  const otherCommitter = (): Promise<string> => (other ??= serve(OTHER_COMMITTER))
  const server = gateway({
    folder,
    ours: plain === undefined ? undefined : { plain, otherCommitter },
  })
  server.listen(port, '127.0.0.1', () => {
    writeFileSync(pidFile, String(process.pid))
    process.send?.('listening')
  })
}

interface Served {
  readonly child: ChildProcess
  readonly url: string
}

async function startOurs(root: string, environment: NodeJS.ProcessEnv): Promise<Served> {
  const child = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      main,
      'serve',
      '--root',
      root,
      '--port',
      '0',
      '--json',
    ],
    { env: { ...inherited(), ...environment }, stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  return { child, url: (JSON.parse(line.toString()) as { url: string }).url }
}
