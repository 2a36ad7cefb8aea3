/**
 * The server under Node: the app over bare Git directories.
 *
 * @module
 */
import { serve, type HttpBindings, type ServerType } from '@hono/node-server'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { LOOPBACK_HOSTS, type Access } from '@datakit/server/access'
import { createApp } from '@datakit/server/app'
import type { CorsOrigins } from '@datakit/server/cors'
import { withProtected } from '@datakit/server/policy'
import { protectedRefs } from '@datakit/server/protected-refs'
import { gitDirectoryDepot } from '@datakit/storage/git-directory'
import { directoryUploads } from '@datakit/storage/git-directory/uploads'
import { UpkeepSchedule } from '@datakit/storage/upkeep'
import { mkdir, stat } from 'node:fs/promises'
import {
  createServer,
  type RequestListener,
  type ServerOptions as HttpServerOptions,
} from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { dirname, resolve } from 'node:path'
import { directoryPolicy, isKeptUp, renewServerInfo } from './directory-policy.ts'
import { likeGit } from './git-headers.ts'
import { pusher } from './pusher.ts'
import { webFile } from './web-files.ts'

/** How a server is started. */
export interface ServerOptions {
  /** Folder of the repositories; made when it is not there. */
  readonly root: string
  readonly host: string
  /** 0 for any that is free. */
  readonly port: number
  /** The token that all data wants; `undefined` for none, which only a loopback host may have. */
  readonly token: string | undefined
  /** Folder of the built web app; `undefined` serves Git and sync alone. */
  readonly web: string | undefined
  /** Other origins whose pages may read the data; none when left out. */
  readonly cors?: CorsOrigins
  /** Patterns of refs that only move forward and are not deleted, in every repository; none when left out. */
  readonly protect?: readonly string[]
}

/** A server that runs. */
export interface RunningServer {
  /** `http://HOST:PORT`, without a slash at the end. */
  readonly url: string
  /**
   * Takes no more requests, lets those that run finish for `patience` milliseconds, then cuts them. A push that is cut
   * leaves the repository as it was.
   */
  stop(patience?: number): Promise<void>
}

/** A reason not to start that the person at the terminal can act on. */
export class ServerError extends Error {
  override readonly name = 'ServerError'
}

/** Memory of packs that are read at the same time, in bytes: a process has more than a Worker. */
const RECEIVING = 512 * 1024 * 1024

/** Listeners of watch streams: each is a connection, of which a process has some 1,000. None has to come again. */
const LISTENING = { listeners: 500, listenersOfOne: 500, listenerReads: Infinity }

/** Milliseconds after which a connection on which nothing moves is cut. */
const SILENCE = 15 * 60_000

/** Milliseconds between two looks for uploads that nobody went on with. */
const SWEEP_INTERVAL = 60 * 60_000

