/**
 * Repairing the small rows of a repository in IndexedDB: the root row is made anew from all others, refs are taken from the
 * log, and lines of the log that cannot be read are given up. Packs are `repairPlace`'s.
 *
 * One transaction, so that a repair that is cut off has changed nothing.
 *
 * @module
 */
import { decodeName } from '@datakit/git/bytes'
import { GitError, MalformedError } from '@datakit/git/error'
import { isOid } from '@datakit/git/oid'
import type { Head } from '@datakit/git/place'
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
import { ALL_STORES, type Header, type PackRow, type RefRow } from './schema.ts'
import { bytesOf, soundRef } from './state.ts'

/**
 * Mends what it can, and says what that was, a sentence each. Empty when nothing was wrong.
 *
 * @throws MalformedError when the root row cannot be made anew: no update is known that led to what is there
 * @throws DOMException when the browser does not give the database
 */
export async function repairRows(name: string): Promise<readonly string[]> {
  const database = await resultOf(indexedDB.open(name))
  try {
    const transaction = begin(database, ALL_STORES, 'readwrite')
    const end = ended(transaction.raw)
    const said = await mend(transaction).catch((error: unknown) => {
      transaction.raw.abort()
      throw error
    })
    const failure = await end
    if (failure !== undefined) throw failure.error
    return said
  } finally {
    database.close()
  }
}

async function mend(transaction: Transaction<'readwrite'>): Promise<string[]> {
  return [
    // Refs first: they are made from lines that may be next.
    ...(await mendRefs(transaction)),
    ...(await mendLog(transaction)),
    ...(await mendRoot(transaction)),
  ]
}

async function mendRefs(transaction: Transaction<'readwrite'>): Promise<string[]> {
  const said: string[] = []
  const store = transaction.objectStore('refs')
  const [keys, rows] = await Promise.all([store.getAllKeys(), store.getAll()])
  for (const [i, row] of rows.entries()) {
    if (isSound(row)) continue
    const key = bytesOf(keys[i])
    const name = decodeName(key)
    try {
      putRow(transaction, 'refs', seal({ ...(await soundRef(transaction, name, row)) }), key)
      said.push(`${name} was damaged, and is where the log says`)
    } catch (error) {
      if (!(error instanceof GitError)) throw error
      said.push(`${name} is damaged, and the log does not say where it was`)
    }
  }
  return said
}

async function mendLog(transaction: Transaction<'readwrite'>): Promise<string[]> {
  const lines = await transaction.objectStore('log').getAll()
  const damaged = lines.filter((line) => !isSound(line))
  for (const { number, line } of damaged) deleteRows(transaction, 'log', [number, line])
  return damaged.map(
    ({ number }) => `A line of the log was damaged, of update ${number}; it is gone`,
  )
}

async function mendRoot(transaction: Transaction<'readwrite'>): Promise<string[]> {
  const damaged = await transaction.objectStore('state').get('header')
  if (damaged !== undefined && isSound(damaged)) return []
  const [packs, refs, keys, lines, receipts] = await Promise.all([
    transaction.objectStore('packs').getAll(),
    transaction.objectStore('refs').getAll(),
    transaction.objectStore('refs').getAllKeys(),
    transaction.objectStore('log').getAllKeys(),
    transaction.objectStore('receipts').getAll(),
  ])
  const isEmpty = damaged === undefined && packs.length + refs.length + lines.length === 0
  if (isEmpty) return []
  const newest = receipts
    .filter(({ outcome }) => outcome === 'done')
    .toSorted((a, b) => b.at - a.at)
  const repository = newest[0]?.version.split('.')[0]
  if (repository === undefined)
    throw new MalformedError('the repository', 'its root row is lost, and no update is known')
  const names = keys.map((key) => decodeName(bytesOf(key)))
  const number = newestUpdate(packs, refs, lines) + 1
  const { head, shallow } = whatIsLeft(damaged, names)
  // Every tab reads all rows of packs again, and puts nothing behind the newest one.
  const root: Header = { number, repository, head, shallow, tail: undefined, swept: number }
  putRow(transaction, 'state', seal(root), 'header')
  return ['The root row was damaged, and was made anew from all others']
}

function newestUpdate(
  packs: readonly PackRow[],
  refs: readonly RefRow[],
  lines: readonly [number, number][],
): number {
  let newest = lines.at(-1)?.[0] ?? 0
  for (const { changed } of packs) newest = Math.max(newest, changed)
  for (const { number } of refs) newest = Math.max(newest, number)
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
