/**
 * What a server and a client that has a part are to each other: one that knows of no parts, objects by name, and answers that lack something.
 */
import { MissingError, NotHereError } from '@datakit/git/error'
import { parseOid, type Oid } from '@datakit/git/oid'
import { OPEN_POLICY } from '@datakit/server/policy'
import { describe, expect, it } from 'vitest'
import { forceBranch, heads, read, refs, states, write } from '../../test/clients.ts'
import { Network } from '../../test/network.ts'
import { filled, goOffline, headOf, LARGE, partOf } from '../../test/part-clients.ts'
import { partWire, withoutParts } from '../../test/part-wire.ts'
import { setChoice } from './choice.ts'
import { serverPromisor } from './server-promisor.ts'
import { sync } from './sync.ts'

describe('a server from before there were parts', () => {
  it('is taken at its word: its answer is whole', async () => {
    const network = await filled()
    const client = await network.client('Grace')
    await setChoice(client, { paths: ['a'], branches: ['main'] })
    await sync(client, partWire(network.options, withoutParts))
    goOffline(client)
    expect(await read(client, 'b/large')).toBe(LARGE)
    expect(Object.keys(await heads(client))).toHaveLength(4)
    expect(Object.keys(await refs(client, 'refs/datakit/choice/'))).toHaveLength(1)
    // One that knows of parts need bring nothing again.
    const wire = partWire(network.options)
    await sync(client, wire)
    expect(wire.received).toBeLessThan(1000)
  })

  it('is asked for everything by whoever has a part, since it knows nothing of that', async () => {
    const network = await filled()
    const client = await partOf(network, { paths: ['a'] })
    await write(client, 'a/deep/one', 'mine\n')
    const ada = await network.client()
    await sync(ada, network.options)
    await ada.branch('main').commit((files) => files.move('b', 'a/b'), { message: 'Move' })
    await sync(ada, network.options)
    const old = partWire(network.options, withoutParts)
    expect(states((await sync(client, old)).branches)).toMatchObject({ main: 'merged' })
    expect(old.asked.map(({ haves }) => (haves as unknown[]).length > 0)).toContain(true)
    goOffline(client)
    expect(await read(client, 'a/b/large')).toBe(LARGE)
    expect(await read(client, 'top')).toBe('top\n')
  })

  it('cannot be asked for objects by name, and the error says so', async () => {
    const network = await filled()
    const client = await partOf(network, { paths: ['a'] })
    const old = partWire(network.options, withoutParts)
    await sync(client, { ...old, pull: true }).catch(() => undefined)
    const { fetchObjects } = serverPromisor(client, old)('origin') ?? {}
    const oids = [parseOid('1'.repeat(40))]
    await expect(fetchObjects?.(oids, new AbortController().signal)).rejects.toMatchObject({
      code: 'unsupported',
    })
  })
})

describe('objects by name', () => {
  const secret = { ...OPEN_POLICY.fetch.readable }
  const policy = {
    ...OPEN_POLICY,
    fetch: {
      ...OPEN_POLICY.fetch,
      readable: { key: 'open', includes: (name: string) => !name.includes('secret') },
    },
  }

  it('are given where a ref leads to them that the caller may read, and not otherwise', async () => {
    expect(secret.includes('refs/heads/secret')).toBe(true)
    const network = await filled(new Network({ policyOf: () => policy }))
    const server = await network.server()
    await forceBranch(server, 'secret', await headOf(server))
    await write(server, 'hidden', 'hidden\n', 'secret')
    const dropped = await write(server, 'dropped', 'dropped\n', 'dev')
    const kept = await headOf(server, 'team/x')
    await forceBranch(server, 'dev', kept)
    const oidOf = async (commit: Oid, path: string): Promise<Oid> =>
      (await (await server.snapshot(commit)).stat(path))?.oid ?? commit
    const hidden = await oidOf(await headOf(server, 'secret'), 'hidden')
    const forced = await oidOf(dropped, 'dropped')
    const nothing = parseOid('12'.repeat(20))
    const open = await oidOf(kept, 'b/large')
    const client = await partOf(network, { paths: ['a'] })
    const { fetchObjects } = serverPromisor(client, network.options)('origin') ?? {}
    const lacking = await fetchObjects?.(
      [hidden, forced, nothing, open, kept],
      new AbortController().signal,
    )
    // A commit is here; the request does not bring it.
    expect(lacking).toEqual([hidden, forced, nothing])
    expect(await client.store.objects.has(open)).toBe(true)
    for (const oid of [hidden, forced]) expect(await client.store.objects.has(oid)).toBe(false)
  })

  it('are not here where the server is out of reach, and say why', async () => {
    const network = await filled()
    const client = await partOf(network, { paths: ['a'] })
    network.onAnswer = () => {
      throw new TypeError('fetch failed')
    }
    const lack = await read(client, 'b/large').catch((error: unknown) => error)
    expect(lack).toBeInstanceOf(NotHereError)
    expect(String((lack as Error).cause)).toContain('no answer')
    network.onAnswer = (answer) => answer
    expect(await read(client, 'b/large')).toBe(LARGE)
  })
})

