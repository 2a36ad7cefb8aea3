/**
 * Runs `r2-worker.ts` in workerd over a bucket that persists: `node r2-host.ts DIRECTORY ISOLATES`. Prints the address of
 * each Worker, one a line, and runs until it is killed.
 *
 * @module
 */
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'

const [directory = '', isolates = '1'] = process.argv.slice(2)

const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL('r2-worker.ts', import.meta.url))],
  bundle: true,
  format: 'esm',
  write: false,
  external: ['node:*'],
  conditions: ['workerd'],
})
const script = outputFiles[0]?.text ?? ''

const names = Array.from({ length: Number(isolates) }, (_, i) => `isolate-${i}`)
const miniflare = new Miniflare(
  convertV4MiniflareOptions({
    resourcePersistencePath: directory,
    workers: names.map((name) => ({
      name,
      modules: true,
      script,
      compatibilityDate: '2026-10-01',
      compatibilityFlags: ['nodejs_compat'],
      r2Buckets: { BUCKET: 'shared' },
      unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
    })),
  }),
)
await miniflare.ready
for (const name of names) console.log(String(await miniflare.unsafeGetDirectURL(name)))
