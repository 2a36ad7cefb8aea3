/**
 * The page's side of the service worker: starts it, and asks before a new version takes over.
 *
 * @module
 */
import { signal, type ReadonlySignal } from '@preact/signals'

const waiting = signal<ServiceWorker | undefined>(undefined)
const ready = signal(false)
let current: ServiceWorkerRegistration | undefined

/** Between two looks for a new version, in milliseconds. */
const INTERVAL = 3_600_000

/** Whether a new version waits for the person's consent. */
export const isUpdateReady: ReadonlySignal<boolean> = ready

/** Starts the service worker. Without one the page works as long as there is a network. */
export async function startServiceWorker(): Promise<void> {
  if (!('serviceWorker' in navigator)) return
  try {
    const registration = await navigator.serviceWorker.register('/service-worker.js')
    current = registration
    watchRegistration(registration)
    setInterval(() => void registration.update().catch(() => undefined), INTERVAL)
  } catch (error) {
    // Private windows and file systems that are full: the page itself is not affected.
    console.warn('The app will not open without a network', error)
  }
}

/** The service worker of this page; `undefined` until it was started, and where there is none. */
export function currentRegistration(): ServiceWorkerRegistration | undefined {
  return current
}

/** Lets the new version take over and reloads the page; drafts are written as the page goes. */
export async function applyUpdate(): Promise<void> {
  const worker = waiting.value
  if (worker === undefined) return location.reload()
  navigator.serviceWorker.addEventListener('controllerchange', () => location.reload(), {
    once: true,
  })
  worker.postMessage('take-over')
}

function watchRegistration(registration: ServiceWorkerRegistration): void {
  offer(registration.waiting)
  registration.addEventListener('updatefound', () => {
    const worker = registration.installing
    worker?.addEventListener('statechange', () => {
      if (worker.state === 'installed') offer(worker)
    })
  })
}

/** The first version of all needs no consent: nothing is replaced. */
function offer(worker: ServiceWorker | null): void {
  if (worker === null || navigator.serviceWorker.controller === null) return
  waiting.value = worker
  ready.value = true
}
