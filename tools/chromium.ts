/**
 * Finds a Chromium for the browser tests, or gets one: `$CHROMIUM`, the PATH, Playwright's download, Debian's package.
 *
 * @module
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { chromium } from 'playwright'

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome']

/**
 * Path of a Chromium that can be run, installed first when there is none.
 *
 * @throws Error that says what to install, when none could be had
 */
export function findChromium(): string {
  const found = fromEnvironment() ?? fromPath() ?? fromPlaywright() ?? fromDebian()
  if (found !== undefined) return found
  throw new Error(
    'Cannot find Chromium for the browser tests: install it (Debian: "apt-get install chromium"), or name it in CHROMIUM',
  )
}

function fromEnvironment(): string | undefined {
  const named = process.env['CHROMIUM']
  if (named === undefined || named === '') return undefined
  if (canRun(named)) return named
  throw new Error(`Cannot run the browser that CHROMIUM names: "${named}"`)
}

function fromPath(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(canRun)
}

function fromPlaywright(): string | undefined {
  const path = chromium.executablePath()
  if (path !== '' && existsSync(path)) return path
  console.error('No Chromium on the PATH; asking Playwright for its own…')
  // Playwright retries a dead network for minutes; a machine without one gets its answer sooner.
  const result = spawnSync('playwright', ['install', 'chromium'], {
    stdio: ['ignore', 2, 2],
    timeout: 300_000,
  })
  return result.status === 0 && existsSync(path) ? path : undefined
}

function fromDebian(): string | undefined {
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return undefined
  console.error("Installing Debian's chromium…")
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  try {
    execFileSync('apt-get', ['update', '-qq'], { stdio: ['ignore', 2, 2], env: environment })
    execFileSync('apt-get', ['install', '-y', '-qq', 'chromium'], {
      stdio: ['ignore', 2, 2],
      env: environment,
    })
  } catch {
    return undefined
  }
  return fromPath()
}

function canRun(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
