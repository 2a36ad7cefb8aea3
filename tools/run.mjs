/**
 * The door to every npm script: installs what is missing, finds a Node that is new enough, and hands over to
 * `tools/tasks.ts`. Plain JavaScript without dependencies, since it runs before anything is installed, on any Node.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { endTogether, findNode, noNode, versionAtLeast } from '../packages/cli/bin/find-node.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const stamp = join(root, 'node_modules', '.datakit-installed')
function fail(sentence) {
  console.error(sentence)
  process.exit(1)
}

function fingerprint() {
  const hash = createHash('sha256')
  hash.update(readFileSync(join(root, 'package-lock.json')))
  hash.update(`${process.platform} ${process.arch}`)
  return hash.digest('hex')
}

function install() {
  const wanted = fingerprint()
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  console.error('Installing what DataKit needs (about a minute, this once)…')
  const npm = process.env.npm_execpath
  const [command, first] = npm === undefined ? ['npm', []] : [process.execPath, [npm]]
  const options = [
    'ci',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    '--include=dev',
    '--include=optional',
  ]
  const result = spawnSync(command, [...first, ...options], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: npm === undefined && process.platform === 'win32',
  })
  if (result.status !== 0)
    fail(
      'Cannot install: npm ci failed; its message is above. Check the network and run the same command again.',
    )
  writeFileSync(stamp, wanted)
}

/**
 * npm passes SIGTERM on to the shell that it runs scripts in and ends; the shell dies without a word to us. That its end is
 * meant for us is seen by the parent that is gone.
 */
function endWithParent(child) {
  const parent = process.ppid
  const watch = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(watch)
    child.kill('SIGTERM')
  }, 200)
}

if (!versionAtLeast(20, 0))
  fail(
    `DataKit needs Node 20 or newer; this is ${process.version}. Install one from nodejs.org and run the same command again.`,
  )
install()

const node = findNode(root) ?? fail(noNode("DataKit's tools need"))
const path = [dirname(node), join(root, 'node_modules', '.bin'), process.env.PATH ?? ''].join(
  delimiter,
)
const child = spawn(
  node,
  [
    '--disable-warning=ExperimentalWarning',
    join(root, 'tools', 'tasks.ts'),
    ...process.argv.slice(2),
  ],
  {
    stdio: 'inherit',
    env: { ...process.env, PATH: path },
  },
)
if (process.env.npm_lifecycle_event !== undefined) endWithParent(child)
endTogether(child)
