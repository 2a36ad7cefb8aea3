/**
 * Chromium for the benchmarks: a profile of its own, and the page that opens a side.
 *
 * @module
 */
import { build } from 'esbuild'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chromium, type BrowserContext, type Page } from 'playwright'
import { findChromium } from '../../tools/chromium.ts'
import { temporaryFolder } from '../support/servers.ts'
import type { Bench } from './bench-page.ts'
import type { PlacesBench } from './places-page.ts'

/** Whose store a page works with: ours, the peer's, or the peer's program over a repository of ours. */
export type Side = 'ours' | 'peer' | 'view'

declare global {
  /** What the page offers, set by `page-main.ts`. */
  var openBench: (side: Side) => Promise<Bench>
  /** The same for the places that packs could be kept in. */
  var openPlaces: () => Promise<PlacesBench>
  /** Milliseconds in which the pack at a URL is downloaded, digested and stored. */
  var measureLimit: (url: string) => Promise<number>
}

/** Starts Chromium with an empty profile, which `close` removes. */
export async function startBrowser(): Promise<{ context: BrowserContext; close(): Promise<void> }> {
  const profile = temporaryFolder('profile')
  const context = await chromium.launchPersistentContext(profile.path, {
    executablePath: findChromium(),
    headless: true,
    // The peer's server is of another origin and has no CORS, and needs none for what is measured.
    bypassCSP: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-web-security',
      '--disable-background-networking',
      '--no-first-run',
    ],
  })
  return {
    context,
    async close() {
      await context.close()
      profile.remove()
    },
  }
}

/** Opens the page of {@link buildPage}, served at `url`, in a new tab. */
export async function openPage(context: BrowserContext, url: string): Promise<Page> {
  const page = await context.newPage()
  page.on('pageerror', (error) => console.error(error))
  page.setDefaultTimeout(0)
  await page.goto(`${url}/index.html`)
  await page.waitForFunction('typeof openBench === "function"')
  return page
}

/** Builds the page into a folder that a server serves. */
export async function buildPage(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true })
  await build({
    entryPoints: {
      page: join(import.meta.dirname, 'page-main.ts'),
      'opfs-worker': join(import.meta.dirname, 'opfs-worker.ts'),
    },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2024',
    outdir: folder,
    define: { 'process.env.NODE_DEBUG': 'undefined', global: 'globalThis' },
    logLevel: 'error',
  })
  writeFileSync(
    join(folder, 'index.html'),
    '<!doctype html><title>bench</title><script type="module" src="/page.js"></script>',
  )
}
