/**
 * The page of the kill test: checks what the last browser left, tells the server, then commits until it is killed.
 *
 * @module
 */
import { Objects } from '@datakit/git/objects'
import type { Oid } from '@datakit/git/oid'
import { openDB } from 'idb'
import { portableRuntime } from '@datakit/git/runtime/portable'
import { openIndexedDbPlace } from '../src/indexeddb/place.ts'
import { compact } from '../src/maintenance.ts'
import { collect, done, move, noise, request, stage } from './samples.ts'

/** What a page found, as the server is told. */
export interface KillReport {
  /** How many commits there are. */
  readonly commits: number
  /** What is wrong; empty when nothing is. */
  readonly problem: string
  /** Whether a database beside ours, which none of our code writes, was there from before. */
  readonly hasControl: boolean
}

const NAMES = ['refs/heads/a', 'refs/heads/b']

/** The object of the commit of this number; every seventh is too large to wait in memory. */
function sample(number: number) {
  return noise(number % 7 === 0 ? 400_000 : 200 + ((number * 7919) % 20_000), number)
}

async function main(): Promise<void> {
  const hasControl = await readControl()
  const place = await openIndexedDbPlace(`kill${location.pathname}`)
  const state = await place.read()
  const log = await collect(place.log('refs/heads/a'))
  const commits = log.length
  const head = commits === 0 ? undefined : sample(commits).oid
  const refs = await Promise.all(NAMES.map((name) => state.ref(name)))
  const problem = refs.some((oid) => oid !== head)
    ? `after ${commits} commits the refs are ${refs.join(' and ')}, not ${head}`
    : await findDamage(await Objects.open(place, portableRuntime), commits)
  await tell('report', { commits, problem, hasControl })
  let from: Oid | undefined = head
  for (let number = commits + 1; ; number++) {
    const object = sample(number)
    const addPacks = [await stage(place, [object])]
    const refUpdates = NAMES.map((name) => move(name, from, object.oid))
    await done(place, request(refUpdates, { addPacks }))
    void tell('done', { commits: number, problem: '', hasControl })
    from = object.oid
    if (number % 10 === 0) await compact(place, portableRuntime)
    if (number % 15 === 0) await place.sweep({ grace: 0 })
  }
}

/** Chromium may throw away all databases of an origin (`leveldb-log.ts`): then this is gone, too. Written before anything of ours. */
async function readControl(): Promise<boolean> {
  const database = await openDB('control', 1, {
    upgrade: (opened) => void opened.createObjectStore('rows'),
  })
  const found: unknown = await database.get('rows', 'key')
  const transaction = database.transaction('rows', 'readwrite', { durability: 'strict' })
  await transaction.store.put('value', 'key')
  await transaction.done
  database.close()
  return found !== undefined
}

/** Says which object cannot be read; empty when all can. */
async function findDamage(objects: Objects, commits: number): Promise<string> {
  for (let number = 1; number <= commits; number++) {
    try {
      await objects.read(sample(number).oid)
    } catch (error) {
      return `object ${number} of ${commits}: ${String(error)}`
    }
  }
  return ''
}

async function tell(path: string, report: KillReport): Promise<void> {
  await fetch(`/${path}`, { method: 'POST', body: JSON.stringify(report) })
}

main().catch((error: unknown) =>
  tell('report', { commits: -1, problem: String(error), hasControl: true }),
)
