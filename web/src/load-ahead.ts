/**
 * Loading what the page loads when it is wanted, before it is: without a network and without a service worker that has it,
 * it could not be had any more.
 *
 * @module
 */
import { later } from '@datakit/datakit/loading'
import { later as laterOfStorage } from '@datakit/storage/indexeddb/loading'

/** Loads it all. What cannot be loaded is tried again when it is wanted. */
export function loadAhead(): void {
  const parts = [
    import('./editor/editor.ts'),
    import('./recovery.ts'),
    import('./mend.ts'),
    import('./left.ts'),
    import('./views/trouble-panel.tsx'),
    import('@datakit/datakit/bundle'),
    later(),
    laterOfStorage(),
  ]
  for (const part of parts) part.catch(() => undefined)
}

/** Loads it all where no service worker has it: there is none in this browser, or this is the first visit. */
export function loadUnlessKept(): void {
  const { serviceWorker } = navigator as { readonly serviceWorker?: ServiceWorkerContainer }
  if (!serviceWorker?.controller) loadAhead()
}
