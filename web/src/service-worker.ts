/**
 * Service worker: opens the app without a network. It keeps the files of the app and nothing else; the data is in
 * IndexedDB, and requests for it pass by untouched.
 *
 * A new version waits until a person lets it take over. The files of the version before stay one version longer, for
 * pages that still run it.
 *
 * @module
 */
declare const self: ServiceWorkerGlobalScope
/** Paths of the files of this version, written in by the build. */
declare const PRECACHE: readonly string[]
/** Digest of these files, written in by the build. */
declare const VERSION: string

const PREFIX = 'datakit-app-'
const CACHE = PREFIX + VERSION

self.addEventListener('install', (event) => event.waitUntil(install()))
self.addEventListener('activate', (event) => event.waitUntil(activate()))
self.addEventListener('message', (event) => {
  if (event.data === 'take-over') event.waitUntil(self.skipWaiting())
})
self.addEventListener('fetch', (event) => {
  const path = pathInApp(event.request)
  if (path !== undefined) event.respondWith(answer(event.request, path))
})

async function install(): Promise<void> {
  const cache = await caches.open(CACHE)
  // Past the HTTP cache: a file of an older version there would be kept for good.
  await cache.addAll(PRECACHE.map((path) => new Request(path, { cache: 'reload' })))
}

async function activate(): Promise<void> {
  const names = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== CACHE)
  await Promise.all(names.slice(0, -1).map((name) => caches.delete(name)))
  // A page that was there before its first service worker may still load a part of the app.
  await self.clients.claim()
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

export {}
