/**
 * A server and its clients in one process: the real app over memory, no socket, and whatever may happen on the wire.
 *
 * @module
 */
import type { Depot } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { createApp, type AppOptions } from '@datakit/server/app'
import { memoryDepot, memoryPlace } from '@datakit/storage/memory'
import { Repository } from '../src/repository.ts'
import type { SyncOptions } from '../src/sync/sync.ts'

const url = 'http://127.0.0.1:8787/config.git'

/** A server in memory, and clients that talk to it without a socket. */
export class Network {
  readonly depot: Depot
  requests = 0
  /** What happens to an answer on its way; the plain one when left alone. */
  onAnswer: (answer: Response) => Response | Promise<Response> = (answer) => answer
  readonly #app: ReturnType<typeof createApp>

  constructor(options: Partial<AppOptions> = {}) {
    this.depot = options.depot ?? memoryDepot()
    this.#app = createApp({
      depot: this.depot,
      runtime: nodeRuntime,
      access: { kind: 'token', token: 'secret' },
      assets: () =>
        new Response('<html>', { status: 404, headers: { 'content-type': 'text/html' } }),
      log: (error) => console.error(error),
      ...options,
    })
  }

  readonly options: SyncOptions = {
    url,
    token: 'secret',
    fetch: async (to, init) => {
      this.requests++
      return this.onAnswer(await this.#app.fetch(new Request(to, init)))
    },
  }

  /** The server's repository, for somebody who may do everything there. */
  async server(): Promise<Repository> {
    return Repository.open(await this.depot.open('config'), { runtime: nodeRuntime })
  }

  /** A client with nothing in it. */
  client(name = 'Ada'): Promise<Repository> {
    const identity = () => ({ name, address: `${name.toLowerCase()}@example.org` })
    return Repository.open(memoryPlace(), { runtime: nodeRuntime, identity })
  }
}
