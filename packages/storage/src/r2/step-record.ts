/**
 * Step record: how far a check or a repair of a bucket has come, kept in the bucket for whoever goes on.
 *
 * A Worker has so much time for a request and no more. So the work is done in steps, a request each; between two of them it
 * is an object of its own, and the answer says which. A step that was cut off is asked for once more, by the same record; when that is
 * done the record before it is deleted. What is left is swept after a day.
 *
 * Spec: docs/storage-format.md, "R2"
 *
 * @module
 */
import { text, utf8 } from '@datakit/git/bytes'
import { MissingError, RefusedError } from '@datakit/git/error'
import type { SavedR2Check } from './check.ts'
import { objectKey, timedId } from './keys.ts'
import type { Store } from './store.ts'

/** What is kept between two steps. */
export interface StepRecord {
  /** What is done: a record of one is no good for the other. */
  readonly task: 'check' | 'repair'
  readonly check: SavedR2Check
  /** How many steps of mending were made, once the check is done; -1 before. */
  readonly mended: number
  /** The record of the step before. */
  readonly before: string | undefined
}

const FORMAT = 1
const LINE_FEED = 10

/** Where a record is kept. */
export interface RecordShelf {
  readonly store: Store
  /** Id of the repository. */
  readonly repository: string
}

/** Keeps a record, made at `now`; gives its id. The last but one is forgotten. */
export async function keepRecord(
  { store, repository }: RecordShelf,
  record: StepRecord,
  { now, last }: { readonly now: number; readonly last: string | undefined },
): Promise<string> {
  const id = timedId(now)
  await store.write(objectKey('c', repository, id), encodeRecord(record))
  if (last !== undefined) await store.bucket.delete([objectKey('c', repository, last)])
  return id
}

/** The record with this id. @throws RefusedError `cursor` when there is none that could be gone on with */
export async function readRecord(
  { store, repository }: RecordShelf,
  id: string,
  task: StepRecord['task'],
): Promise<StepRecord> {
  const gone = (cause?: unknown) =>
    new RefusedError(
      'cursor',
      `Cannot go on with the ${task} "${id.slice(0, 40)}": it is not kept, for more than a day or not at all; begin a new one`,
      { cause },
    )
  if (!/^[0-9a-f]{32}$/.test(id)) throw gone()
  try {
    const record = decodeRecord(await store.readWhole(objectKey('c', repository, id)))
    if (record?.task === task) return record
  } catch (error) {
    if (!(error instanceof MissingError)) throw error
    throw gone(error)
  }
  throw gone()
}

function encodeRecord(record: StepRecord): Uint8Array {
  const { place } = record.check
  const objects = place?.walk?.objects ?? new Uint8Array()
  const line = JSON.stringify({ format: FORMAT, ...record }, (key, value: unknown) =>
    key === 'objects' && value instanceof Uint8Array ? undefined : value,
  )
  const head = utf8(`${line}\n`)
  const bytes = new Uint8Array(head.length + objects.length)
  bytes.set(head)
  bytes.set(objects, head.length)
  return bytes
}

function decodeRecord(bytes: Uint8Array): StepRecord | undefined {
  const end = bytes.indexOf(LINE_FEED)
  // Written by the function above, perhaps of another version.
  const record = JSON.parse(text(bytes.subarray(0, end))) as StepRecord & { format: number }
  if (record.format !== FORMAT) return undefined
  const { place } = record.check
  if (place?.walk === undefined) return record
  const walk = { ...place.walk, objects: bytes.subarray(end + 1) }
  return { ...record, check: { ...record.check, place: { ...place, walk } } }
}
