/**
 * Outgoing pack: what the server lacks, for a sync.
 *
 * Commits are taken oldest first, and of each only what differs from its parents at the same path: the cost follows the
 * change. A large directory goes as a delta against its version before, which the server has or which comes earlier.
 * (Serving clones copies stored entries, `@datakit/git/transport/serve`; for what a page sends, this is a tenth of the
 * code.)
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import { encodePack, type PackObject } from '@datakit/git/pack/write-pack'
import { editTree, findEntry, isGitlinkMode, isTreeMode } from '@datakit/git/tree'
import { LARGE_TREE, MAX_CHAIN } from '../transaction/draft.ts'
import { History } from '../history/history.ts'
import { later } from '../loading.ts'
import { readTreeBody } from '../files/object-source.ts'
import type { Store } from '../store.ts'
import { compareTrees } from '../history/tree-difference.ts'

/** How well it is compressed: the server keeps it as it comes, and gives it to others. */
const LEVEL = 6

/** What to send. */
export interface Outgoing {
  readonly wants: readonly Oid[]
  /** What the server has, with all that it reaches: commits count, and what tags lead to. What is not here does not. */
  readonly haves: readonly Oid[]
  /** Where the server has the branches that the wants are for; `undefined` for a new one. */
  readonly from: readonly (Oid | undefined)[]
  readonly signal?: AbortSignal | undefined
}

/** One pack of what the wants reach and the haves do not; thin against the haves. Empty when that is nothing. */
export async function packOutgoing(
  store: Store,
  { wants, haves, from, signal }: Outgoing,
): Promise<Uint8Array> {
  const history = new History(store)
  const walk = new OutgoingWalk(store)
  for (const oid of await findMissing(store, history, { wants, haves, from })) {
    signal?.throwIfAborted()
    const { tree, parents } = await history.node(oid)
    const trees = await Promise.all(
      parents.map(async (parent) => (await history.node(parent)).tree),
    )
    await walk.addCommit(oid)
    await walk.addTree(tree, trees)
  }
  const objects = await walk.finish()
  if (objects.length === 0) return new Uint8Array(0)
  return (await encodePack(store.runtime, objects, LEVEL)).bytes
}

/**
 * The commits to send, parents before children. Where the server's branches are does for all that go on from there, and what else
 * it has is looked for among what would be sent: of thousands of haves none is read.
 */
async function findMissing(
  store: Store,
  history: History,
  { wants, haves, from }: Outgoing,
): Promise<Oid[]> {
  const has = new Set(haves)
  let known: Oid[] = []
  for (const oid of new Set(from))
    if (oid && has.has(oid) && (await store.objects.has(oid))) known.push(oid)
  if (from.includes(undefined)) known = await (await later()).findCommits(store, has)
  const missing = await history.missing(wants, known)
  const met = missing.filter((oid) => has.has(oid))
  return met.length === 0 ? missing : history.missing(wants, [...known, ...met])
}

class OutgoingWalk {
  readonly #store: Store
  readonly #objects: PackObject[] = []
  readonly #blobs = new Set<Oid>()
  /**
   * Trees that are in the pack by now or that the server has. What was a version before is among them: were it sent after all, as a
   * delta against what is a delta against it, the two would go in a circle.
   */
  readonly #seen = new Set<Oid>()
  /** How many deltas each tree of the pack is away from a whole one. */
  readonly #depths = new Map<Oid | undefined, number>()

  constructor(store: Store) {
    this.#store = store
  }

  async addCommit(oid: Oid): Promise<void> {
    this.#objects.push({ oid, ...(await this.#store.read(oid)) })
  }

  /** Adds what is in a tree and not at the same place in one of `others`, which are sent by now or on the server. */
  async addTree(oid: Oid, others: readonly Oid[]): Promise<void> {
    for (const other of others) this.#seen.add(other)
    if (this.#seen.has(oid)) return
    this.#seen.add(oid)
    const body = await readTreeBody(this.#store, oid)
    const [base] = others
    const bodies = await Promise.all(others.map((other) => readTreeBody(this.#store, other)))
    const differences = compareTrees(bodies[0] ?? new Uint8Array(0), body)
    const edits = new Map([...differences].map(([name, { after }]) => [name, after]))
    const depth = this.#depths.get(base) ?? 0
    const isDelta = base !== undefined && body.length > LARGE_TREE && depth < MAX_CHAIN
    const delta = isDelta
      ? { base, bytes: editTree(bodies[0] ?? new Uint8Array(0), edits).delta }
      : undefined
    if (delta) this.#depths.set(oid, depth + 1)
    this.#objects.push({ oid, type: 'tree', body, delta })
    for (const [name, after] of edits) {
      if (after === undefined || isGitlinkMode(after.mode)) continue
      const there = bodies.map((other) => findEntry(other, name))
      if (there.some((entry) => entry?.oid === after.oid)) continue
      if (await this.#store.isLeft?.(after.oid)) continue
      if (!isTreeMode(after.mode)) this.#blobs.add(after.oid)
      else
        await this.addTree(
          after.oid,
          there.flatMap((entry) => (entry && isTreeMode(entry.mode) ? [entry.oid] : [])),
        )
    }
  }

  async finish(): Promise<PackObject[]> {
    await this.#store.onDemand?.ahead(this.#blobs)
    for await (const object of this.#store.objects.readMany(this.#blobs)) this.#objects.push(object)
    return this.#objects
  }
}