/** Starts the server; it answers when the promise resolves. @throws ServerError when it may not or cannot listen */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const access = accessOf(options)
  await makeFolder(resolve(options.root))
  const protects = protectedRefs(options.protect ?? [])
  const depot = gitDirectoryDepot(resolve(options.root), { create: true })
  const upkeep = new UpkeepSchedule(nodeRuntime, { log: (problem) => console.error(problem) })
  const uploads = directoryUploads(resolve(options.root))
  await uploads.sweep()
  const sweeping = setInterval(() => void uploads.sweep().catch(console.error), SWEEP_INTERVAL)
  sweeping.unref()
  const stopping = new AbortController()
  const addresses = new WeakMap<Request, string | undefined>()
  const app = createApp({
    depot,
    runtime: nodeRuntime,
    access,
    uploads,
    policyOf: (place) => withProtected(directoryPolicy(place), protects),
    whoPushes: (request) => pusher(request, addresses.get(request), process.env),
    cors: options.cors ?? [],
    limits: { receivingBytes: RECEIVING, ...LISTENING },
    signal: stopping.signal,
    assets: (request) => webFile(request, options.web),
    afterChange: ({ name, place }) => {
      // It may have packs of its own by then, and take others away later.
      if (isKeptUp(place)) void upkeep.changed(name, place).then(() => renewServerInfo(place))
    },
  })
  const answer = (request: Request, connection: HttpBindings): Response | Promise<Response> => {
    addresses.set(request, connection.incoming.socket.remoteAddress)
    return app.fetch(request, connection)
  }
  const server = await listen(answer, options)
  const sockets = trackSockets(server)
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${hostInUrl(options.host)}:${port}`,
    stop: async (patience = 10_000) => {
      stopping.abort()
      clearInterval(sweeping)
      await close(server, sockets, patience)
      await upkeep.close()
      await depot.close()
    },
  }
}

/**
 * Makes a folder and those above it. Not with `recursive`: under /proc, which answers ENOENT to every new folder, Node
 * makes the parent and tries again for ever.
 */
async function makeFolder(path: string): Promise<void> {
  const there = await stat(path).catch(() => undefined)
  if (there?.isDirectory() === true) return
  if (there !== undefined)
    throw new ServerError(`Cannot keep repositories in "${path}": it is a file`)
  if (dirname(path) !== path) await makeFolder(dirname(path))
  await mkdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') return
    throw new ServerError(`Cannot make the folder "${path}": ${error.message}`, { cause: error })
  })
}

function accessOf({ host, token }: ServerOptions): Access {
  if (token !== undefined) return { kind: 'token', token }
  if (isLoopback(host))
    return { kind: 'loopback', hosts: [...new Set([...LOOPBACK_HOSTS, hostInUrl(host)])] }
  throw new ServerError(
    `Refused to listen on ${host} without a token: anyone who reaches this machine could read and change everything. Set DATAKIT_TOKEN, or leave --host at 127.0.0.1`,
  )
}

/** The host as it stands in URLs and in the Host header. */
function hostInUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

function listen(
  answer: (request: Request, connection: HttpBindings) => Response | Promise<Response>,
  options: ServerOptions,
): Promise<ServerType> {
  return new Promise((resolveServer, reject) => {
    const server = serve(
      {
        // It is told of connections over HTTP/1.1 alone, since that is what is made below.
        fetch: (request, connection) => answer(request, connection as HttpBindings),
        hostname: options.host,
        port: options.port,
        createServer: makeServer,
      },
      () => resolveServer(server),
    )
    server.on('error', (error: NodeJS.ErrnoException) => reject(listenError(error, options)))
    // Node's own limit is five minutes for a whole request, which cuts large pushes. Who says nothing is cut instead.
    if ('requestTimeout' in server) server.requestTimeout = 0
    if ('setTimeout' in server) server.setTimeout(SILENCE)
  })
}

const makeServer = ((options: HttpServerOptions, answer: RequestListener) =>
  createServer(options, (request, response) => {
    likeGit(response)
    answer(request, response)
  })) as typeof createServer

function listenError(error: NodeJS.ErrnoException, { host, port }: ServerOptions): Error {
  const place = `${host}:${port}`
  if (error.code === 'EADDRINUSE')
    return new ServerError(
      `Cannot listen on ${place}: another program listens there. Choose another with --port`,
    )
  if (error.code === 'EACCES')
    return new ServerError(
      `Cannot listen on ${place}: not allowed. Choose a port above 1023 with --port`,
    )
  return new ServerError(`Cannot listen on ${place}: ${error.message}`, { cause: error })
}

function trackSockets(server: ServerType): Set<Socket> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  return sockets
}

function close(server: ServerType, sockets: ReadonlySet<Socket>, patience: number): Promise<void> {
  return new Promise((resolveClose) => {
    const cut = setTimeout(() => {
      for (const socket of sockets) socket.destroy()
    }, patience)
    const hangUp = (): void => {
      if ('closeIdleConnections' in server) server.closeIdleConnections()
    }
    // A connection whose last request was answered meanwhile is kept for another one, unless it is looked for.
    const looking = setInterval(hangUp, 100)
    server.close(() => {
      clearTimeout(cut)
      clearInterval(looking)
      resolveClose()
    })
    hangUp()
  })
}
