/**
 * Weighs the client code that a page needs for store and sync, bundled and minified as the web app is, and fails when it is
 * over its budget.
 *
 * @module
 */
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'vite'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Most that store and sync may weigh, minified and gzipped, in bytes: what they weigh today. The aim is 40,000. */
export const BUDGET = 46_000

/** What store and sync weigh. */
export interface ClientSize {
  readonly minified: number
  readonly gzipped: number
  /** The largest modules, with their bytes before they are minified. */
  readonly largest: readonly (readonly [path: string, bytes: number])[]
}

/** Bundles `web/size/store-and-sync.ts` as a page would, and weighs it. */
export async function measureClient(): Promise<ClientSize> {
  const input = join(root, 'web', 'size', 'store-and-sync.ts')
  const result = await build({
    root: join(root, 'web'),
    configFile: false,
    logLevel: 'warn',
    publicDir: false,
    build: {
      target: 'es2022',
      write: false,
      modulePreload: { polyfill: false },
      rolldownOptions: { input, preserveEntrySignatures: 'strict' },
    },
  })
  const outputs = Array.isArray(result) ? result : [result]
  const chunks = outputs.flatMap((output) => ('output' in output ? output.output : []))
  const chunk = chunks.find((output) => output.type === 'chunk')
  if (chunk?.type !== 'chunk') throw new Error('Cannot weigh the client: nothing was built')
  const largest = Object.entries(chunk.modules)
    .map(([path, { renderedLength }]) => [relative(root, path), renderedLength] as const)
    .toSorted(([, a], [, b]) => b - a)
  const body = new TextEncoder().encode(chunk.code)
  return { minified: body.length, gzipped: gzipSync(body, { level: 9 }).length, largest }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { minified, gzipped, largest } = await measureClient()
  console.log(
    `Client code for store and sync: ${minified} bytes minified, ${gzipped} gzipped (budget ${BUDGET})`,
  )
  if (process.argv.includes('--verbose')) {
    for (const [path, bytes] of largest) console.log(`  ${bytes} ${path}`)
  }
  if (gzipped > BUDGET) {
    console.error(`Over the budget by ${gzipped - BUDGET} bytes`)
    process.exitCode = 1
  }
}
