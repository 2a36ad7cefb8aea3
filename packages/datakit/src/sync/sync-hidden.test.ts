/**
 * A stranger at the door of sync: what he may not see he cannot find out, by what he asks for, by what he says that he has, nor by
 * what changes in the answers. The messages are made and read by hand, since no client of ours asks for such things.
 */
import { text, utf8, concat, u32 } from '@datakit/git/bytes'
import { nameObject } from '@datakit/git/object'
import { parseOid, type Oid } from '@datakit/git/oid'
import { encodePack } from '@datakit/git/pack/write-pack'
import { SYNC_MAGIC, SYNC_TYPE } from '@datakit/git/protocol/sync'
import { portableRuntime } from '@datakit/git/runtime/portable'
import { OPEN_POLICY, type Policy } from '@datakit/server/policy'
import { describe, expect, it } from 'vitest'
import { forceBranch, forceTag, write } from '../../test/clients.ts'
import { Network } from '../../test/network.ts'
import type { Repository } from '../repository.ts'

const SECRET = 'refs/heads/secret'
const readable = { key: 'no secret', includes: (name: string) => !name.includes('secret') }
const policy: Policy = {
  fetch: { ...OPEN_POLICY.fetch, readable },
  push: { ...OPEN_POLICY.push, receive: { readable } },
}
const NOWHERE = parseOid('12'.repeat(20))

interface Scene {
  readonly network: Network
  readonly server: Repository
  readonly open: Oid
  /** By name: hidden commit, tree and file, a tag that is hidden, and what was forced away from a branch. */
  readonly strange: Readonly<Record<string, Oid>>
}

async function openScene(): Promise<Scene> {
  const network = new Network({ policyOf: () => policy })
  const server = await network.server()
  const open = await write(server, 'dir/file', 'open\n')
  await forceBranch(server, 'secret', open)
  const commit = await write(server, 'hidden/deep/file', 'hidden\n', 'secret')
  await forceTag(server, 'secret', commit)
  await forceBranch(server, 'dev', open)
  const forced = await write(server, 'dropped', 'dropped\n', 'dev')
  await forceBranch(server, 'dev', open)
  const at = async (oid: Oid, path: string): Promise<Oid> =>
    (await (await server.snapshot(oid)).stat(path))?.oid ?? NOWHERE
  const strange = {
    commit,
    tree: await at(commit, 'hidden'),
    'deep tree': await at(commit, 'hidden/deep'),
    file: await at(commit, 'hidden/deep/file'),
    forced,
    'forced file': await at(forced, 'dropped'),
  }
  return { network, server, open, strange }
}

interface Said {
  readonly status: number
  readonly header: Record<string, unknown>
  /** All of it, so that two answers can be compared. */
  readonly whole: string
}

/** Sends a request, as the text of its header. */
async function say(
  { network }: Pick<Scene, 'network'>,
  fields: object,
  pack = new Uint8Array(0),
): Promise<Said> {
  const id = '0123456789abcdef0123456789abcdef'
  const log = { who: 'Eve <eve@example.org>', why: 'sync' }
  const json = utf8(
    JSON.stringify({
      id,
      haves: [],
      updates: [],
      log,
      wantPack: true,
      pack: pack.length,
      ...fields,
    }),
  )
  const answer = await network.options.fetch?.(`${network.options.url}/sync`, {
    method: 'POST',
    headers: { 'content-type': SYNC_TYPE, authorization: 'Bearer secret' },
    body: concat([utf8(SYNC_MAGIC), u32(json.length), json, pack]),
  })
  const bytes = new Uint8Array((await answer?.arrayBuffer()) ?? new ArrayBuffer(0))
  const status = answer?.status ?? 0
  if (status !== 200) return { status, header: JSON.parse(text(bytes)), whole: text(bytes) }
  const length = new DataView(bytes.buffer).getUint32(4)
  const whole = [...bytes].map((byte) => byte.toString(16)).join(' ')
  return { status, header: JSON.parse(text(bytes.subarray(8, 8 + length))), whole }
}

