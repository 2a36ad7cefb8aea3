/**
 * How the app is built: one entry, an editor that is loaded later, and a service worker that knows the names of all files
 * and has a script of its own for syncing in the background.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { build, type BuildOptions } from 'esbuild'
import { defineConfig, type Plugin } from 'vite'
import { smallCode, smallerCode } from './build-options.ts'

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
    rolldownOptions: smallCode,
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 600,
  },
  // Workers load what they seldom need when they need it, as pages do.
  worker: { format: 'es', plugins: () => [smallerCode()] },
  plugins: [smallerCode(), serviceWorker()],
})

/** Builds the service worker last, with the names of the files that the app consists of. */
function serviceWorker(): Plugin {
  return {
    name: 'service-worker',
    apply: 'build',
    enforce: 'post',
    generateBundle: {
      order: 'post',
      async handler(_options, bundle) {
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
        // The browser stores this one with the service worker: it is not among the files that pages ask for.
        const sync = await bundleScript('background-sync.worker.ts', {
          globalName: 'backgroundSync',
        })
        const digest = createHash('sha256').update(sync).digest('hex').slice(0, 8)
        const syncFile = `assets/background-sync-${digest}.js`
        this.emitFile({ type: 'asset', fileName: syncFile, source: sync })
        const define = {
          PRECACHE: JSON.stringify(paths.toSorted()),
          VERSION: JSON.stringify(hash.digest('hex').slice(0, 16)),
          BACKGROUND_SYNC: JSON.stringify(`/${syncFile}`),
        }
        const source = await bundleScript('service-worker.ts', { define })
        this.emitFile({ type: 'asset', fileName: 'service-worker.js', source })
      },
    },
  }
}

/** A classic script, as service workers load them. */
async function bundleScript(name: string, options: BuildOptions): Promise<string> {
  const result = await build({
    entryPoints: [join(root, 'src', name)],
    bundle: true,
    minify: true,
    format: 'iife',
    target: 'es2022',
    ...options,
    write: false,
  })
  const [output] = result.outputFiles
  if (output === undefined) throw new Error(`Cannot build ${name}: nothing came out`)
  return output.text
}
