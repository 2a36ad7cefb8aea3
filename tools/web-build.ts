/**
 * Builds the web app when its sources changed since the last time.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildWeb } from './build-web.ts'
import { replaceFolder } from './replace-folder.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const dist = join(root, 'web', 'dist')
/** Which sources an app was built from, in its folder. */
const STAMP = '.built-from'
const sources = [
  'web/src',
  'web/index.html',
  'web/public',
  'web/vite.config.ts',
  'packages/git/src',
  'packages/datakit/src',
  'packages/merge/src',
  'packages/storage/src',
  'package-lock.json',
  'tools/build-web.ts',
  'tsconfig.json',
  'web/tsconfig.json',
  'web/package.json',
]

/**
 * Makes sure that `web/dist` holds the app as the sources say. `force` builds in any case. It is built elsewhere and put there
 * whole, so that two that start at once do not build into each other.
 */
export async function ensureWeb(options: { readonly force?: boolean } = {}): Promise<void> {
  const wanted = fingerprint()
  const stamp = join(dist, STAMP)
  const built = existsSync(stamp) ? readFileSync(stamp, 'utf8') : ''
  if (built === wanted && options.force !== true) return
  console.error('Building the web app…')
  mkdirSync(join(root, '.cache'), { recursive: true })
  const fresh = mkdtempSync(join(root, '.cache', 'web-'))
  try {
    await buildWeb(fresh)
    writeFileSync(join(fresh, STAMP), wanted)
    replaceFolder(fresh, dist)
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
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
