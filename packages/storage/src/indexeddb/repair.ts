/**
 * Repairing the small rows of a repository in IndexedDB: the root row is made anew from all others, refs are taken from the
 * log, and lines of the log that cannot be read are given up. Packs are `repairPlace`'s.
 *
 * One transaction, so that a repair that is cut off has changed nothing.
 *
 * @module
 */
import { GitError, MalformedError } from '@datakit/git/error'
import { isOid } from '@datakit/git/oid'
import type { Head, RefUpdate } from '@datakit/git/place'
import { FIRST_HEAD } from '../update.ts'
import {
  begin,
  deleteRows,
  ended,
  isSound,
  putRow,
  resultOf,
  seal,
  type Transaction,
} from './database.ts'
import { mendBlock, readNewest } from './mend-refs.ts'
import { changedBlocks, findRef, listRefs, nameOf, type Blocks } from './ref-blocks.ts'
import { ALL_STORES, SCHEMA_VERSION, type BlockRow, type Header, type PackRow } from './schema.ts'
import { upgradeStores } from './upgrade.ts'

/**
 * Mends what it can, and says what that was, a sentence each. Empty when nothing was wrong.
 *
 * @throws MalformedError when the root row cannot be made anew: no update is known that led to what is there
 * @throws DOMException when the browser does not give the database
 */
export async function repairRows(name: string): Promise<readonly string[]> {
  const said: string[] = []
  const database = await openUpgraded(name, said)
  try {
    const transaction = begin(database, ALL_STORES, 'readwrite')
    const end = ended(transaction.raw)
    said.push(
      ...(await mend(transaction).catch((error: unknown) => {
        transaction.raw.abort()
        throw error
      })),
    )
    const failure = await end
    if (failure !== undefined) throw failure.error
    return said
  } finally {
    database.close()
  }
}

/** Opens the database as it is, and where it is of an older version, without the refs that nobody can tell the place of. */
async function openUpgraded(name: string, said: string[]): Promise<IDBDatabase> {
  const database = await resultOf(indexedDB.open(name))
  if (!database.objectStoreNames.contains('refs')) return database
  database.close()
  const request = indexedDB.open(name, SCHEMA_VERSION)
  request.addEventListener('upgradeneeded', () => {
    const { transaction } = request
    const onLost = (ref: string): void => {
      said.push(`${ref} was damaged, and the log does not say where it was; it is gone`)
    }
    if (transaction) upgradeStores(transaction, onLost).catch(() => transaction.abort())
  })
  return resultOf(request)
}

async function mend(transaction: Transaction<'readwrite'>): Promise<string[]> {
  return [
    // Refs first: they are made from lines that may be next.
    ...(await mendRefs(transaction)),
    ...(await addLostRefs(transaction)),
    ...(await mendLog(transaction)),
    ...(await mendRoot(transaction)),
  ]
}

async function mendRefs(transaction: Transaction<'readwrite'>): Promise<string[]> {
  const said: string[] = []
  for (const row of await transaction.objectStore('blocks').getAll()) {
    if (isSound(row)) continue
    const what = `The refs from "${nameOf(row.first)}" on`
    try {
      putRow(transaction, 'blocks', seal(await mendBlock(transaction, row)))
      said.push(`${what} were damaged, and are where the log says`)
    } catch (error) {
      if (!(error instanceof GitError)) throw error
      said.push(`${what} are damaged, and so is the log of them: ${error.message}`)
    }
  }
  return said
}

/** Puts back refs that the log says are somewhere, and no block has: one is lost then. */
async function addLostRefs(transaction: Transaction<'readwrite'>): Promise<string[]> {
  const found: Blocks = await transaction.objectStore('blocks').getAll()
  const newest = await readNewest(transaction)
  newest.delete('HEAD')
  const moves: RefUpdate[] = []
  for (const [key, { to, damaged }] of newest) {
    const name = nameOf(key)
    const isLost = to !== undefined && isOid(to) && damaged === undefined
    if (isLost && findRef(found, name) === undefined) moves.push({ name, from: undefined, to })
  }
  const number = Math.max(0, ...found.map((block) => block.number))
  const isHeadless = found.length > 0 && found[0]?.first !== ''
  const blocks = isHeadless ? [{ first: '', lines: '', number }, ...found] : found
  for (const block of changedBlocks(blocks, moves, number))
    putRow(transaction, 'blocks', seal(block))
  return moves.map(({ name }) => `${name} was lost, and is where the log says`)
}

async function mendLog(transaction: Transaction<'readwrite'>): Promise<string[]> {
  const [lines, batches] = await Promise.all([
    transaction.objectStore('log').getAll(),
    transaction.objectStore('batches').getAll(),
  ])
  const damaged = [...lines, ...batches].filter((row) => !isSound(row))
  for (const row of damaged) {
    if ('line' in row) deleteRows(transaction, 'log', [row.number, row.line])
    else deleteRows(transaction, 'batches', row.number)
  }
  return damaged.map(
    ({ number }) => `A line of the log was damaged, of update ${number}; it is gone`,
  )
}

async function mendRoot(transaction: Transaction<'readwrite'>): Promise<string[]> {
  const damaged = await transaction.objectStore('state').get('header')
  if (damaged !== undefined && isSound(damaged)) return []
  const [packs, blocks, lines, batches, receipts] = await Promise.all([
    transaction.objectStore('packs').getAll(),
    transaction.objectStore('blocks').getAll(),
    transaction.objectStore('log').getAllKeys(),
    transaction.objectStore('batches').getAllKeys(),
    transaction.objectStore('receipts').getAll(),
  ])
  const logged = [...lines.map(([number]) => number), ...batches]
  const isEmpty = damaged === undefined && packs.length + blocks.length + logged.length === 0
  if (isEmpty) return []
  const newest = receipts
    .filter(({ outcome }) => outcome === 'done')
    .toSorted((a, b) => b.at - a.at)
  const repository = newest[0]?.version.split('.')[0]
  if (repository === undefined)
    throw new MalformedError('the repository', 'its root row is lost, and no update is known')
  const names = Array.from(listRefs(blocks, ''), ({ name }) => name)
  const number = newestUpdate(packs, blocks, logged) + 1
  const { head, shallow } = whatIsLeft(damaged, names)
  // Every tab reads all rows of packs again, and puts nothing behind the newest one.
  const root: Header = { number, repository, head, shallow, tail: undefined, swept: number }
  putRow(transaction, 'state', seal(root), 'header')
  return ['The root row was damaged, and was made anew from all others']
}

function newestUpdate(
  packs: readonly PackRow[],
  blocks: readonly BlockRow[],
  logged: readonly number[],
): number {
  let newest = 0
  for (const { changed } of packs) newest = Math.max(newest, changed)
  for (const { number } of blocks) newest = Math.max(newest, number)
  for (const number of logged) newest = Math.max(newest, number)
  return newest
}

/** What only the root row knows, as far as it can be believed. */
function whatIsLeft(
  damaged: Header | undefined,
  names: readonly string[],
): { readonly head: Head; readonly shallow: Header['shallow'] } {
  const shallow = (damaged?.shallow ?? []).filter(isOid)
  const told = damaged?.head
  if (told !== undefined && 'ref' in told && names.includes(told.ref))
    return { head: told, shallow }
  const branches = names.filter((name) => name.startsWith('refs/heads/'))
  const first = branches.includes('refs/heads/main') ? undefined : branches[0]
  return { head: first === undefined ? FIRST_HEAD : { ref: first }, shallow }
}
