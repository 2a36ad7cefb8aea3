/**
 * A tab: the page that the tests with several tabs open, and what they tell it to do.
 *
 * @module
 */
import { Objects } from '@datakit/git/objects'
import type { Oid } from '@datakit/git/oid'
import { encodePack } from '@datakit/git/pack/write-pack'
import type { Place } from '@datakit/git/place'
import { portableRuntime } from '@datakit/git/runtime/portable'
import { openDB } from 'idb'
import { openIndexedDbPlace } from '../src/indexeddb/place.ts'
import { SCHEMA_VERSION, type PackRow } from '../src/indexeddb/schema.ts'
import { collect, done, move, noise, oid, request, turn } from './samples.ts'
import { commitFrom, commitUntilDone, CONTESTED, type WriterOrder } from './tab-writer.ts'

const TOGETHER = 'refs/together/'
/** More than a listing reads in one transaction. */
const REFS = 1100

/** How filling the disk ended. */
export interface FullReport {
  readonly reason: unknown
  readonly message: string
  /** Objects that were committed before. */
  readonly committed: number
}

let place: Place
let workers: Worker[] = []

function order(worker: Worker, what: WriterOrder): Promise<string> {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data)
    worker.onerror = ({ message }) => reject(new Error(message))
    worker.postMessage(what)
  })
}

/** What the tests call; each gives what can be passed out of the page. */
const tab = {
  /** Opens the database in the page and in so many workers. */
  async open(name: string, count: number): Promise<void> {
    place = await openIndexedDbPlace(name)
    workers = Array.from({ length: count }, () => new Worker('/worker.js', { type: 'module' }))
    await Promise.all(workers.map((worker) => order(worker, { open: name })))
  },

  /** Every writer of this tab commits on top of `from` at once. Tells the states, the page's own last. */
  compete(from: Oid | undefined, first: number): Promise<string[]> {
    const others = workers.map((worker, i) => order(worker, { from, number: first + i }))
    return Promise.all([...others, commitFrom(place, from, first + workers.length)])
  },

  /** Every writer of this tab makes so many commits, however often it loses. */
  insist(first: number, count: number): Promise<string[]> {
    const numbers = (i: number) => Array.from({ length: count }, (_, k) => first + i * count + k)
    const others = workers.map((worker, i) => order(worker, { numbers: numbers(i) }))
    return Promise.all([...others, commitUntilDone(place, numbers(workers.length))])
  },

  /** Where the contested branch was, oldest first, and which of these objects cannot be read. */
  async history(): Promise<{
    moves: (readonly [Oid | undefined, Oid | undefined])[]
    unreadable: Oid[]
  }> {
    const log = await collect(place.log(CONTESTED))
    const moves = log.toReversed().map(({ from, to }) => [from, to] as const)
    const objects = await Objects.open(place, portableRuntime)
    const unreadable: Oid[] = []
    for (const [, to] of moves) {
      if (to && !(await objects.read(to).catch(() => undefined))) unreadable.push(to)
    }
    return { moves, unreadable }
  },

  /** Moves many refs together, so many times: all are made, moved and deleted. */
  async moveTogether(rounds: number): Promise<void> {
    let from: Oid | undefined
    for (let round = 1; round <= rounds; round++) {
      const to = round % 4 === 0 ? undefined : oid(round)
      const refs = Array.from({ length: REFS }, (_, i) => move(`${TOGETHER}${i}`, from, to))
      await done(place, request(refs))
      from = to
    }
  },

  /** Reads these refs until they are at `last`. Tells how many different moments it saw, and any that was not whole. */
  async watchTogether(last: Oid): Promise<{ moments: number; torn: string[] }> {
    const seen = new Set<Oid | undefined>()
    const torn: string[] = []
    while (!seen.has(last)) {
      const state = await place.read()
      await turn()
      const refs = await collect(state.refs(TOGETHER))
      const oids = new Set(refs.map((ref) => ref.oid))
      const isWhole = refs.length === 0 || (refs.length === REFS && oids.size === 1)
      const again = await state.ref(`${TOGETHER}7`)
      const [value] = oids
      if (!isWhole || again !== value) torn.push(`${refs.length} refs at ${[...oids].join()}`)
      seen.add(value)
    }
    return { moments: seen.size, torn }
  },

  /** Commits packs until the browser takes no more. */
  async fill(size: number): Promise<FullReport> {
    for (let committed = 0; ; committed++) {
      try {
        await this.add(committed, size)
      } catch (error) {
        const { reason, message } = error as Error & { reason?: unknown }
        return { reason, message, committed }
      }
    }
  },

  /** Commits one pack; one that fails is dropped as its writer should. */
  async add(number: number, size: number): Promise<void> {
    const object = noise(size, number)
    const { bytes, table } = await encodePack(portableRuntime, [object])
    const writer = await place.writePack()
    try {
      await writer.write(bytes)
      const addPacks = [await writer.finish({ table, needs: [], verified: true })]
      const from = await (await place.read()).ref(CONTESTED)
      await done(place, request([move(CONTESTED, from, object.oid)], { addPacks }))
    } catch (error) {
      await writer.abort()
      throw error
    }
  },

  /** Does to the database what a newer version of the program does. */
  async upgrade(name: string): Promise<string> {
    ;(await openDB(name, SCHEMA_VERSION + 1)).close()
    return 'upgraded'
  },

  /** How many packs were written and are in no update, or are chunks of no pack at all. */
  async staged(name: string): Promise<number> {
    const database = await openDB(name)
    const rows: PackRow[] = await database.getAll('packs')
    const homes = new Set(rows.flatMap(({ state, home }) => (state === 'staged' ? [] : [home])))
    const chunks = await database.getAllKeys('chunks')
    database.close()
    const strays = chunks.filter((key) => Array.isArray(key) && !homes.has(String(key[0])))
    return rows.length - homes.size + strays.length
  },
}

/** What a test calls in a tab. */
export type Tab = typeof tab

Object.assign(globalThis, { tab })
