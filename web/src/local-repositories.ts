/**
 * The repositories of this browser: opened, listed, missed and removed.
 *
 * @module
 */
import type { Depot, Place } from '@datakit/git/place'
import { indexedDbDepot } from '@datakit/storage/indexeddb'
import { answerKeeper } from '@datakit/storage/indexeddb/kept-answer'
import {
  openWitnessed,
  Witness,
  type Witnessed,
  type WitnessStorage,
} from '@datakit/storage/indexeddb/witness'
import { canOpen } from './app-database.ts'
import { isKept, keepNothing } from './kept-storage.ts'

const PREFIX = 'datakit:'
const depot = indexedDbDepot(PREFIX)
/** Those of a page whose browser keeps nothing. */
let inMemory: Promise<Depot> | undefined
const witness = new Witness(openStorage())

/** Name of the database that a repository is kept in. */
export function databaseOf(name: string): string {
  return PREFIX + name
}

/** Opens what is kept under a name. @throws UnavailableError of reason `storage-gone` when it was, and is not any more */
export async function openLocal(name: string): Promise<Place> {
  if (!isKept.value) return (await memory()).open(name)
  return openWitnessed(databaseOf(name), witness)
}

/** Names of the repositories that were ever written to in this browser. */
export async function localRepositories(): Promise<readonly string[]> {
  const names: string[] = []
  const found = isKept.value ? depot : await memory()
  for await (const { name } of found.list()) names.push(name)
  return names
}

/** Names of the repositories that were in this browser, and that nobody removed. */
export function knownRepositories(): readonly string[] {
  return witness.names().map((database) => database.slice(PREFIX.length))
}

/** What is known of a repository from when it was last here. */
export function lastSeen(name: string): Witnessed | undefined {
  return witness.read(databaseOf(name))
}

/** Does not miss a repository any more: it opens as a new one. */
export function forget(name: string): void {
  witness.forget(databaseOf(name))
}

/** Deletes a repository from this browser, with all that is only here. */
export async function removeLocal(name: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const deletion = indexedDB.deleteDatabase(databaseOf(name))
    deletion.addEventListener('success', () => resolve())
    deletion.addEventListener('error', () => reject(deletion.error ?? new Error('not deleted')))
  })
  forget(name)
  // What was on its way to it goes with it; it is thrown away after a day in any case.
  await answerKeeper(name)
    .drop()
    .catch(() => undefined)
}

/**
 * Finds out whether the browser keeps anything, before anything is opened. Where something was kept before, a database that does
 * not open is trouble that is to be told of, and no reason to begin without it.
 */
export async function findStorage(): Promise<void> {
  if (!(await canOpen()) && knownRepositories().length === 0) keepNothing()
}

function memory(): Promise<Depot> {
  inMemory ??= import('@datakit/storage/memory').then(({ memoryDepot }) => memoryDepot())
  return inMemory
}

function openStorage(): WitnessStorage {
  try {
    return localStorage
  } catch {
    // Blocked, as IndexedDB is then, too: nothing is kept that could be missed.
    return { length: 0, key() {}, getItem() {}, setItem() {}, removeItem() {} }
  }
}
