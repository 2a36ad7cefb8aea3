/**
 * Condemned: what no state names any more and a sweep deletes later.
 *
 * The newest rows are in the root. When they are too many they move into one immutable object, together with those that
 * moved before; readers of refs and packs never need it.
 *
 * Spec: docs/storage-format.md, "R2"
 *
 * @module
 */
import { utf8 } from '@datakit/git/bytes'
import { Fields } from './fields.ts'
import { objectKey, timeOfKey } from './keys.ts'
import type { Store } from './store.ts'

/** Something that no state names any more and that is deleted later. */
export interface Condemned {
  /** Its key in the bucket. */
  readonly key: string
  readonly at: number
}

/** Where rows are that have left the root. */
export interface EarlierCondemned {
  /** Id under `t/REPOSITORY/`. */
  readonly id: string
  /** When the newest of the keys was made, in milliseconds since 1970: what is younger is not among them. */
  readonly newest: number
}

/** What of a root says what is condemned. */
export interface CondemnedLists {
  readonly repository: string
  readonly condemned: readonly Condemned[]
  readonly earlier: EarlierCondemned | undefined
}

/** Rows of condemned keys. */
export function encodeCondemned(condemned: readonly Condemned[]): unknown[] {
  return condemned.map(({ key, at }) => [key, at])
}

/** The condemned keys that rows stand for. */
export function decodeCondemned(fields: Fields, rows: unknown): Condemned[] {
  return fields.list(rows).map((row) => {
    const [key, at] = fields.list(row)
    return { key: fields.text(key), at: fields.count(at) }
  })
}

/** The bytes of rows that leave the root. */
export function encodeEarlier(condemned: readonly Condemned[]): Uint8Array<ArrayBuffer> {
  return utf8(JSON.stringify(encodeCondemned(condemned)))
}

/** When the newest of some keys was made. */
export function newestOf(condemned: readonly Condemned[]): number {
  return condemned.reduce((newest, { key }) => Math.max(newest, timeOfKey(key) ?? 0), 0)
}

/**
 * Everything that a root condemns, the earliest first.
 *
 * @throws MissingError when rows that have left the root are gone
 */
export async function readCondemned(store: Store, lists: CondemnedLists): Promise<Condemned[]> {
  const { repository, condemned, earlier } = lists
  if (earlier === undefined) return [...condemned]
  const fields = new Fields('condemned keys')
  const bytes = await store.readWhole(objectKey('t', repository, earlier.id))
  return [...decodeCondemned(fields, fields.decode(bytes)), ...condemned]
}

/** Whether a root condemns a key. Reads what has left the root only where the key is old enough to be there. */
export async function isCondemned(
  store: Store,
  lists: CondemnedLists,
  key: string,
): Promise<boolean> {
  const { condemned, earlier } = lists
  if (condemned.some((one) => one.key === key)) return true
  if (earlier === undefined || (timeOfKey(key) ?? 0) > earlier.newest) return false
  return (await readCondemned(store, lists)).some((one) => one.key === key)
}
