/**
 * Random damage to the rows of a repository in the browser: a bit flipped, cut, lost, or two rows exchanged, in any store.
 * `VITE_SEED` and `VITE_CASES` in the environment make others than the default ones. What is read afterwards is what was written or an error that says what is wrong; a repair changes nothing
 * that could be read, and whoever goes on committing loses nothing.
 */
import { openDB, type IDBPDatabase } from 'idb'
import { GitError } from '@datakit/git/error'
import { afterEach, expect, it } from 'vitest'
import { goOn, lies, writeAtRandom, type Draw } from '../../test/damaged.ts'
import { deletePlaces, openPlace, type NamedPlace } from '../../test/indexeddb-places.ts'
import { seededRandom } from '../../../datakit/test/random-history.ts'
import { repairRows } from './repair.ts'
import { ALL_STORES } from './schema.ts'

afterEach(deletePlaces)

/** What the tools put in the place of this in a browser's test. */
const env = (import.meta as unknown as { readonly env: Readonly<Record<string, string>> }).env
/** Of the environment, or of the clock. */
const SEED = Number(env['VITE_SEED'] ?? Date.now() % 1_000_000_007)

const KINDS = ['flip', 'cut', 'lose', 'swap'] as const
type Row = Record<string, unknown>

/** Damages one row, and says which and how; `undefined` where that store has no such row. */
async function damage(database: IDBPDatabase, draw: Draw): Promise<string | undefined> {
  const store = ALL_STORES[draw(ALL_STORES.length)] ?? 'blocks'
  const kind = KINDS[draw(KINDS.length)] ?? 'flip'
  const keys = await database.getAllKeys(store)
  const key = keys[draw(keys.length)]
  if (key === undefined) return undefined
  const row: Row = await database.get(store, key)
  const isInline = database.transaction(store).objectStore(store).keyPath !== null
  const said = `${kind} in ${store} at ${JSON.stringify(key)}`
  if (kind === 'lose') {
    await database.delete(store, key)
    return said
  }
  if (kind === 'swap') {
    const other = keys[draw(keys.length)]
    // Whose a row is, nothing but its key says.
    if (isInline || store === 'promised') return undefined
    if (other === undefined || indexedDB.cmp(other, key) === 0) return undefined
    const second: Row = await database.get(store, other)
    await database.put(store, second, key)
    await database.put(store, row, other)
    return said
  }
  const kept = new Set([database.transaction(store).objectStore(store).keyPath ?? []].flat())
  const fields = Object.keys(row).filter((field) => !kept.has(field) && isDamageable(row[field]))
  const field = fields[draw(fields.length)]
  if (field === undefined) return undefined
  const value = changed(row[field], kind, draw)
  await database.put(store, { ...row, [field]: value }, isInline ? undefined : key)
  return `${said}.${field}`
}

function isDamageable(value: unknown): boolean {
  if (value instanceof Uint8Array || typeof value === 'string') return value.length > 0
  return typeof value === 'number' || typeof value === 'boolean'
}

function changed(value: unknown, kind: 'flip' | 'cut', draw: Draw): unknown {
  if (value instanceof Uint8Array) {
    if (kind === 'cut') return value.slice(0, draw(value.length))
    const bytes = value.slice()
    // A single byte would be put right by the checksum of its chunk.
    for (let i = 0; i < 2; i++) {
      const at = draw(bytes.length)
      bytes[at] = (bytes[at] ?? 0) ^ (1 << draw(8))
    }
    return bytes
  }
  if (typeof value === 'string') {
    const at = draw(value.length)
    if (kind === 'cut') return value.slice(0, at)
    return value.slice(0, at) + String.fromCharCode(value.charCodeAt(at) ^ 1) + value.slice(at + 1)
  }
  return typeof value === 'number' ? value ^ (1 << draw(16)) : value !== true
}

async function tryDamage(seed: number): Promise<{ said: string; problems: string[] } | undefined> {
  const next = seededRandom(seed)
  const draw: Draw = (end) => Math.floor(next() * end)
  const first: NamedPlace = await openPlace()
  const written = await writeAtRandom(first, draw)
  const { name } = first
  await first.close()
  const database = await openDB(name)
  const said = await damage(database, draw)
  database.close()
  if (said === undefined) return undefined
  const place = await openPlace(name)
  const problems = (await lies(place, written)).map((each) => `read: ${each}`)
  // That a row is not there at all, only a repair sees.
  if (said.startsWith('lose in blocks')) problems.length = 0
  problems.push(...(await goOn(place, written)))
  await place.close()
  await repairRows(name).catch((error: unknown) => {
    if (!(error instanceof GitError)) problems.push(`repair: ${String(error)}`)
  })
  const after = await openPlace(name)
  problems.push(...(await lies(after, written)).map((each) => `repaired: ${each}`))
  await after.close()
  await deletePlaces()
  return { said, problems }
}

it(
  'reads what was written or says what is wrong, whichever row is damaged',
  { timeout: 600_000 },
  async () => {
    const [seed, numRuns] = [SEED, Number(env['VITE_CASES'] ?? 40)]
    console.log(`SEED=${seed}, ${numRuns} cases`)
    const problems: string[] = []
    for (let i = 0; i < numRuns; i++) {
      const tried = await tryDamage(seed + i)
      for (const each of tried?.problems ?? [])
        problems.push(`SEED=${seed + i}, ${tried?.said}: ${each}`)
    }
    expect(problems).toEqual([])
  },
)
