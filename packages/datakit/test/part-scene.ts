/**
 * A whole repository, a part of it, and what must hold between the two.
 *
 * @module
 */
import { equal } from '@datakit/git/bytes'
import type { Oid } from '@datakit/git/oid'
import type { SyncChoice } from '@datakit/git/protocol/sync-choice'
import { isGitlinkMode, isTreeMode } from '@datakit/git/tree'
import { readCommit } from '../src/files/object-source.ts'
import { readTree } from '../src/files/read-tree.ts'
import type { Repository } from '../src/repository.ts'
import { wildmatch } from '@datakit/git/wildmatch'

/** An object, by its oid, of which it is known what it names. */
interface Met {
  readonly type: 'commit' | 'tree' | 'blob'
  readonly size: number
  /** Whether it must be here for one of the places at which it was met. */
  isInside: boolean
}

/** Everything that refs of a whole repository reach, and what of it is inside of a choice. */
export async function partOf(
  whole: Repository,
  heads: readonly Oid[],
  choice: SyncChoice,
): Promise<Map<Oid, Met>> {
  const met = new Map<Oid, Met>()
  const walked = new Set<string>()
  const meet = async (oid: Oid, type: Met['type'], isInside: boolean): Promise<void> => {
    const known = met.get(oid)
    if (known !== undefined) known.isInside ||= isInside
    else met.set(oid, { type, size: (await whole.store.read(oid)).body.length, isInside })
  }
  const { paths = [''], blobLimit = Infinity } = choice
  const isUnder = (path: string): boolean =>
    paths.some((each) => each === '' || path === each || path.startsWith(`${each}/`))
  const isOnWay = (path: string): boolean =>
    path === '' || paths.some((each) => each.startsWith(`${path}/`))
  const walk = async (tree: Oid, path: string): Promise<void> => {
    if (walked.has(`${tree} ${path}`)) return
    walked.add(`${tree} ${path}`)
    await meet(tree, 'tree', isUnder(path) || isOnWay(path))
    for (const { mode, name, oid } of await readTree(whole.store, tree)) {
      if (isGitlinkMode(mode)) continue
      const below = path === '' ? name : `${path}/${name}`
      if (isTreeMode(mode)) {
        await walk(oid, below)
        continue
      }
      const { length } = (await whole.store.read(oid)).body
      const isAttributes = name === '.gitattributes' && isOnWay(path)
      await meet(oid, 'blob', (isUnder(below) || isAttributes) && length < blobLimit)
    }
  }
  const open = [...heads]
  for (let oid = open.pop(); oid !== undefined; oid = open.pop()) {
    if (met.has(oid)) continue
    await meet(oid, 'commit', true)
    const { tree, parents } = await readCommit(whole.store, oid)
    open.push(...parents)
    await walk(tree, '')
  }
  return met
}

/** What is wrong with a part beside the whole: lacking though it was asked for, other bytes, or lost without a promise. */
export async function wrongWith(
  part: Repository,
  whole: Repository,
  met: ReadonlyMap<Oid, Met>,
): Promise<string[]> {
  const wrong: string[] = []
  const state = await part.store.state()
  const { objects } = part.store
  for (const [oid, { type, isInside }] of met) {
    if (!(await objects.has(oid))) {
      if (isInside) wrong.push(`${type} ${oid} was asked for and is not here`)
      continue
    }
    const [own, theirs] = [await objects.read(oid), await whole.store.read(oid)]
    if (own.type !== type || !equal(own.body, theirs.body)) wrong.push(`${type} ${oid} is another`)
    if (type !== 'tree') continue
    for (const { mode, oid: child } of await readTree(objects, oid)) {
      if (isGitlinkMode(mode) || (await objects.has(child))) continue
      if ((await state.promised(child)) === undefined)
        wrong.push(`${child} in tree ${oid} is neither here nor promised`)
    }
  }
  return wrong
}

/** Whether the choice takes a branch by its name. */
export function takesBranch({ branches }: SyncChoice, branch: string): boolean {
  return (
    branches === undefined ||
    branches.some((pattern) => wildmatch(pattern, { isPath: false })(branch))
  )
}
