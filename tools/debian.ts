/**
 * Debian's packages, for clients that come from there: installed when they are missing and this may be done here.
 *
 * @module
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/** What is wrong when packages are missing and cannot be installed; `undefined` when all are there. */
export function installPackages(names: readonly string[]): string | undefined {
  if (!existsSync('/usr/bin/dpkg-query')) return `they come from Debian: ${names.join(', ')}`
  const missing = names.filter((name) => !isInstalled(name))
  if (missing.length === 0) return undefined
  if (process.getuid?.() === 0) install(missing)
  const absent = missing.filter((name) => !isInstalled(name))
  if (absent.length === 0) return undefined
  return `Debian's packages are missing: "apt-get install ${absent.join(' ')}"`
}

function isInstalled(name: string): boolean {
  const { status, stdout } = spawnSync('dpkg-query', ['-W', '-f', '${db:Status-Status}', name])
  return status === 0 && stdout.toString() === 'installed'
}

function install(names: readonly string[]): void {
  console.error(`Installing Debian's ${names.join(', ')}…`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const apt = (...args: readonly string[]): void => {
    execFileSync('apt-get', ['-qq', ...args], { env, stdio: ['ignore', 'ignore', 2] })
  }
  try {
    apt('update')
    apt('install', '-y', '--no-install-recommends', ...names)
  } catch (error) {
    // apt-get has said why; what is missing is named by whoever asked for it.
    console.error(error instanceof Error ? error.message : String(error))
  }
}
