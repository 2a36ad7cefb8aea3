/**
 * A Worker that does to R2 what a test says: the end that runs in workerd of `r2-workers.test.ts`.
 *
 * @module
 */
import { nodeRuntime } from '@datakit/git/runtime/node'
import type { Place, RefUpdate } from '@datakit/git/place'
import type { Bucket } from '../src/r2/bucket.ts'
import { r2Depot } from '../src/r2/depot.ts'
import { faultyBucket } from './faulty-bucket.ts'
import { blob, collect, find, move, request, stage } from './samples.ts'

/** A wish to commit a text: a blob in a pack, and a ref that goes to it. */
export interface CommitWish {
  readonly repository: string
  /** Id of the update. */
  readonly id: string
  readonly ref: string
  /** What the ref holds; `undefined` when it is not there. */
  readonly before: string | undefined
  readonly text: string
}

/** A wish to move refs, which no object has to be there for. */
export interface MoveWish {
  readonly repository: string
  readonly id: string
  readonly refs: readonly RefUpdate[]
}

/** What a test finds when it looks at a repository: the text of every ref, and the receipts that it asked for. */
export interface Look {
  readonly refs: Record<string, string>
  readonly receipts: Record<string, string>
  readonly log: Record<string, number>
  readonly version: string
}

interface Env {
  readonly BUCKET: Bucket
}

// oxlint-disable-next-line import/no-default-export -- a Worker is its module's default export
export default {
  async fetch(message: Request, env: Env): Promise<Response> {
    const { pathname, searchParams } = new URL(message.url)
    const sharedWriteInterval = Number(searchParams.get('interval') ?? 0)
    // Answers come late, so that what is cut off has often happened already.
    const depot = r2Depot(faultyBucket(env.BUCKET, { delay: 10, sharedWriteInterval }))
    const body: unknown = await message.json()
    try {
      // The tests are the only callers and send nothing else.
      if (pathname === '/commit') return Response.json(await commit(depot, body as CommitWish))
      if (pathname === '/move') return Response.json(await moveRefs(depot, body as MoveWish))
      if (pathname === '/refs') return Response.json(await list(depot, body as MoveWish))
      return Response.json(await look(depot, body as { repository: string; ids: string[] }))
    } catch (error) {
      return Response.json({ error: String(error) }, { status: 500 })
    }
  },
}

type Depot = ReturnType<typeof r2Depot>

async function commit(depot: Depot, wish: CommitWish): Promise<unknown> {
  const place = await depot.open(wish.repository)
  const object = blob(wish.text)
  const from = wish.before === undefined ? undefined : blob(wish.before).oid
  const addPacks = [await stage(place, [object])]
  return place.update(request([move(wish.ref, from, object.oid)], { id: wish.id, addPacks }))
}

async function moveRefs(depot: Depot, { repository, id, refs }: MoveWish): Promise<unknown> {
  const place = await depot.open(repository)
  return place.update(request(refs, { id }))
}

async function list(depot: Depot, { repository }: { repository: string }): Promise<string[]> {
  const state = await (await depot.open(repository)).read()
  return (await collect(state.refs())).map(({ oid }) => oid)
}

async function look(depot: Depot, asked: { repository: string; ids: string[] }): Promise<Look> {
  const place = await depot.open(asked.repository)
  const state = await place.read()
  for (const pack of state.packs) await checkTrailer(place, pack)
  const refs: Record<string, string> = {}
  const log: Record<string, number> = {}
  for await (const { name, oid } of state.refs()) {
    refs[name] = new TextDecoder().decode((await find(place, state, oid))?.body)
    log[name] = (await collect(place.log(name))).length
  }
  const receipts: Record<string, string> = {}
  for (const id of asked.ids) receipts[id] = (await state.receipt(id))?.outcome ?? 'none'
  return { refs, receipts, log, version: state.version }
}

async function checkTrailer(place: Place, pack: { id: string; size: number }): Promise<void> {
  const bytes = await place.readPack(pack.id, 0, pack.size)
  const trailer = nodeRuntime.sha1(bytes.subarray(0, -20))
  if (trailer.some((byte, i) => byte !== bytes[bytes.length - 20 + i]))
    throw new Error(`${pack.id} is not whole`)
}
