/**
 * The two servers that tests run against: the app over Git directories under Node, and the real Worker in workerd.
 *
 * @module
 */
import { startServer } from '@datakit/cli/server'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startWorker } from '../../tools/worker.ts'

/** A server that a test started. */
export interface TestServer {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string
  /** Folder that keeps its data. */
  readonly data: string
  stop(): Promise<void>
}

/** Which server. */
export type ServerKind = 'node' | 'worker'

/** Both, for `describe.each`. */
export const SERVER_KINDS: readonly ServerKind[] = ['node', 'worker']

/** A folder of its own for a test; gone when `remove` is called. */
export function temporaryFolder(name: string): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), `datakit-${name}-`))
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }) }
}

/** Starts a server on a free port over an empty folder (or `data`), with the web app. */
export async function startTestServer(
  kind: ServerKind,
  options: { readonly data?: string; readonly token?: string; readonly port?: number } = {},
): Promise<TestServer> {
  const folder = options.data === undefined ? temporaryFolder(kind) : undefined
  const data = options.data ?? folder?.path ?? ''
  const port = options.port ?? 0
  const web = join(import.meta.dirname, '..', '..', 'web', 'dist')
  const running =
    kind === 'node'
      ? await startServer({ root: data, host: '127.0.0.1', port, token: options.token, web })
      : await startWorker({ port, data, token: options.token })
  return {
    url: running.url,
    data,
    stop: async () => {
      await running.stop()
      folder?.remove()
    },
  }
}
