/**
 * Where each test runs: `node`, `browser` (real Chromium), `firefox` and `webkit` (the same tests), `workerd` (the real runtime of Workers) and `journeys`
 * (everything at once, through a real browser and a real Git).
 */
import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { playwright } from '@vitest/browser-playwright'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'
import { debianBrowser } from './tools/other-browsers.ts'

const seconds = 1000

/** The service worker of `msw`, which answers requests of a page, has to come from the page's own root. */
const mockWorker: Plugin = {
  name: 'mock-worker',
  configureServer({ middlewares }) {
    const file = fileURLToPath(import.meta.resolve('msw/mockServiceWorker.js'))
    middlewares.use('/mockServiceWorker.js', (_, response) => {
      response.setHeader('content-type', 'text/javascript').end(readFileSync(file))
    })
  },
}

export default defineConfig({
  test: {
    reporters: ['default', './tools/count-reporter.ts'],
    projects: [
      {
        test: {
          name: 'node',
          environment: 'node',
          include: [
            'packages/*/src/**/*.test.ts',
            'packages/*/test/**/*.test.ts',
            'web/src/**/*.test.ts',
            'worker/src/**/*.test.ts',
            'tools/**/*.test.ts',
          ],
          exclude: ['**/*.browser.test.ts', '**/*.workerd.test.ts', '**/node_modules/**'],
          testTimeout: 60 * seconds,
          hookTimeout: 60 * seconds,
        },
      },
      {
        plugins: [mockWorker],
        test: {
          name: 'browser',
          include: ['packages/*/src/**/*.browser.test.ts', 'test/browser/**/*.browser.test.ts'],
          testTimeout: 60 * seconds,
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({
              launchOptions: {
                ...(process.env['CHROMIUM'] ? { executablePath: process.env['CHROMIUM'] } : {}),
                args: [
                  '--no-sandbox',
                  '--disable-gpu',
                  '--disable-background-networking',
                  '--disable-component-update',
                  '--disable-sync',
                  '--no-first-run',
                ],
              },
            }),
            instances: [{ browser: 'chromium' }],
          },
        },
      },
      ...(['firefox', 'webkit'] as const).map((browser) => ({
        test: {
          name: browser,
          include: ['packages/*/src/**/*.browser.test.ts'],
          // The service worker of `msw` hangs in WebKit's MiniBrowser, and Firefox shows no bodies of requests to a server in the page.
          exclude: ['**/sync-faults.browser.test.ts', '**/node_modules/**'],
          testTimeout: 180 * seconds,
          browser: {
            enabled: true,
            // Vitest's own page around the tests is there by hand and not in CI, unless it is said.
            headless: true,
            screenshotFailures: false,
            provider: debianBrowser(),
            instances: [{ browser }],
          },
        },
      })),
      {
        plugins: [
          cloudflareTest({
            miniflare: {
              compatibilityDate: '2026-10-01',
              compatibilityFlags: ['nodejs_compat'],
              r2Buckets: ['BUCKET'],
              // Read there as `process.env.SEED`.
              ...(process.env['SEED'] ? { bindings: { SEED: process.env['SEED'] } } : {}),
            },
          }),
        ],
        test: {
          name: 'workerd',
          include: ['packages/*/src/**/*.workerd.test.ts', 'worker/src/**/*.workerd.test.ts'],
          testTimeout: 120 * seconds,
        },
      },
      {
        test: {
          name: 'journeys',
          environment: 'node',
          include: ['test/**/*.test.ts'],
          exclude: ['**/*.browser.test.ts', '**/*.workerd.test.ts', '**/node_modules/**'],
          testTimeout: 180 * seconds,
          hookTimeout: 180 * seconds,
          fileParallelism: false,
        },
      },
    ],
  },
})
