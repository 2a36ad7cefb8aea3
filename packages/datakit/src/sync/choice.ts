/**
 * The choice of a part: which branches, paths and sizes of files a repository has of its server. It is written down with the
 * repository, in files that refs point at, so that whoever syncs it asks for the same: another tab, a service worker, a tool.
 *
 * | here | what |
 * | --- | --- |
 * | `refs/datakit/choice/wanted` | what every sync asks for |
 * | `refs/datakit/choice/held` | what was asked for when the refs of the server were last taken: of them that much is here |
 * | `refs/datakit/choice/stale/REST` | a ref of the server, `refs/REST`, of which that is not sure: it was taken when less was asked for |
 *
 * Without the first all is asked for; without the second all of what the refs reach is here.
 *
 * @module
 */
import { text, utf8 } from '@datakit/git/bytes'
import { MalformedError } from '@datakit/git/error'
import { readOid, type Oid } from '@datakit/git/oid'
import { objectNameBytes } from '@datakit/git/pack/object-name'
import { encodePack } from '@datakit/git/pack/write-pack'
import type { StagedPack } from '@datakit/git/place'
import { parseChoice, type SyncChoice } from '@datakit/git/protocol/sync-choice'
import { readBody } from '../files/object-source.ts'
import type { Repository } from '../repository.ts'
import type { Store } from '../store.ts'
import { publish } from '../transaction/update.ts'
import { CHOICE } from './sync-refs.ts'

export type { SyncChoice } from '@datakit/git/protocol/sync-choice'

const WANTED = `${CHOICE}wanted`

/** The part that syncs ask for; `undefined` for all. */
export async function readChoice({ store }: Repository): Promise<SyncChoice | undefined> {
  const oid = await (await store.state()).ref(WANTED)
  return oid && readChoiceFile(store, oid)
}

/**
 * From now on every sync asks for this part; for all when it is `undefined`. The next sync brings what is lacking for it.
 * What is here and no longer chosen stays.
 *
 * @throws MalformedError when a path is none, or the choice has too many of them
 */
export async function setChoice(
  { store }: Repository,
  choice: SyncChoice | undefined,
): Promise<void> {
  const parsed = choice && parseChoice(choice)
  const isAll = parsed === undefined || Object.keys(parsed).length === 0
  const file = isAll ? undefined : await stageJson(store, parsed)
  for (;;) {
    const from = await (await store.state()).ref(WANTED)
    const to = file?.oid
    if (from === to) return
    const { state } = await publish(store.place, {
      refs: [{ name: WANTED, from, to }],
      addPacks: file && [file.pack],
      log: { who: store.who(), why: 'sync: choose a part' },
    })
    if (state === 'done') break
  }
  await store.state()
}

/** What a file says. @throws MalformedError when it is no choice */
export async function readChoiceFile(store: Store, oid: Oid | undefined): Promise<SyncChoice> {
  return oid === undefined ? {} : parseChoice(await readJson(store, oid))
}

/** A file of JSON in a pack of its own, which no ref points at yet. */
async function stageJson(
  { place, runtime }: Store,
  value: object,
): Promise<{ readonly oid: Oid; readonly pack: StagedPack }> {
  const body = utf8(`${JSON.stringify(value)}\n`)
  const oid = readOid(await objectNameBytes(runtime, { type: 'blob', body }))
  const { bytes, table } = await encodePack(runtime, [{ oid, type: 'blob', body }])
  const writer = await place.writePack()
  await writer.write(bytes)
  return { oid, pack: await writer.finish({ table, needs: [], verified: true }) }
}

async function readJson(store: Store, oid: Oid): Promise<unknown> {
  const body = await readBody(store, oid, 'blob')
  try {
    return JSON.parse(text(body))
  } catch (cause) {
    throw new MalformedError('the choice of a part', 'it is not JSON; choose it anew', { cause })
  }
}
