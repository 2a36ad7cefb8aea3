/**
 * Firefox and WebKit for the tests in browsers: Debian's own builds, started at the address of a test page. WebKitGTK's MiniBrowser
 * is the nearest to Safari that runs here; it has no mode without a window, and gets a screen that nobody sees.
 *
 * @module
 */
import { defineBrowserProvider } from '@vitest/browser'
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BrowserProviderOption } from 'vitest/node'

/** What is started, and how: `profile` is an empty folder. */
interface Program {
  readonly packages: readonly string[]
  command(
    profile: string,
    rest: readonly string[],
  ): { readonly path: string; readonly args: readonly string[] }
  environment(profile: string): Readonly<Record<string, string>>
}

/** Nothing of Firefox's own is to go out or to come up. */
const PREFERENCES = {
  'app.normandy.enabled': false,
  'app.update.enabled': false,
  'browser.aboutwelcome.enabled': false,
  // Pages that were seen are opened again, out of sight, for pictures of them.
  'browser.pagethumbnails.capturing_disabled': true,
  'browser.newtabpage.enabled': false,
  'browser.sessionstore.resume_from_crash': false,
  'browser.shell.checkDefaultBrowser': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'dom.disable_open_during_load': false,
  'extensions.getAddons.cache.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,',
  'toolkit.startup.max_resumed_crashes': -1,
  'toolkit.telemetry.enabled': false,
}

const MINI_BROWSERS = '/usr/lib/*/webkit2gtk-4.*/MiniBrowser'

const programs: Readonly<Record<string, Program>> = {
  firefox: {
    packages: ['firefox-esr'],
    command(profile, rest) {
      const lines = Object.entries(PREFERENCES).map(
        ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
      )
      writeFileSync(join(profile, 'user.js'), lines.join(''))
      return {
        path: '/usr/bin/firefox-esr',
        args: ['--headless', '--no-remote', '--profile', profile, ...rest],
      }
    },
    environment: (profile) => ({ HOME: profile }),
  },
  webkit: {
    packages: ['webkit2gtk-driver', 'xvfb', 'xauth'],
    command: (_, rest) => ({
      path: '/usr/bin/xvfb-run',
      args: ['--auto-servernum', globSync(MINI_BROWSERS)[0] ?? 'MiniBrowser', ...rest],
    }),
    environment: (profile) => ({
      HOME: profile,
      XDG_DATA_HOME: profile,
      XDG_CACHE_HOME: profile,
      XDG_CONFIG_HOME: profile,
      LIBGL_ALWAYS_SOFTWARE: '1',
    }),
  },
}

/** Debian's packages that the browsers come from. */
export const BROWSER_PACKAGES: readonly string[] = Object.values(programs).flatMap(
  ({ packages }) => packages,
)

/**
 * Starts a browser with its profile in a folder, which is empty or was left by an earlier one; `rest` is the address that it opens,
 * and options of its own. It is the first of a process group of its own: browsers are many processes.
 *
 * @throws Error when there is no such browser, or it is not installed
 */
export function startBrowser(
  name: string,
  profile: string,
  ...rest: readonly string[]
): ChildProcess {
  const program = programs[name]
  if (program === undefined) throw new Error(`Cannot start the browser "${name}": unknown`)
  const { path, args } = program.command(profile, rest)
  if (!existsSync(path)) {
    const packages = program.packages.join(' ')
    throw new Error(`Cannot start ${name}: "apt-get install ${packages}" brings it`)
  }
  const child = spawn(path, args, {
    detached: true,
    stdio: process.env['DEBUG'] === undefined ? 'ignore' : 'inherit',
    env: { ...process.env, ...program.environment(profile) },
  })
  // Whoever ends the tests ends what they started.
  const end = (): void => killGroup(child)
  process.once('exit', end)
  process.once('SIGTERM', end)
  child.once('exit', () => {
    process.off('exit', end)
    process.off('SIGTERM', end)
  })
  return child
}

/** Kills a browser and all its processes, as the system does when it needs the memory. */
export async function killBrowser(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  killGroup(child)
  await ended
}

function killGroup({ pid, exitCode, signalCode }: ChildProcess): void {
  if (pid !== undefined && exitCode === null && signalCode === null) process.kill(-pid, 'SIGKILL')
}

/** Starts the browser that a test project names, `firefox` or `webkit`. */
export function debianBrowser(): BrowserProviderOption {
  return defineBrowserProvider({
    name: 'debian',
    supportedBrowser: Object.keys(programs),
    providerFactory: (project) => {
      const started = new Started(project.config.browser.name)
      // Vitest sizes the frame of the tests itself; its window stays as it opened.
      project.browser?.registerCommand('__vitest_viewport' as never, (() => undefined) as never)
      return {
        name: 'debian',
        supportsParallelism: false,
        getCommandsContext: () => ({}),
        openPage: async (_, url) => started.open(url),
        close: () => started.close(),
      }
    },
  })
}

/** One run of a browser, with a profile of its own. */
class Started {
  readonly #name: string
  #child: ChildProcess | undefined
  #profile: string | undefined

  constructor(name: string) {
    this.#name = name
  }

  /** Starts the browser at a page; the one of before is ended. @throws Error when it is not installed */
  async open(url: string): Promise<void> {
    await this.close()
    const profile = mkdtempSync(join(tmpdir(), `${this.#name}-`))
    this.#profile = profile
    this.#child = startBrowser(this.#name, profile, url)
  }

  async close(): Promise<void> {
    if (this.#child !== undefined) await killBrowser(this.#child)
    this.#child = undefined
    if (this.#profile !== undefined)
      rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
    this.#profile = undefined
  }
}
