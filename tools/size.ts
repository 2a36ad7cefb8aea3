/**
 * Weighs the client code that a page needs for store and sync, bundled and minified as the web app is, and fails when it is
 * over its budget.
 *
 * @module
 */
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build, type Plugin } from 'vite'
import { smallCode, smallerCode } from '../web/build-options.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Most that store and sync may weigh, minified and gzipped, in bytes. */
export const BUDGET = 35_000

/** What store and sync weigh. */
export interface ClientSize {
  readonly minified: number
  readonly gzipped: number
  /** The largest modules, with their bytes before they are minified. */
  readonly largest: readonly (readonly [path: string, bytes: number])[]
}

/** Bundles `web/size/store-and-sync.ts` as a page would, and weighs it with all that it needs before it can begin. */
export async function measureClient(): Promise<ClientSize> {
  const input = join(root, 'web', 'size', 'store-and-sync.ts')
  const result = await build({
    root: join(root, 'web'),
    configFile: false,
    logLevel: 'warn',
    publicDir: false,
    // What is loaded later is not weighed.
    plugins: [plainImports, smallerCode(({ isEntry }) => isEntry)],
    build: {
      target: 'es2022',
      write: false,
      modulePreload: { polyfill: false },
      // What is loaded later may share code with the entry, as in the app.
      rolldownOptions: { ...smallCode, input, preserveEntrySignatures: 'allow-extension' },
    },
  })
  const outputs = Array.isArray(result) ? result : [result]
  const files = outputs.flatMap((output) => ('output' in output ? output.output : []))
  const all = files.filter((file) => file.type === 'chunk')
  const chunks = new Set(all.filter(({ isEntry }) => isEntry))
  if (chunks.size === 0) throw new Error('Cannot weigh the client: nothing was built')
  // A set also yields what is added on the way.
  for (const { imports } of chunks)
    for (const chunk of all) if (imports.includes(chunk.fileName)) chunks.add(chunk)
  const largest = [...chunks]
    .flatMap((chunk) => Object.entries(chunk.modules))
    .map(([path, { renderedLength }]) => [relative(root, path), renderedLength] as const)
    .toSorted(([, a], [, b]) => b - a)
  const bodies = [...chunks].map(({ code }) => new TextEncoder().encode(code))
  const sum = (sizes: readonly number[]): number => sizes.reduce((a, b) => a + b, 0)
  return {
    minified: sum(bodies.map((body) => body.length)),
    gzipped: sum(bodies.map((body) => gzipSync(body, { level: 9 }).length)),
    largest,
  }
}

/**
 * Vite's helper for the stylesheets of what is loaded later, replaced by nothing: the app has it anyway, for its editor,
 * and whoever bundles with something else does not have it at all.
 */
const plainImports: Plugin = {
  name: 'plain-imports',
  enforce: 'pre',
  load: {
    filter: { id: /vite\/preload-helper/ },
    handler: () => 'export const __vitePreload = (load) => load()',
  },
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
