/**
 * The page of the transfer tests: sends a large commit, or fetches one, as often as it takes, in whatever state an earlier one has
 * left the database that was killed.
 *
 * @module
 */
import { toHex } from '@datakit/git/bytes'
import { portableRuntime } from '@datakit/git/runtime/portable'
import { SyncError } from '@datakit/datakit/error'
import { syncAndKeep } from '@datakit/datakit/keep-answer'
import { Repository } from '@datakit/datakit/repository'
import { openIndexedDbPlace } from '@datakit/storage/indexeddb'
import { openDB } from 'idb'
import { answerKeeper } from '@datakit/storage/indexeddb/kept-answer'

/** What a page tells the test. */
export interface TransferNews {
  readonly what: 'begun' | 'kept' | 'done' | 'failed'
  /** Bytes that are kept; or the SHA-1 of the file, or what went wrong. */
  readonly told: string
}

const parameters = new URL(location.href).searchParams
const url = parameters.get('remote') ?? ''
const name = parameters.get('name') ?? ''
/** Bytes of the file to send; 0 to fetch what is there. */
const size = Number(parameters.get('send') ?? 0)

function noise(): Uint8Array {
  const bytes = new Uint8Array(size)
  for (let i = 0, state = 11; i < size; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    bytes[i] = state >>> 16
  }
  return bytes
}

async function main(): Promise<void> {
  const place = await openIndexedDbPlace(name)
  const identity = () => ({ name: 'Ada', address: 'ada@example.org' })
  const repository = await Repository.open(place, { runtime: portableRuntime, identity })
  const branch = repository.branch('main')
  if (size > 0 && (await branch.oid()) === undefined)
    await branch.commit((files) => files.write('noise', noise()), { message: 'Make noise' })
  await tell('begun', '')
  const watching = setInterval(() => void tellKept(), 100)
  while (!(await isSynced(repository)));
  clearInterval(watching)
  const file = await (await branch.head())?.read('noise')
  await tell('done', toHex(portableRuntime.sha1(file ?? new Uint8Array(0))))
}

/** Syncs; false when the network was not there. */
async function isSynced(repository: Repository): Promise<boolean> {
  try {
    await syncAndKeep(repository, { url }, answerKeeper(name))
    return true
  } catch (error) {
    if (!(error instanceof SyncError)) throw error
    await new Promise((resolve) => setTimeout(resolve, 200))
    return false
  }
}

/** Tells how much of an answer is kept, for the page that comes after this one. */
async function tellKept(): Promise<void> {
  const databases = await indexedDB.databases()
  // Opening it would make it.
  if (databases.every((database) => database.name !== 'datakit-answers')) return
  const database = await openDB('datakit-answers')
  const front = await database.get('fronts', name)
  database.close()
  await tell('kept', String(front?.size ?? 0))
}

async function tell(what: TransferNews['what'], told: string): Promise<void> {
  await fetch('/news', { method: 'POST', body: JSON.stringify({ what, told }) })
}

main().catch((error: unknown) => tell('failed', String(error)))
