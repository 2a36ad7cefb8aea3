/**
 * What the merges of a simulation must be like, told from their parents alone: each path of a merge has what one side made of it, and what both
 * sides made something else of is no merge but a person's decision.
 *
 * @module
 */
import type { Objects } from '@datakit/git/objects'
import type { Oid } from '@datakit/git/oid'
import { readLinks, unpackLinks } from '@datakit/git/pack/links'
import { decodeTree, isTreeMode } from '@datakit/git/tree'
import type { Ledger } from './ledger.ts'

/** Merges that are none, with the path that shows it. Those of several bases are passed over, and files that are merged by key. */
export async function wrongMerges(
  objects: Objects,
  { ledger, heads }: { readonly ledger: Ledger; readonly heads: Iterable<Oid> },
): Promise<string[]> {
  const wrong: string[] = []
  for (const merge of ledger.merges(heads)) {
    const [ours, theirs, ...others] = ledger.parents.get(merge) ?? []
    if (ours === undefined || theirs === undefined || others.length > 0) continue
    const [base, another] = ledger.mergeBases(ours, theirs)
    if (base === undefined || another !== undefined) continue
    const files = await Promise.all([merge, ours, theirs, base].map((oid) => filesOf(objects, oid)))
    wrong.push(...wrongPaths(files).map((path) => `${path} in the merge ${merge}`))
  }
  return wrong
}

type Files = ReadonlyMap<string, string>

function wrongPaths([merged, ours, theirs, base]: readonly (Files | undefined)[]): string[] {
  const paths = [merged, ours, theirs, base].flatMap((files) => [...(files?.keys() ?? [])])
  return [...new Set(paths)].filter((path) => {
    const [m, o, t, b] = [merged, ours, theirs, base].map((files) => files?.get(path))
    if (o === t) return m !== o && !path.endsWith('.json')
    if (o === b) return m !== t
    if (t === b) return m !== o
    return !path.endsWith('.json')
  })
}

/** What a commit has, by path: the modes and oids of its files. */
async function filesOf(objects: Objects, commit: Oid): Promise<Files> {
  const { type, body } = await objects.read(commit)
  const packed = readLinks(type, body)
  const links = packed && unpackLinks(packed)
  if (links?.kind !== 'commit') throw new Error(`${commit} is no commit`)
  const files = new Map<string, string>()
  const stack = [{ oid: links.tree, path: '' }]
  for (let at = stack.pop(); at !== undefined; at = stack.pop())
    for (const { mode, name, oid } of decodeTree((await objects.read(at.oid)).body)) {
      const path = at.path === '' ? name : `${at.path}/${name}`
      if (isTreeMode(mode)) stack.push({ oid, path })
      else files.set(path, `${mode} ${oid}`)
    }
  return files
}
