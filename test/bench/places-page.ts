/**
 * Where a page could keep the bytes of packs: IndexedDB, as our place does, beside the origin-private file system. Runs in
 * the page, over nothing of ours.
 *
 * @module
 */

/** What the worker of the file system is asked. */
export type FileRequest =
  | { readonly work: 'write'; readonly name: string; readonly bytes: Uint8Array }
  | { readonly work: 'append'; readonly name: string; readonly bytes: Uint8Array }
  | { readonly work: 'read'; readonly name: string; readonly start: number; readonly end: number }

/** Milliseconds of a piece of work in each. */
export interface PlaceTimes {
  readonly indexedDb: number
  /** Through the promises that a page has. */
  readonly page: number
  /** Through a worker's sync access handles, messages to it and back included. */
  readonly worker: number
}

/** What is measured. */
export interface PlacesBench {
  /** Stores a pack of `size` bytes, durable. */
  store(size: number): Promise<PlaceTimes>
  /** Reads `count` windows of a pack that was stored before, here and there in it. */
  read(count: number): Promise<PlaceTimes>
  /** Reads a pack that was stored before, `count` windows of it at once. */
  readAtOnce(count: number): Promise<PlaceTimes>
  /** Appends 300 bytes `count` times, each durable before the next. */
  append(count: number): Promise<PlaceTimes>
}

/** Bytes of a row, and of what is read at once. */
const WINDOW = 256 * 1024
const PACK = 'pack'
const TAIL = 'tail'

interface Side {
  write(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>
  append(name: string, bytes: Uint8Array<ArrayBuffer>, number: number): Promise<void>
  read(name: string, start: number, end: number): Promise<Uint8Array>
}

/** Opens the three sides. */
export async function placesBench(): Promise<PlacesBench> {
  const sides = [await indexedDbSide(), await pageSide(), workerSide()] as const
  const each = async (work: (side: Side) => Promise<unknown>): Promise<PlaceTimes> => {
    const times: number[] = []
    for (const side of sides) {
      const started = performance.now()
      await work(side)
      times.push(performance.now() - started)
    }
    const [indexedDb = 0, page = 0, worker = 0] = times
    return { indexedDb, page, worker }
  }
  return {
    store(size) {
      const bytes = new Uint8Array(size)
      for (let at = 0; at < size; at += 65_536)
        crypto.getRandomValues(bytes.subarray(at, at + 65_536))
      return each((side) => side.write(PACK, bytes))
    },
    read(count) {
      return each(async (side) => {
        for (let i = 0; i < count; i++) {
          const start = ((i * 11) % count) * WINDOW
          const { length } = await side.read(PACK, start, start + WINDOW)
          if (length !== WINDOW) throw new Error(`Expected ${WINDOW} bytes, found ${length}`)
        }
      })
    },
    readAtOnce(count) {
      return each(async (side) => {
        const { length } = await side.read(PACK, 0, count * WINDOW)
        if (length !== count * WINDOW) throw new Error(`Found ${length} bytes`)
      })
    },
    append(count) {
      const bytes = crypto.getRandomValues(new Uint8Array(300))
      return each(async (side) => {
        for (let i = 0; i < count; i++) await side.append(TAIL, bytes, i)
      })
    },
  }
}

async function indexedDbSide(): Promise<Side> {
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open('places', 1)
    request.addEventListener('upgradeneeded', () => request.result.createObjectStore('chunks'))
    request.addEventListener('success', () => resolve(request.result))
    request.addEventListener('error', () => reject(request.error))
  })
  const put = (rows: readonly (readonly [IDBValidKey, Uint8Array])[]): Promise<void> =>
    new Promise((resolve, reject) => {
      const transaction = database.transaction('chunks', 'readwrite', { durability: 'strict' })
      for (const [key, bytes] of rows) transaction.objectStore('chunks').put(bytes, key)
      transaction.addEventListener('complete', () => resolve())
      transaction.addEventListener('abort', () => reject(transaction.error))
    })
  return {
    write(name, bytes) {
      const count = Math.ceil(bytes.length / WINDOW)
      return put(
        Array.from({ length: count }, (_, i) => [
          [name, i],
          bytes.slice(i * WINDOW, (i + 1) * WINDOW),
        ]),
      )
    },
    append: (name, bytes, number) => put([[[name, number], bytes]]),
    read: (name, start, end) =>
      new Promise((resolve, reject) => {
        const store = database.transaction('chunks').objectStore('chunks')
        const range = IDBKeyRange.bound([name, start / WINDOW], [name, end / WINDOW], false, true)
        const request = store.getAll(range)
        request.addEventListener('success', () => {
          const rows = request.result as Uint8Array[]
          const bytes = new Uint8Array(end - start)
          for (const [i, row] of rows.entries()) bytes.set(row, i * WINDOW)
          resolve(bytes)
        })
        request.addEventListener('error', () => reject(request.error))
      }),
  }
}

async function pageSide(): Promise<Side> {
  const root = await navigator.storage.getDirectory()
  const handleOf = (name: string) => root.getFileHandle(`page-${name}`, { create: true })
  return {
    async write(name, bytes) {
      const stream = await (await handleOf(name)).createWritable()
      await stream.write(bytes)
      await stream.close()
    },
    async append(name, bytes) {
      const handle = await handleOf(name)
      const stream = await handle.createWritable({ keepExistingData: true })
      await stream.write({ type: 'write', position: (await handle.getFile()).size, data: bytes })
      await stream.close()
    },
    async read(name, start, end) {
      const file = await (await handleOf(name)).getFile()
      return new Uint8Array(await file.slice(start, end).arrayBuffer())
    },
  }
}

function workerSide(): Side {
  const worker = new Worker('/opfs-worker.js', { type: 'module' })
  const ask = (request: FileRequest): Promise<unknown> =>
    new Promise((resolve, reject) => {
      worker.addEventListener('message', ({ data }) => resolve(data), { once: true })
      worker.addEventListener('error', ({ message }) => reject(new Error(message)), { once: true })
      worker.postMessage(request)
    })
  const nameOf = (name: string) => `worker-${name}`
  return {
    async write(name, bytes) {
      await ask({ work: 'write', name: nameOf(name), bytes })
    },
    async append(name, bytes) {
      await ask({ work: 'append', name: nameOf(name), bytes })
    },
    // The worker answers a read with bytes.
    read: async (name, start, end) =>
      (await ask({ work: 'read', name: nameOf(name), start, end })) as Uint8Array,
  }
}
