/**
 * Background sync of a browser, which a test has happen now instead of minutes later.
 *
 * @module
 */
import { expect } from 'vitest'
import type { Page } from 'playwright'
import type { Device } from './editor-page.ts'

const SOON = { timeout: 30_000 }

/** Tags of the background syncs that the pages of a site have asked for. Runs in a page. */
async function registeredTags(): Promise<string[]> {
  const registration = await navigator.serviceWorker.ready
  if (!('sync' in registration)) throw new Error('This browser has no background sync')
  const { sync } = registration as { sync: { getTags(): Promise<string[]> } }
  return sync.getTags()
}

/** Closes the tab, and gives the tag by which it has asked for its work to be sent. */
export async function leave(page: Page, name: string): Promise<string> {
  const tag = `datakit-sync:${name}`
  await expect.poll(() => page.evaluate(registeredTags), SOON).toContain(tag)
  await page.close()
  return tag
}

/** Has the browser wake the service worker of a site now. */
export async function wake(device: Device, origin: string, tag: string): Promise<void> {
  const page = await device.context.newPage()
  const session = await device.context.newCDPSession(page)
  const found = Promise.withResolvers<string>()
  session.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
    const own = registrations.find(({ scopeURL }) => scopeURL === `${origin}/`)
    if (own !== undefined) found.resolve(own.registrationId)
  })
  await session.send('ServiceWorker.enable')
  const registrationId = await found.promise
  const event = { origin, registrationId, tag, lastChance: false }
  await session.send('ServiceWorker.dispatchSyncEvent', event)
  await page.close()
}

/** Waits until no service worker and no page is at a sync. */
export async function waitUntilQuiet(device: Device): Promise<void> {
  const isSyncing = async (): Promise<boolean> => {
    const [worker] = device.context.serviceWorkers()
    const { held = [] } = (await worker?.evaluate(() => navigator.locks.query())) ?? {}
    return held.some(({ name }) => name?.startsWith('datakit-sync'))
  }
  await expect.poll(isSyncing, SOON).toBe(false)
}
