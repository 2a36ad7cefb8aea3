/**
 * A process of its own that updates a Git directory, for tests that kill it or run many of them.
 *
 * `race`: for each message `{ from, to }` moves `refs/heads/main` and answers how that ended.
 * `loop`: makes commits for ever, each an update with a pack, and prints `done N OID` behind each. Every third moves
 * `refs/heads/side` along, every fifth makes or deletes `refs/heads/now-and-then`, every seventh moves `HEAD`.
 * `tell`: the same without `HEAD`, and prints `try ID OID` before and `done ID OID` behind each.
 *
 * @module
 */
import { writeSync } from 'node:fs'

import type { Oid } from '@datakit/git/oid'
import type { Place, RefUpdate } from '@datakit/git/place'

import { openGitDirectory } from '../src/git-directory/depot.ts'
import { commitObject, emptyTree, stageObjects } from './git-sample.ts'
import { request, settle } from './samples.ts'

const MAIN = 'refs/heads/main'
const [, , kind, directory = ''] = process.argv

const place = await openGitDirectory(directory)
if (kind === 'race') race(place)
else await loop(place, kind === 'tell')

function race(place: Place): void {
  process.on('message', async ({ from, to }: { from: Oid; to: Oid }) => {
    const { state } = await settle(place, request([{ name: MAIN, from, to }]))
    process.send?.(state)
  })
  process.send?.('ready')
}

async function loop(place: Place, tells: boolean): Promise<void> {
  for (let i = 1; ; i++) {
    const state = await place.read()
    const main = await state.ref(MAIN)
    const side = await state.ref('refs/heads/side')
    const commit = commitObject(`${process.pid} ${i}`, main === undefined ? [] : [main])
    const refs: RefUpdate[] = [{ name: MAIN, from: main, to: commit.oid }]
    if (i % 3 === 0) refs.push({ name: 'refs/heads/side', from: side, to: commit.oid })
    if (i % 5 === 0) refs.push(await toggle(place, 'refs/heads/now-and-then', commit.oid))
    const to = { ref: i % 2 === 0 ? MAIN : 'refs/heads/side' }
    const head = i % 7 === 0 && !tells ? { from: state.head, to } : undefined
    const addPacks = [await stageObjects(place, [commit, emptyTree])]
    const wish = request(refs, { addPacks, head })
    const name = tells ? wish.id : i
    if (tells) writeSync(1, `try ${name} ${commit.oid}\n`)
    const outcome = await settle(place, wish)
    if (outcome.state === 'done') writeSync(1, `done ${name} ${commit.oid}\n`)
  }
}

async function toggle(place: Place, name: string, oid: Oid): Promise<RefUpdate> {
  const from = await (await place.read()).ref(name)
  return { name, from, to: from === undefined ? oid : undefined }
}
