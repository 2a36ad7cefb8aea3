/**
 * Remotes of a repository, kept with it in any place: `refs/datakit/remote/NAME` points at a file of JSON. They live and die
 * with the refs, and a bundle does not take them along.
 *
 * Servers neither tell of these refs nor let anybody push to them.
 *
 * @module
 */
import { text, utf8 } from '@datakit/git/bytes'
import { MalformedError, MissingError, RefusedError } from '@datakit/git/error'
import { nameObject } from '@datakit/git/object'
import type { Oid } from '@datakit/git/oid'
import { encodePack } from '@datakit/git/pack/write-pack'
import type { RefUpdate, StagedPack } from '@datakit/git/place'
import { remoteOf, type NamedRemote, type RemoteList } from '@datakit/git/remote-list'
import { readBody } from '../files/object-source.ts'
import type { Repository } from '../repository.ts'
import type { Store } from '../store.ts'
import { publish } from '../transaction/update.ts'

export { remoteOf, type NamedRemote, type RemoteList } from '@datakit/git/remote-list'

const REMOTES = 'refs/datakit/remote/'

/** The remotes that are kept with the repository. */
export function storedRemotes({ store }: Repository): RemoteList {
  return {
    async list() {
      const remotes: NamedRemote[] = []
      for await (const { name, oid } of (await store.state()).refs(REMOTES))
        remotes.push(parseRemote(name.slice(REMOTES.length), await readBody(store, oid, 'blob')))
      return remotes
    },
    async add(remote) {
      const { url, fetch, filter } = remoteOf({ ...remote, keepsSecrets: true })
      const body = utf8(`${JSON.stringify({ url, fetch, filter })}\n`)
      const oid = nameObject(store.runtime, { type: 'blob', body })
      const pack = await stageBlob(store, { oid, body })
      const move = { name: REMOTES + remote.name, from: undefined, to: oid }
      if (await update(store, move, { pack, why: `remote: add ${remote.name}` })) return
      throw new RefusedError('exists', `There is a remote "${remote.name}" already`)
    },
    async setUrl(name, url) {
      for (;;) {
        const from = await (await store.state()).ref(REMOTES + name)
        if (from === undefined) return false
        const { fetch, filter } = parseRemote(name, await readBody(store, from, 'blob'))
        const body = utf8(`${JSON.stringify({ url, fetch, filter })}\n`)
        const oid = nameObject(store.runtime, { type: 'blob', body })
        if (oid === from) return true
        const pack = await stageBlob(store, { oid, body })
        const move = { name: REMOTES + name, from, to: oid }
        if (await update(store, move, { pack, why: `remote: set-url ${name}` })) return true
      }
    },
    async remove(name) {
      for (;;) {
        const from = await (await store.state()).ref(REMOTES + name)
        if (from === undefined) return false
        const move = { name: REMOTES + name, from, to: undefined }
        if (await update(store, move, { why: `remote: remove ${name}` })) return true
      }
    },
  }
}

/**
 * Gives a remote another URL, without a user and a password in it unless they are to be kept. False when there is none of this name.
 *
 * @throws TypeError when the URL is none of HTTP
 */
export async function setRemoteUrl(
  remotes: RemoteList,
  name: string,
  { url, keepsSecrets }: { readonly url: string; readonly keepsSecrets?: boolean | undefined },
): Promise<boolean> {
  return remotes.setUrl(name, remoteOf({ name, url, keepsSecrets }).url)
}

/** The remote of that name. @throws MissingError when there is none */
export async function findRemote(remotes: RemoteList, name: string): Promise<NamedRemote> {
  const found = (await remotes.list()).find((remote) => remote.name === name)
  if (found !== undefined) return found
  throw new MissingError('the list of remotes', name)
}

/** Forgets a remote and what was fetched from it: `refs/remotes/NAME/*`. False when there was none. */
export async function removeRemote(
  { store }: Repository,
  remotes: RemoteList,
  name: string,
): Promise<boolean> {
  if (!(await remotes.remove(name))) return false
  for (;;) {
    const refs: RefUpdate[] = []
    for await (const { name: ref, oid } of (await store.state()).refs(`refs/remotes/${name}/`))
      refs.push({ name: ref, from: oid, to: undefined })
    if (refs.length === 0) return true
    const log = { who: store.who(), why: `remote: remove ${name}` }
    await publish(store.place, { refs, log })
  }
}

async function stageBlob(
  { place, runtime }: Store,
  { oid, body }: { readonly oid: Oid; readonly body: Uint8Array },
): Promise<StagedPack> {
  const { bytes, table } = await encodePack(runtime, [{ oid, type: 'blob', body }])
  const writer = await place.writePack()
  await writer.write(bytes)
  return writer.finish({ table, needs: [], verified: true })
}

async function update(
  store: Store,
  move: RefUpdate,
  { pack, why }: { readonly pack?: StagedPack; readonly why: string },
): Promise<boolean> {
  const log = { who: store.who(), why }
  const addPacks = pack === undefined ? undefined : [pack]
  const { state } = await publish(store.place, { refs: [move], addPacks, log })
  return state === 'done'
}

function parseRemote(name: string, body: Uint8Array): NamedRemote {
  const problem = `the remote "${name}"`
  try {
    const { url, fetch, filter } = JSON.parse(text(body)) as Record<string, unknown>
    // Every field is checked before it is used.
    if (filter !== undefined && typeof filter !== 'string')
      throw new TypeError('"filter" is no text')
    if (
      typeof url === 'string' &&
      Array.isArray(fetch) &&
      fetch.every((x) => typeof x === 'string')
    )
      return remoteOf({ name, url, fetch, filter, keepsSecrets: true })
  } catch (cause) {
    throw new MalformedError(problem, 'it is not written as remotes are', { cause })
  }
  throw new MalformedError(problem, 'it has no "url" and "fetch"')
}
