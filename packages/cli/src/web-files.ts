/**
 * The files of the web app, from a folder, for the server under Node.
 *
 * @module
 */
import { readFile } from 'node:fs/promises'
import { extname, join, sep } from 'node:path'

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
}

const nothing =
  'This is a DataKit server without the web app. Clone a repository from it: git clone URL/NAME.git\n'

/** Answers a GET from the files under `folder`; 404 for anything else, and for everything where there is no folder. */
export async function webFile(request: Request, folder: string | undefined): Promise<Response> {
  const path = new URL(request.url).pathname
  if (folder === undefined) return plain(path === '/' ? 200 : 404, nothing)
  const file = fileOf(folder, path)
  const body = file === undefined ? undefined : await readFile(file).catch(() => undefined)
  if (file === undefined || body === undefined) return plain(404, `Nothing is at ${path}\n`)
  return new Response(Uint8Array.from(body), {
    headers: {
      'content-type': types[extname(file)] ?? 'application/octet-stream',
      // The build puts a digest of the content into the names under assets/.
      'cache-control': path.startsWith('/assets/')
        ? 'public, max-age=31536000, immutable'
        : 'no-cache',
    },
  })
}

/** The file that a path names; `undefined` when it would be outside the folder. */
function fileOf(folder: string, path: string): string | undefined {
  let name: string
  try {
    name = decodeURIComponent(path.endsWith('/') ? `${path}index.html` : path)
  } catch {
    return undefined
  }
  if (name.includes('\0') || name.split(/[/\\]/).some((step) => step.startsWith('.')))
    return undefined
  const file = join(folder, name)
  return file.startsWith(folder.endsWith(sep) ? folder : folder + sep) ? file : undefined
}

function plain(status: number, body: string): Response {
  return new Response(body, { status, headers: { 'content-type': 'text/plain; charset=utf-8' } })
}
