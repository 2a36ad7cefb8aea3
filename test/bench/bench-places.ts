/**
 * Where a page could keep packs: IndexedDB beside the origin-private file system, in Chromium.
 *
 * @module
 */
import { startServer } from '@datakit/cli/server'
import { join } from 'node:path'
import { temporaryFolder } from '../support/servers.ts'
import { buildPage, openPage, startBrowser } from './bench-chromium.ts'
import type { PlaceTimes } from './places-page.ts'

/** A piece of work, and what it took in each place. */
export interface PlacesRow extends PlaceTimes {
  readonly work: string
}

/** Each is run in so many pages that were just opened; the median counts. */
const RUNS = 7
const MEGABYTE = 1024 * 1024
/** 256 kB each. */
const WINDOWS = 32

/** Measures all three places in turn, in the same pages. */
export async function benchPlaces(): Promise<PlacesRow[]> {
  const folder = temporaryFolder('bench-places')
  const web = join(folder.path, 'web')
  await buildPage(web)
  const root = join(folder.path, 'served')
  const server = await startServer({ root, host: '127.0.0.1', port: 0, token: undefined, web })
  const { context, close } = await startBrowser()
  const inFreshPages = async (
    work: 'store' | 'read' | 'readAtOnce' | 'append',
    amount: number,
  ): Promise<PlaceTimes> => {
    const times: PlaceTimes[] = []
    for (let i = 0; i < RUNS; i++) {
      const page = await openPage(context, server.url)
      times.push(
        await page.evaluate(async ([work, amount]) => (await openPlaces())[work](amount), [
          work,
          amount,
        ] as const),
      )
      await page.close()
    }
    return {
      indexedDb: median(times.map(({ indexedDb }) => indexedDb)),
      page: median(times.map(({ page }) => page)),
      worker: median(times.map(({ worker }) => worker)),
    }
  }
  try {
    return [
      { work: 'store a pack of 64 MB', ...(await inFreshPages('store', 64 * MEGABYTE)) },
      { work: 'store a pack of 8 MB', ...(await inFreshPages('store', 8 * MEGABYTE)) },
      { work: `read ${WINDOWS} windows of it`, ...(await inFreshPages('read', WINDOWS)) },
      { work: 'read all of it at once', ...(await inFreshPages('readAtOnce', WINDOWS)) },
      { work: 'read one window of it', ...(await inFreshPages('read', 1)) },
      { work: 'append 300 bytes', ...(await inFreshPages('append', 1)) },
      { work: 'append 300 bytes, 50 times', ...(await inFreshPages('append', 50)) },
    ]
  } finally {
    await close()
    await server.stop(1000)
    folder.remove()
  }
}

function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0
}