describe('what is hidden from a caller', () => {
  it('is not among the refs, and HEAD does not tell its name', async () => {
    const scene = await openScene()
    const { place } = scene.server.store
    const to = { ref: SECRET }
    const from = (await place.read()).head
    const log = { who: '', why: 'HEAD' }
    await place.update({ id: '1'.repeat(32), refs: [], head: { from, to }, log })
    for (const fields of [{}, { choice: { branches: ['*'] } }, { choice: {}, objects: [] }]) {
      const { status, header, whole } = await say(scene, fields)
      expect(status).toBe(200)
      expect(header['head']).toEqual({ ref: 'refs/heads/dev' })
      expect(Buffer.from(whole.replaceAll(' ', ''), 'hex').toString()).not.toContain('secret')
    }
  })

  it('is not asked for by its name: neither a branch nor a pattern brings it', async () => {
    const scene = await openScene()
    const asked = await say(scene, { choice: { branches: ['secret'] } })
    expect(asked.header['refs']).toEqual([])
    const all = await say(scene, { choice: { branches: ['refs/*', 'secret*'] } })
    expect(JSON.stringify(all.header['refs'])).not.toContain('secret')
  })

  it('leads to tags that are told to whoever may read it, and for it to nobody else', async () => {
    let current: Policy = OPEN_POLICY
    const network = new Network({ policyOf: () => current })
    const server = await network.server()
    await forceBranch(server, 'secret', await write(server, 'file', 'open\n'))
    await forceTag(server, 'release', await write(server, 'hidden', 'hidden\n', 'secret'))
    const tagsFor = async (policy: Policy): Promise<string> => {
      current = policy
      return JSON.stringify(
        (await say({ network }, { choice: { branches: ['secret'] } })).header['refs'],
      )
    }
    expect(await tagsFor(OPEN_POLICY)).toContain('refs/tags/release')
    expect(await tagsFor(policy)).toBe('[]')
  })

  it('moves, and no answer is another one for that', async () => {
    const scene = await openScene()
    const ask = { choice: { branches: ['main'], paths: ['dir'] } }
    const before = [await say(scene, {}), await say(scene, ask)]
    await write(scene.server, 'hidden/more', 'more\n', 'secret')
    expect([await say(scene, {}), await say(scene, ask)]).toEqual(before)
    await write(scene.server, 'dir/file', 'newer\n')
    expect((await say(scene, {})).header['version']).not.toBe(before[0]?.header['version'])
  })

  it('is not given by its name, nor told from what never was', async () => {
    const scene = await openScene()
    const ask = (oid: Oid): Promise<Said> =>
      say(scene, { wantPack: false, choice: {}, objects: [oid] })
    const nothing = await ask(NOWHERE)
    expect(nothing.header).toMatchObject({ pack: 0, index: 0 })
    for (const [what, oid] of Object.entries(scene.strange))
      expect({ what, ...(await ask(oid)) }).toEqual({ what, ...nothing })
  })

  it('is no have, of a whole repository or a part, and not told from what never was', async () => {
    const scene = await openScene()
    for (const part of [
      {},
      { choice: { paths: ['dir'] } },
      { choice: {}, held: { paths: ['dir'] } },
      { choice: { paths: ['dir'] }, held: { paths: ['hidden'], blobLimit: 0 } },
    ]) {
      const nothing = await say(scene, { ...part, haves: [NOWHERE] })
      for (const [what, oid] of Object.entries(scene.strange))
        expect({ what, ...(await say(scene, { ...part, haves: [oid] })) }).toEqual({
          what,
          ...nothing,
        })
    }
  })

  it('is not gone on with, and not told from what never was', async () => {
    const scene = await openScene()
    const ask = (oid: Oid): Promise<Said> =>
      say(scene, { resume: { plan: '0'.repeat(40), wants: [oid], from: 0 } })
    const nothing = await ask(NOWHERE)
    expect(nothing).toMatchObject({ status: 409, header: { error: { code: 'plan-gone' } } })
    for (const [what, oid] of Object.entries(scene.strange))
      expect({ what, ...(await ask(oid)) }).toEqual({ what, ...nothing })
  })

  // Seen to fail when a delta may rest on whatever is there.
  it('is nothing that a delta can rest on, and neither its size nor what is in it is told', async () => {
    const scene = await openScene()
    const { repository } = (await say(scene, {})).header
    const push = async (id: string, base: Oid, { size = 7, from = 0 } = {}): Promise<string> => {
      // What the base is said to have, and what the delta takes of it.
      const bytes = Uint8Array.of(size, 7, 0b1001_0001, from, 7)
      const body = utf8('hidden\n')
      const oid = nameObject(portableRuntime, { type: 'blob', body })
      const pack = await encodePack(portableRuntime, [
        { oid, type: 'blob', body, delta: { base, bytes } },
      ])
      const updates = [{ name: `refs/tags/mine-${id}`, to: oid }]
      const fields = { id: id.repeat(32), repository, updates }
      const { status, whole } = await say(scene, fields, pack.bytes)
      return `${status} ${whole.replaceAll(base, 'OID')}`
    }
    const nothing = await push('a', NOWHERE)
    expect(nothing).toMatch(/^422 .*missing-base/)
    const { file, 'forced file': forced } = scene.strange
    expect(await push('b', file ?? NOWHERE)).toBe(nothing)
    expect(await push('c', file ?? NOWHERE, { size: 9 })).toBe(nothing)
    expect(await push('d', file ?? NOWHERE, { from: 3 })).toBe(nothing)
    expect(await push('e', forced ?? NOWHERE)).toBe(nothing)
  })

  it('is not led to by a push without its objects, nor moved, nor told where it is', async () => {
    const scene = await openScene()
    const { repository } = (await say(scene, {})).header
    const push = (id: string, fields: object): Promise<Said> =>
      say(scene, {
        id: id.repeat(32),
        repository,
        updates: [{ name: 'refs/heads/mine', ...fields }],
      })
    const told = async (id: string, to: Oid): Promise<string> =>
      JSON.stringify((await push(id, { to })).header['updates']).replaceAll(to, 'OID')
    const nothing = await told('a', NOWHERE)
    expect(nothing).toContain('refused')
    expect(await told('b', scene.strange['commit'] ?? NOWHERE)).toBe(nothing)
    expect(await told('c', scene.strange['forced'] ?? NOWHERE)).toBe(nothing)
    const ask = (id: string, name: string): Promise<Said> =>
      push(id, { name, from: NOWHERE, to: scene.open })
    const hidden = JSON.stringify((await ask('d', SECRET)).header['updates'])
    expect(hidden).not.toContain(scene.strange['commit'])
    const none = JSON.stringify((await ask('e', `${SECRET}s`)).header['updates'])
    expect(none).toBe(hidden.replaceAll(SECRET, `${SECRET}s`))
  })
})
