/**
 * Common ground: what to tell a remote of what is here, so that it sends no more than is needed.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { Repository } from '../repository.ts'

/** Most oids that are told. */
const MOST = 1000
/** Branches of which commits are told too, and how many of each: the remote may not have the newest. */
const BRANCHES = 16
const COMMITS = 32

/**
 * What refs here point at, those below `first` before the others, and the newest commits of some branches.
 */
export async function findCommon(repository: Repository, first: string): Promise<Oid[]> {
  const state = await repository.store.state()
  const [near, far, heads]: [Oid[], Oid[], Oid[]] = [[], [], []]
  for await (const { name, oid } of state.refs()) {
    if (name.startsWith(first)) near.push(oid)
    else far.push(oid)
    if (name.startsWith('refs/heads/')) heads.push(oid)
  }
  const found = new Set([...near, ...far].slice(0, MOST))
  const known = new Set(near)
  for (const head of heads.filter((oid) => !known.has(oid)).slice(0, BRANCHES))
    for await (const { oid } of repository.log(head, { limit: COMMITS })) found.add(oid)
  return [...found]
}
