/**
 * Weighs the client code that a page needs for store and sync, and fails when it is over its budget.
 *
 * @module
 */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Most that store and sync may weigh, minified and gzipped, in bytes. */
export const BUDGET = 40_000

/** What store and sync weigh. */
export interface ClientSize {
  readonly minified: number
  readonly gzipped: number
  /** The largest modules, with their minified bytes. */
  readonly largest: readonly (readonly [path: string, bytes: number])[]
}

/** Bundles `web/size/store-and-sync.ts` as a page would, and weighs it. */
export async function measureClient(): Promise<ClientSize> {
  const result = await build({
    entryPoints: [join(root, 'web', 'size', 'store-and-sync.ts')],
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    absWorkingDir: root,
  })
  const body = result.outputFiles[0]?.contents ?? new Uint8Array(0)
  const [output] = Object.values(result.metafile.outputs)
  const largest = Object.entries(output?.inputs ?? {})
    .map(([path, { bytesInOutput }]) => [path, bytesInOutput] as const)
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, 12)
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
