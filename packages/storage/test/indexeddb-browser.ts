/**
 * A Chromium with a profile of its own, and a server with the pages that the tests open in it.
 *
 * @module
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { chromium } from 'playwright'

/** A server whose pages run a script each, and an empty profile for a browser. */
export interface TestSite {
  /** With a slash at the end. */
  readonly origin: string
  readonly profile: string
  close(): Promise<void>
}

/** The Chromium that the tests run. */
export const executable = process.env['CHROMIUM'] ?? chromium.executablePath()

/** What Chromium is started with. */
export const flags = ['--no-sandbox', '--no-zygote', '--disable-gpu', '--no-first-run']

/**
 * Serves `/NAME.js` for each of the scripts and a page that runs it for everything else that begins with its name.
 *
 * @param scripts files in this directory, by name; the page at `/` runs `page`
 * @param onPost what pages tell the server
 */
export async function serveSite(
  scripts: Readonly<Record<string, string>>,
  onPost: (path: string, body: string) => void = () => {},
): Promise<TestSite> {
  const bundles = new Map<string, string>()
  for (const [name, file] of Object.entries(scripts)) bundles.set(`/${name}.js`, await bundle(file))
  const server = createServer((request, response) => {
    const path = request.url ?? '/'
    if (request.method === 'POST') {
      let body = ''
      request.on('data', (piece) => (body += piece))
      request.on('end', () => {
        onPost(path, body)
        response.end()
      })
      return
    }
    const script = bundles.get(path)
    response.setHeader('content-type', script === undefined ? 'text/html' : 'text/javascript')
    response.end(script ?? '<script type="module" src="/page.js"></script>')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const profile = await mkdtemp(join(tmpdir(), 'indexeddb-'))
  return {
    origin: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/`,
    profile,
    async close() {
      server.closeAllConnections()
      server.close()
      await rm(profile, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

async function bundle(file: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, file)],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
  })
  return outputFiles[0]?.text ?? ''
}
