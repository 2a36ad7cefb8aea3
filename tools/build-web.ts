/**
 * Builds the web app, and says how large its parts are.
 *
 * @module
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'vite'

const web = join(dirname(dirname(fileURLToPath(import.meta.url))), 'web')

/** Builds the app into a folder, its service worker included. @throws Error with what the bundler found */
export async function buildWeb(folder: string): Promise<void> {
  await build({
    root: web,
    configFile: join(web, 'vite.config.ts'),
    build: { outDir: folder, emptyOutDir: true },
  })
  for (const line of describeFiles(join(folder, 'assets'))) console.error(line)
}

function describeFiles(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /\.(js|css)$/.test(name))
    .toSorted()
    .map((name) => {
      const body = readFileSync(join(folder, name))
      const small = gzipSync(body, { level: 9 }).length
      return `  ${name}: ${body.length} bytes, ${small} gzipped`
    })
}
