/**
 * What a client takes of a server that lies about a pack: nothing.
 */
import { randomBytes } from 'node:crypto'
import { ByteReader } from '@datakit/git/byte-reader'
import { concat } from '@datakit/git/bytes'
import { mergeIndexes, tableOfIndex } from '@datakit/git/pack/merge-indexes'
import { openPackIndexBytes } from '@datakit/git/pack/pack-index'
import { packRow, PackTable, unpackRow, type PackRow } from '@datakit/git/pack/pack-table'
import {
  encodeSection,
  encodeSyncResponse,
  readSection,
  readSyncResponse,
} from '@datakit/git/protocol/sync'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { beforeAll, expect, it } from 'vitest'
import { Network } from '../../test/network.ts'
import { sync } from './sync.ts'

/** An answer with a pack and its index, as a server gives it to an empty client. */
interface Sent {
  readonly header: Awaited<ReturnType<typeof readSyncResponse>>
  readonly pack: Uint8Array
  readonly index: Uint8Array
}

let network: Network
let sent: Sent
beforeAll(async () => {
  network = new Network()
  const ada = await network.client()
  for (const i of [1, 2, 3]) {
    await ada
      .branch('main')
      .commit((transaction) => transaction.write(`team/file-${i}`, `${i}\n`), { message: `${i}` })
  }
  await sync(ada, network.options)
  network.onAnswer = async (answer) => {
    sent = await readSent(new Uint8Array(await answer.clone().arrayBuffer()))
    return answer
  }
  await sync(await network.client('Grace'), network.options)
})

async function readSent(body: Uint8Array): Promise<Sent> {
  const reader = new ByteReader(once(body), 'an answer')
  const header = await readSyncResponse(reader)
  const pack = await whole(readSection(reader, header.pack))
  return { header, pack, index: await whole(readSection(reader, header.index)) }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

async function whole(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece.slice())
  return concat(all)
}

/** Syncs a new client with a server that gives this pack and this index; tells what it has afterwards. */
async function receive(pack: Uint8Array, index: Uint8Array): Promise<string> {
  const lying = new Network()
  lying.onAnswer = async (answer) => {
    const header = encodeSyncResponse({ ...sent.header, pack: pack.length, index: index.length })
    const sections = [
      encodeSection(pack.length, once(pack)),
      encodeSection(index.length, once(index)),
    ]
    const body = concat([header, ...(await Promise.all(sections.map(whole)))])
    return new Response(body, answer)
  }
  const client = await lying.client('Grace')
  const said = await sync(client, lying.options).then(
    () => 'taken',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )
  const { packs } = await client.store.state()
  const head = await client.branch('main').oid()
  if (said !== 'taken') expect({ packs, head }).toEqual({ packs: [], head: undefined })
  return said
}

/** The index with its rows changed. */
async function claim(
  change: (row: PackRow, i: number) => PackRow | undefined,
): Promise<Uint8Array> {
  const table = await tableOfIndex(await openPackIndexBytes(sent.index.slice()))
  const claimed = new PackTable()
  for (let i = 0; i < table.count; i++) {
    const row = change(unpackRow(table.rawRow(i)), i)
    if (row !== undefined) claimed.addRaw(packRow(row))
  }
  return claimed.encodeIndex()
}

it('takes what is as it should be', async () => {
  expect(await receive(sent.pack, sent.index)).toBe('taken')
})

it('refuses a pack with any byte changed', async () => {
  for (let at = 0; at < sent.pack.length; at += 7) {
    const pack = sent.pack.slice()
    pack[at] = (pack[at] ?? 0) ^ 0x40
    expect(await receive(pack, sent.index)).not.toBe('taken')
  }
})

it('refuses an index that is cut short, at every length', async () => {
  for (let length = 0; length < sent.index.length; length += 3)
    expect(await receive(sent.pack, sent.index.slice(0, length))).not.toBe('taken')
})

it('refuses an index of fewer objects than the pack has', async () => {
  const index = await claim((row, i) => (i === 0 ? undefined : row))
  expect(await receive(sent.pack, index)).toContain('do not have the same number of objects')
})

it('refuses an index that puts an object outside of the pack', async () => {
  const index = await claim((row, i) => (i === 2 ? { ...row, offset: sent.pack.length } : row))
  expect(await receive(sent.pack, index)).toContain('an entry is outside of the pack')
})

it('refuses an index that gives the head the place of another object', async () => {
  const rows = await tableOfIndex(await openPackIndexBytes(sent.index.slice()))
  const head = sent.header.refs?.[0]?.oid ?? ''
  const other = unpackRow(rows.rawRow(rows.oid(0) === head ? 1 : 0))
  const index = await claim((row) =>
    row.oid === head
      ? { ...row, offset: other.offset, length: other.length, size: other.size, type: other.type }
      : row,
  )
  expect(await receive(sent.pack, index)).not.toBe('taken')
})

it('refuses an index that is merged from several packs', async () => {
  const index = await openPackIndexBytes(sent.index.slice())
  const merged = await mergeIndexes([{ index, pack: 'a' }])
  expect(await receive(sent.pack, merged)).toContain('it is of several packs')
})

it('refuses an index that is longer than any of a pack of that size', async () => {
  const index = concat([sent.index, new Uint8Array(200_000)])
  expect(await receive(sent.pack, index)).toContain('it has more than')
})

it('takes a pack that is too large to be held, and none with a byte changed', async () => {
  const large = new Network()
  const ada = await large.client()
  for (const name of ['a', 'b']) {
    const body = randomBytes(17 * 1024 * 1024)
    await ada
      .branch('main')
      .commit((transaction) => transaction.write(name, body), { message: name })
  }
  await sync(ada, large.options)
  large.onAnswer = async (answer) => {
    const body = new Uint8Array(await answer.arrayBuffer())
    body[20_000_000] = (body[20_000_000] ?? 0) ^ 1
    return new Response(body, answer)
  }
  const grace = await large.client('Grace')
  await expect(sync(grace, large.options)).rejects.toThrow('its trailer is not its SHA-1')
  large.onAnswer = (answer) => answer
  await sync(grace, large.options)
  expect(await grace.branch('main').oid()).toBe(await ada.branch('main').oid())
})

it('stores the index as it came', async () => {
  const client = await network.client('Grace')
  await sync(client, network.options)
  const [pack] = (await client.store.state()).packs
  const stored = await client.store.place.readIndex(pack?.id ?? '', 0, 1 << 20)
  expect(stored).toEqual(sent.index)
  expect(nodeRuntime.sha1(sent.pack.subarray(0, -20))).toEqual(sent.pack.slice(-20))
})
