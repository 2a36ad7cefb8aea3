/**
 * Which commits a server has, where a branch is new to it and may go on from any of them.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { Store } from '../store.ts'

/** The commits among `oids`, and those that tags among them lead to. What is not here is left out. */
export async function findCommits(store: Store, oids: Iterable<Oid>): Promise<Oid[]> {
  const commits: Oid[] = []
  for (const oid of oids) {
    if (!(await store.objects.has(oid))) continue
    const commit = await peelToCommit(store, oid)
    if (commit !== undefined) commits.push(commit)
  }
  return commits
}

/** The commit of that name, or that the tag of that name leads to; `undefined` where that is something else. */
async function peelToCommit(store: Store, oid: Oid): Promise<Oid | undefined> {
  for (let at = oid; ;) {
    const { type } = await store.objects.stat(at)
    const links = type === 'commit' || type === 'tag' ? await store.links(at) : undefined
    if (links?.kind !== 'tag') return links && at
    at = links.target
  }
}
