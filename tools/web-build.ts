/**
 * Builds the web app when its sources changed since the last time.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildWeb } from './build-web.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const stamp = join(root, 'web', 'dist', '.built-from')
const sources = [
  'web/src',
  'web/index.html',
  'web/public',
  'web/vite.config.ts',
  'packages/git/src',
  'packages/datakit/src',
  'packages/storage/src',
  'package-lock.json',
]

/** Makes sure that `web/dist` holds the app as the sources say. `force` builds in any case. */
export async function ensureWeb(options: { readonly force?: boolean } = {}): Promise<void> {
  const wanted = fingerprint()
  const built = existsSync(stamp) ? readFileSync(stamp, 'utf8') : ''
  if (built === wanted && options.force !== true) return
  console.error('Building the web app…')
  await buildWeb()
  writeFileSync(stamp, wanted)
}

function fingerprint(): string {
  const hash = createHash('sha256')
  for (const source of sources) addTo(hash, join(root, source))
  return hash.digest('hex')
}

function addTo(hash: ReturnType<typeof createHash>, path: string): void {
  if (!existsSync(path)) return
  if (statSync(path).isDirectory()) {
    for (const name of readdirSync(path).toSorted()) addTo(hash, join(path, name))
    return
  }
  hash.update(path.slice(root.length))
  hash.update(readFileSync(path))
}
