/**
 * Service worker: opens the app without a network. It keeps the files of the app and nothing else; the data is in
 * IndexedDB, and requests for it pass by untouched. Where the browser has background sync, it also syncs what a page that
 * was closed has left, by a script that is stored with it and runs for nothing else.
 *
 * A new version waits until a person lets it take over. The files of the version before stay one version longer, for
 * pages that still run it.
 *
 * @module
 */
import type * as BackgroundSync from './background-sync.worker.ts'
import { nameOfTag } from './background-tag.ts'

declare const self: ServiceWorkerGlobalScope
/** Paths of the files of this version, written in by the build. */
declare const PRECACHE: readonly string[]
/** Digest of these files, written in by the build. */
declare const VERSION: string
/** Path of the script that syncs, written in by the build. */
declare const BACKGROUND_SYNC: string
/** What that script gives, once it is loaded. */
declare const backgroundSync: typeof BackgroundSync | undefined

/** Background Sync, which TypeScript does not know. */
interface SyncEvent extends ExtendableEvent {
  readonly tag: string
}

/** Static routing, which TypeScript does not know. Spec: https://w3c.github.io/ServiceWorker/#service-worker-static-router */
interface RouterEvent extends ExtendableEvent {
  addRoutes(rules: readonly object[]): Promise<void>
}

/** Data is not asked for through the service worker: one that sleeps would have to start first. */
const PAST_ME = ['/*.git/*', '/repositories'].map((urlPattern) => ({
  condition: { urlPattern },
  source: 'network',
}))

const PREFIX = 'datakit-app-'
const CACHE = PREFIX + VERSION

self.addEventListener('install', (event) => {
  // From here on it is stored with this worker: scripts that were not there at the installation cannot be loaded later.
  if ('sync' in self.registration) importScripts(BACKGROUND_SYNC)
  if (isRouter(event)) event.waitUntil(event.addRoutes(PAST_ME))
  event.waitUntil(install())
})
self.addEventListener('activate', (event) => event.waitUntil(activate()))
self.addEventListener('message', (event) => {
  if (event.data === 'take-over') event.waitUntil(self.skipWaiting())
})
self.addEventListener('sync', (event) => {
  if (!isSyncEvent(event)) return
  const name = nameOfTag(event.tag)
  if (name !== undefined) event.waitUntil(syncInBackground(name))
})
self.addEventListener('fetch', (event) => {
  const path = pathInApp(event.request)
  if (path !== undefined) event.respondWith(answer(event.request, path))
})

async function install(): Promise<void> {
  const cache = await caches.open(CACHE)
  await Promise.all(PRECACHE.map((path) => store(cache, path)))
}

/** @throws Error when something else answers, such as the login page of a network: it would be the app for good */
async function store(cache: Cache, path: string): Promise<void> {
  // Past the HTTP cache: a file of an older version there would be kept for good.
  const response = await fetch(path, { cache: 'reload' })
  if (!(await isOurs(path, response.clone())))
    throw new Error(`Cannot install the app: “${path}” is not what was built (${response.status})`)
  await cache.put(path, response)
}

/** Whether an answer is the file of that path: one of ours is a page, and names the scripts that we know. */
async function isOurs(path: string, response: Response): Promise<boolean> {
  if (!response.ok || response.redirected) return false
  const isPage = /^text\/html\b/.test(response.headers.get('content-type') ?? '')
  if (path !== '/' || !isPage) return isPage === (path === '/')
  const text = await response.text()
  return PRECACHE.some((file) => file.endsWith('.js') && text.includes(file))
}

async function activate(): Promise<void> {
  const names = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== CACHE)
  await Promise.all(names.slice(0, -1).map((name) => caches.delete(name)))
  // A page that was there before its first service worker may still load a part of the app.
  await self.clients.claim()
}

/** Rejects when the browser is to try again later. */
async function syncInBackground(name: string): Promise<void> {
  if (typeof backgroundSync === 'undefined') importScripts(BACKGROUND_SYNC)
  await backgroundSync?.syncInBackground(name)
}

function isSyncEvent(event: Event): event is SyncEvent {
  return event instanceof ExtendableEvent && 'tag' in event && typeof event.tag === 'string'
}

function isRouter(event: ExtendableEvent): event is RouterEvent {
  return 'addRoutes' in event
}

/** The path of a file of the app; `undefined` for everything that is data, and for what is not ours. */
function pathInApp(request: Request): string | undefined {
  const url = new URL(request.url)
  if (request.method !== 'GET' || url.origin !== self.location.origin) return undefined
  if (url.pathname === '/repositories' || /\.git(\/|$)/.test(url.pathname)) return undefined
  if (PRECACHE.includes(url.pathname) || url.pathname.startsWith('/assets/')) return url.pathname
  return request.mode === 'navigate' ? '/' : undefined
}

async function answer(request: Request, path: string): Promise<Response> {
  const own = await (await caches.open(CACHE)).match(path)
  if (own !== undefined) return own
  return (await caches.match(path)) ?? fetch(request)
}
