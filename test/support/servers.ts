/**
 * The two servers that tests run against: the app over Git directories under Node, and the real Worker in workerd.
 *
 * @module
 */
import { startServer } from '@datakit/cli/server'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
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

/** How a server is started. */
export interface TestServerOptions {
  /** Folder that keeps the data; one of its own, gone when it stops, when left out. */
  readonly data?: string
  readonly token?: string
  readonly port?: number
  /** Other origins that are let in. */
  readonly cors?: readonly string[]
  /** Patterns of protected refs. */
  readonly protect?: readonly string[]
  /** Where the isolate of the Worker can be inspected. */
  readonly inspectorPort?: number | undefined
  /** Whether a Durable Object gathers the Worker's updates of a repository. */
  readonly coordinated?: boolean | undefined
  /** Whether the Worker's bucket takes one write a second to a key, as R2 does and a local one does not; it does when left out. */
  readonly throttled?: boolean | undefined
}

/** The Worker over a bucket that takes one write a second to a key. */
export const THROTTLED_WORKER = join(
  import.meta.dirname,
  '..',
  '..',
  'worker',
  'test',
  'throttled-worker.ts',
)

/** A port of the loopback that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // A server that listens on TCP has such an address.
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Starts a server on a free port over an empty folder (or `data`), with the web app. */
export async function startTestServer(
  kind: ServerKind,
  options: TestServerOptions = {},
): Promise<TestServer> {
  const folder = options.data === undefined ? temporaryFolder(kind) : undefined
  const data = options.data ?? folder?.path ?? ''
  const port = options.port ?? 0
  const web = join(import.meta.dirname, '..', '..', 'web', 'dist')
  const running =
    kind === 'node'
      ? await startServer({
          ...options,
          root: data,
          host: '127.0.0.1',
          port,
          token: options.token,
          web,
        })
      : await startWorker({
          port,
          data,
          token: options.token,
          inspectorPort: options.inspectorPort,
          coordinated: options.coordinated,
          entry: options.throttled === false ? undefined : THROTTLED_WORKER,
          variables: variablesOf(options),
        })
  return {
    url: running.url,
    data,
    stop: async () => {
      await running.stop()
      folder?.remove()
    },
  }
}

function variablesOf({ cors = [], protect = [] }: TestServerOptions): Record<string, string> {
  return { DATAKIT_CORS: cors.join(','), DATAKIT_PROTECT: protect.join(',') }
}
