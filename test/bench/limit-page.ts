/**
 * The least that a clone can take: a pack downloaded, digested and stored in one row. Runs in the page, over nothing of ours.
 *
 * @module
 */

/** Milliseconds from the request of the pack at `url` until it is durable in IndexedDB. */
export async function measureLimit(url: string): Promise<number> {
  const database = await openDatabase()
  const started = performance.now()
  const response = await fetch(url, { cache: 'no-store' })
  if (!response.ok) throw new Error(`The pack is answered ${response.status}`)
  const bytes = await response.arrayBuffer()
  await crypto.subtle.digest('SHA-1', bytes)
  await new Promise<void>((resolve, reject) => {
    const transaction = database.transaction('packs', 'readwrite', { durability: 'strict' })
    transaction.objectStore('packs').put(bytes, 'pack')
    transaction.addEventListener('complete', () => resolve())
    transaction.addEventListener('abort', () => reject(transaction.error))
  })
  const took = performance.now() - started
  database.close()
  return took
}

function openDatabase(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('limit')
    request.addEventListener('upgradeneeded', () => request.result.createObjectStore('packs'))
    request.addEventListener('success', () => resolve(request.result))
    request.addEventListener('error', () => reject(request.error))
  })
}
