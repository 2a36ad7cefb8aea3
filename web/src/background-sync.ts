/**
 * The page's side of background sync: asks the browser to wake the service worker once there is a network.
 *
 * Only Chromium has it. Elsewhere what a closed page left is sent by the next one that opens.
 *
 * Spec: https://wicg.github.io/background-sync/spec/
 *
 * @module
 */
import { currentRegistration } from './service-worker-client.ts'
import { tagOf } from './background-tag.ts'

interface SyncManager {
  register(tag: string): Promise<void>
}

/** Has the service worker sync a repository when there is a network, whether a page is open then or not. Never rejects. */
export async function askForBackgroundSync(name: string): Promise<void> {
  // At hand, because a page that is being closed has no time to ask for it.
  const registration = currentRegistration()
  if (registration === undefined || !hasSync(registration)) return
  try {
    await registration.sync.register(tagOf(name))
  } catch {
    // Not allowed for this site, or the service worker is not there yet: pages sync as ever.
  }
}

function hasSync(
  registration: ServiceWorkerRegistration,
): registration is ServiceWorkerRegistration & { readonly sync: SyncManager } {
  return 'sync' in registration
}
