/**
 * Where Chromium is looked for, on machines that have it in different places.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'

let folder = ''
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'datakit-chromium-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** A program at a path below the folder; its path. */
function program(path: string, script = 'exit 1'): string {
  const file = join(folder, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  return file
}

/** What `findChromium` says on a machine that has only the programs of this test. */
function find(environment: Record<string, string> = {}): string {
  const script = `import { findChromium } from ${JSON.stringify(join(import.meta.dirname, 'chromium.ts'))}
    try { console.log(findChromium()) } catch (error) { console.log(error.message) }`
  const env = {
    PATH: join(folder, 'bin'),
    HOME: folder,
    PLAYWRIGHT_BROWSERS_PATH: join(folder, 'playwright'),
    ...environment,
  }
  const stdio = ['ignore', 'pipe', 'ignore'] as const
  const args = ['--input-type=module', '-e', script]
  return execFileSync(process.execPath, args, { env, stdio: [...stdio] })
    .toString()
    .trim()
}

/** Where Playwright keeps its own on this machine. */
function playwrightPath(): string {
  const script = `import { chromium } from 'playwright'; console.log(chromium.executablePath())`
  const env = { PATH: '', PLAYWRIGHT_BROWSERS_PATH: join(folder, 'playwright') }
  const options = { env, cwd: import.meta.dirname }
  return execFileSync(process.execPath, ['--input-type=module', '-e', script], options)
    .toString()
    .trim()
}

const none =
  'Cannot find Chromium for the browser tests: install it (Debian: "apt-get install chromium"), or name it in CHROMIUM'

it('takes the one that CHROMIUM names before all others', () => {
  program('bin/chromium')
  const named = program('elsewhere/browser')
  expect(find({ CHROMIUM: named })).toBe(named)
})

it('says so when CHROMIUM names none', () => {
  program('bin/chromium')
  expect(find({ CHROMIUM: '/no/such' })).toBe(
    'Cannot run the browser that CHROMIUM names: "/no/such"',
  )
})

it('takes one on the PATH before it asks Playwright', () => {
  program('bin/playwright', `touch ${join(folder, 'asked')}; exit 1`)
  const chrome = program('bin/google-chrome')
  expect(find()).toBe(chrome)
  expect(existsSync(join(folder, 'asked'))).toBe(false)
})

it("asks Playwright for its own, and Debian's only when it has none", () => {
  const path = playwrightPath()
  const make = `/bin/mkdir -p ${dirname(path)}; echo > ${path}; /bin/chmod 755 ${path}`
  program('bin/playwright', `[ "$*" = "install chromium" ] || exit 2; ${make}`)
  program('bin/apt-get', `/bin/touch ${join(folder, 'asked')}`)
  expect(find()).toBe(path)
  expect(existsSync(join(folder, 'asked'))).toBe(false)
})

const isDebianRoot = process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')

it.runIf(isDebianRoot)("installs Debian's when Playwright has none", () => {
  program('bin/playwright')
  const chromium = join(folder, 'bin', 'chromium')
  program('bin/apt-get', `[ $1 = update ] || { echo > ${chromium}; /bin/chmod 755 ${chromium}; }`)
  expect(find()).toBe(chromium)
})

it('says what to install when none could be had', () => {
  program('bin/playwright')
  program('bin/apt-get')
  expect(find()).toBe(none)
})