describe('what is neither here nor left with the server', () => {
  it('is lost, and never taken for promised', async () => {
    const network = await filled()
    const client = await partOf(network, { paths: ['a'] })
    await expect(client.readBlob(parseOid('ab'.repeat(20)))).rejects.toThrow(MissingError)
  })

  it('is not looked for in an answer to another choice: that is refused', async () => {
    const network = await filled()
    const client = await network.client('Grace')
    await setChoice(client, { blobLimit: 1000 })
    const other = partWire(network.options, (header) => ({ ...header, choice: { blobLimit: 0 } }))
    await expect(sync(client, other)).rejects.toThrow('another part')
    expect(await heads(client)).toEqual({})
  })

  it('is found out where it was asked for: nothing of the answer is kept', async () => {
    const network = await filled()
    const client = await network.client('Grace')
    await setChoice(client, { paths: ['a', 'b'] })
    // A server that takes a part for a smaller one and says otherwise.
    const lying = partWire(network.options, (header) => ({
      ...header,
      choice: { paths: ['a'] },
    }))
    const through = lying.fetch
    const wire = {
      ...lying,
      fetch: async (url: string, init: RequestInit) => {
        const answer = await through?.(url, init)
        const bytes = new Uint8Array((await answer?.arrayBuffer()) ?? new ArrayBuffer(0))
        const before = new TextEncoder().encode('"paths":["a"]')
        const at = Buffer.from(bytes).indexOf(before)
        const after = new TextEncoder().encode('"paths":["a","b"]')
        const length = new DataView(bytes.buffer).getUint32(4) + after.length - before.length
        const changed = Buffer.concat([
          bytes.subarray(0, at),
          after,
          bytes.subarray(at + before.length),
        ])
        changed.writeUInt32BE(length, 4)
        return new Response(changed, answer)
      },
    }
    await expect(sync(client, wire)).rejects.toThrow('"b" was asked for')
    expect(await heads(client)).toEqual({})
    // That of the choice.
    expect((await client.store.state()).packs).toHaveLength(1)
  })
})

describe('a server that has lost what it promised', () => {
  /** A client that has `a` of two branches, each with a commit to send; of `dev`, the server has let go of what is outside. */
  async function lost() {
    const network = await filled()
    const server = await network.server()
    const before = await headOf(server, 'dev')
    const dropped = await write(server, 'b/only', 'here\n', 'dev')
    const client = await partOf(network, { paths: ['a'] })
    await forceBranch(server, 'dev', before)
    await write(client, 'a/deep/one', 'of dev\n', 'dev')
    await write(client, 'a/deep/one', 'of main\n')
    return { network, client, dropped }
  }

  // Seen to fail when a push that lacks something is refused as a whole.
  it('refuses the branch that needs it, and takes the others', async () => {
    const { network, client } = await lost()
    const options = { ...network.options, restore: ['dev'] }
    const { branches } = await sync(client, options)
    expect(states(branches)).toMatchObject({ main: 'pushed', dev: 'refused' })
    const lack = { reason: expect.stringContaining('missing necessary objects') }
    expect(branches).toContainEqual(expect.objectContaining({ branch: 'dev', ...lack }))
    expect(await read(client, 'a/deep/one', 'dev')).toBe('of dev\n')
    const server = await network.server()
    expect(await headOf(server)).toBe(await headOf(client))
    // By now the client knows where the branch is, and sends all that it has of it.
    await write(client, 'a/deep/one', 'of main, again\n')
    const again = await sync(client, options)
    expect(states(again.branches)).toMatchObject({ main: 'pushed', dev: 'refused' })
    expect(again.branches).toContainEqual(expect.objectContaining({ branch: 'dev', ...lack }))
  })

  it('takes it once a ref leads there again', async () => {
    const { network, client, dropped } = await lost()
    const options = { ...network.options, restore: ['dev'] }
    await sync(client, options)
    await forceBranch(await network.server(), 'rescued', dropped)
    expect(states((await sync(client, options)).branches)).toMatchObject({ dev: 'pushed' })
    expect(await read(client, 'b/only', 'dev')).toBe('here\n')
  })
})
