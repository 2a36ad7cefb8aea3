/**
 * Taking over the rows of older versions of the program; loaded when a database of one is met.
 *
 * @module
 */
import { decodeName } from '@datakit/git/bytes'
import { MalformedError } from '@datakit/git/error'
import { cutBlocks } from './cut-blocks.ts'
import { isSound, resultOf, seal } from './database.ts'
import { joinLines, keyOf } from './ref-blocks.ts'
import { createBlocks, type LogRow, type Sealed } from './schema.ts'

/** A row of a ref as version 2 had it, under the bytes of its name. */
interface RefRow extends Sealed {
  readonly oid: string
  readonly peeled: string | undefined
  readonly number: number
}

/**
 * Puts the refs into blocks. Version 1 had an index of the log with the name of the ref and the numbers in one key, too, which
 * WebKit puts into a wrong order (seen in WebKitGTK 2.50: numbers behind bytes, in an array). An index of the names alone needs no
 * numbers: equal names are in the order of the rows.
 *
 * @param onLost takes the names of refs that are damaged, and of which the log does not say where they were; they are left out
 * @throws MalformedError for the first such ref, where nobody takes them
 */
export async function upgradeStores(
  upgrade: IDBTransaction,
  onLost: (name: string) => void = refuse,
): Promise<void> {
  const log = upgrade.objectStore('log')
  if (log.index('ref').keyPath !== 'ref') {
    log.deleteIndex('ref')
    log.createIndex('ref', 'ref')
  }
  createBlocks(upgrade.db)
  const store = upgrade.objectStore('refs')
  const [keys, rows]: [IDBValidKey[], RefRow[]] = await Promise.all([
    resultOf(store.getAllKeys()),
    resultOf(store.getAll()),
  ])
  const lines: string[] = []
  let newest = 0
  for (const [i, row] of rows.entries()) {
    // Either is copied, whichever the browser gives.
    const key = new Uint8Array(keys[i] as ArrayBuffer)
    const name = decodeName(key)
    const oid = isSound(row) ? row.oid : await newestIn(log, key)
    const peeled = isSound(row) ? row.peeled : undefined
    newest = Math.max(newest, row.number)
    if (oid === undefined) onLost(name)
    else lines.push([keyOf(name), oid, peeled ?? []].flat().join(' '))
  }
  const all = { first: '', lines: joinLines(lines), number: newest }
  for (const block of cutBlocks([all])) upgrade.objectStore('blocks').put(seal(block))
  upgrade.db.deleteObjectStore('refs')
}

/** Where the log says last that a ref is; `undefined` when that line is damaged. */
async function newestIn(
  log: IDBObjectStore,
  key: Uint8Array<ArrayBuffer>,
): Promise<string | undefined> {
  const lines: LogRow[] = await resultOf(log.index('ref').getAll(key))
  const line = lines.at(-1)
  return isSound(line) ? line?.to : undefined
}

function refuse(name: string): never {
  throw new MalformedError(name, 'its row is damaged, and the log does not say where it was')
}
