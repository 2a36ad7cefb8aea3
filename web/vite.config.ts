/**
 * How the app is built: one entry, an editor that is loaded later, and a service worker that knows the names of all files.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { defineConfig, type Plugin } from 'vite'

const root = import.meta.dirname

export default defineConfig({
  root,
  base: '/',
  logLevel: 'warn',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    target: 'es2022',
    outDir: join(root, 'dist'),
    emptyOutDir: true,
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 600,
  },
  plugins: [serviceWorker()],
})

/** Builds the service worker last, with the names of the files that the app consists of. */
function serviceWorker(): Plugin {
  return {
    name: 'service-worker',
    apply: 'build',
    enforce: 'post',
    async generateBundle(_options, bundle) {
      const hash = createHash('sha256')
      const paths: string[] = []
      const add = (path: string, body: string | Uint8Array): void => {
        paths.push(path === '/index.html' ? '/' : path)
        hash.update(path).update(body)
      }
      for (const file of Object.values(bundle)) {
        add(`/${file.fileName}`, file.type === 'chunk' ? file.code : file.source)
      }
      const folder = join(root, 'public')
      for (const name of readdirSync(folder)) add(`/${name}`, readFileSync(join(folder, name)))
      const source = await bundleWorker(paths.toSorted(), hash.digest('hex').slice(0, 16))
      this.emitFile({ type: 'asset', fileName: 'service-worker.js', source })
    },
  }
}

async function bundleWorker(paths: readonly string[], version: string): Promise<string> {
  const result = await build({
    entryPoints: [join(root, 'src', 'service-worker.ts')],
    bundle: true,
    minify: true,
    write: false,
    format: 'iife',
    target: 'es2022',
    define: { PRECACHE: JSON.stringify(paths), VERSION: JSON.stringify(version) },
  })
  const [output] = result.outputFiles
  if (output === undefined) throw new Error('Cannot build the service worker: nothing came out')
  return output.text
}
