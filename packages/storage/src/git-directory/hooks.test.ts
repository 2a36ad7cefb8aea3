import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

import { ZERO_OID } from '@datakit/git/oid'
import { afterEach, beforeEach, expect, it } from 'vitest'

import {
  commitObject,
  emptyTree,
  git,
  stageObjects,
  stockRefs,
  temporaryDirectory,
} from '../../test/git-sample.ts'
import { done, request } from '../../test/samples.ts'
import { openGitDirectory, type GitDirectoryPlace } from './depot.ts'

const MAIN = 'refs/heads/main'
const ZERO = ZERO_OID
const commit = commitObject('pushed')
const create = { name: MAIN, from: undefined, to: commit.oid }

let directory = ''
let place: GitDirectoryPlace

beforeEach(async () => {
  directory = temporaryDirectory()
  git(directory, 'init', '-q', '--bare')
  place = await openGitDirectory(directory)
})

afterEach(async () => {
  await place.close()
  rmSync(directory, { recursive: true, force: true })
})

function writeHook(name: string, script: string, mode = 0o755): void {
  writeFileSync(`${directory}/hooks/${name}`, `#!/bin/sh\n${script}\n`, { mode })
}

/** What a hook wrote to the file `said`. */
function said(): string {
  return readFileSync(`${directory}/said`, 'utf8')
}

it('asks pre-receive, which sees the commits of the push as in a quarantine', async () => {
  writeHook(
    'pre-receive',
    'while read -r old new ref; do echo "$ref $old"; git log -1 --format=%s $new; done; exit 1',
  )
  const staged = [(await stageObjects(place, [commit, emptyTree])).id]
  const output: Uint8Array[] = []
  const accepted = await place.hooks.runPreReceive([create], {
    staged,
    onOutput: (piece) => output.push(piece),
  })
  expect(accepted).toBe(false)
  expect(Buffer.concat(output).toString()).toBe(`${MAIN} ${ZERO}\npushed\n`)
  expect(() => git(directory, 'cat-file', '-e', commit.oid)).toThrow()
})

it('does not let a hook move refs to what is in quarantine', async () => {
  writeHook('pre-receive', `git update-ref refs/heads/other ${commit.oid} 2>>said`)
  const staged = [(await stageObjects(place, [commit, emptyTree])).id]
  expect(await place.hooks.runPreReceive([create], { staged })).toBe(false)
  expect(said()).toContain('quarantine')
  expect(stockRefs(directory)).toEqual([])
})

it('asks update about each ref', async () => {
  writeHook('update', 'echo "$@" >>said; [ "$1" != refs/heads/no ]')
  expect(await place.hooks.runUpdate(create)).toBe(true)
  expect(await place.hooks.runUpdate({ ...create, name: 'refs/heads/no' })).toBe(false)
  expect(said()).toBe(`${MAIN} ${ZERO} ${commit.oid}\nrefs/heads/no ${ZERO} ${commit.oid}\n`)
})

it('tells post-receive and post-update, with push options and without our secrets', async () => {
  process.env['DATAKIT_TOKEN'] = 'secret'
  writeHook(
    'post-receive',
    'cat >>said; echo "$GIT_PUSH_OPTION_COUNT $GIT_PUSH_OPTION_0 [$DATAKIT_TOKEN]" >>said; exit 1',
  )
  writeHook('post-update', 'echo "$@" in $(pwd) >>said')
  await place.hooks.runPostReceive([create], { pushOptions: ['ci.skip'] })
  delete process.env['DATAKIT_TOKEN']
  expect(said()).toBe(`${ZERO} ${commit.oid} ${MAIN}\n1 ci.skip []\n${MAIN} in ${directory}\n`)
})

it('tells post-receive what was made instead, and post-update of the refs that were asked for', async () => {
  writeHook('post-receive', 'cat >>said')
  writeHook('post-update', 'echo "$@" >>said')
  const rewrites = [{ name: 'refs/changes/1' }, { from: commit.oid, to: ZERO }]
  await place.hooks.runPostReceive([{ ...create, rewrites }])
  expect(said()).toBe(
    `${ZERO} ${commit.oid} refs/changes/1\n${commit.oid} ${ZERO} ${MAIN}\n${MAIN}\n`,
  )
})

const asked = { updates: [create], pushed: new Set([MAIN]), atomic: false, options: ['x'] }

it('has no report where there is no proc-receive', async () => {
  expect(await place.hooks.runProcReceive(asked)).toBeUndefined()
})

it('talks with proc-receive, which sees the repository as everybody does', async () => {
  // A report needs no question to be answered; what was said is read to its end.
  writeHook(
    'proc-receive',
    `echo beside >&2; echo "in $(pwd) [$GIT_DIR] [$GIT_QUARANTINE_PATH$GIT_PUSH_OPTION_COUNT]" >>said
printf '000eversion=1\\n00000017ok ${MAIN}\\n0000'; cat >>said`,
  )
  const output: Uint8Array[] = []
  const report = await place.hooks.runProcReceive(asked, {
    onOutput: (piece) => output.push(piece),
    pushOptions: ['x'],
  })
  expect(report).toMatchObject({ hasFailed: false, problem: '' })
  expect([...(report?.outcomes ?? [])]).toEqual([[MAIN, { state: 'done', rewrites: [] }]])
  expect(Buffer.concat(output).toString()).toBe('beside\n')
  const update = `0065${ZERO} ${commit.oid} ${MAIN}`
  expect(said()).toBe(
    `in ${directory} [${directory}] []\n001bversion=1\0push-options\n0000${update}0000`,
  )
})

it('takes a proc-receive that ends badly for one that failed, whatever it said', async () => {
  writeHook(
    'proc-receive',
    `printf '000eversion=1\\n00000017ok ${MAIN}\\n0000'; cat >/dev/null; exit 1`,
  )
  const report = await place.hooks.runProcReceive(asked)
  expect(report?.hasFailed).toBe(true)
  expect(report?.outcomes.get(MAIN)?.state).toBe('done')
})

it('says which hook cannot be run', async () => {
  writeFileSync(`${directory}/hooks/proc-receive`, '#!/no/such/program\n', { mode: 0o755 })
  await expect(place.hooks.runProcReceive(asked)).rejects.toMatchObject({
    code: 'hook',
    message: 'Cannot run the hook "proc-receive"',
  })
})

it('has every update asked and told by reference-transaction, under the locks', async () => {
  writeHook(
    'reference-transaction',
    '[ "$1" = prepared ] && ls refs/heads/*.lock >>said; echo "$1" >>said; cat >>said',
  )
  await done(
    place,
    request([create], { addPacks: [await stageObjects(place, [commit, emptyTree])] }),
  )
  const line = `${ZERO} ${commit.oid} ${MAIN}\n`
  expect(said()).toBe(`refs/heads/main.lock\nprepared\n${line}committed\n${line}`)
})

it('changes nothing when reference-transaction says no', async () => {
  writeHook('reference-transaction', 'echo "$1" >>said; exit 1')
  const wish = request([create], { addPacks: [await stageObjects(place, [commit, emptyTree])] })
  await expect(place.update(wish)).rejects.toMatchObject({ code: 'hook' })
  expect(said()).toBe('prepared\naborted\n')
  expect(stockRefs(directory)).toEqual([])
  rmSync(`${directory}/hooks/reference-transaction`)
  await done(place, wish)
})

it('is done even if nobody can be told', async () => {
  // The hook says yes and is spoilt then, so that it cannot be run once more.
  writeHook(
    'reference-transaction',
    `printf '#!/no/such/program' >"$0.new"; chmod +x "$0.new"; mv "$0.new" "$0"`,
  )
  const addPacks = [await stageObjects(place, [commit, emptyTree])]
  expect((await place.update(request([create], { addPacks }))).state).toBe('done')
  expect(stockRefs(directory)).toEqual([`${MAIN} ${commit.oid}`])
})

it('leaves no journal of an update that could not be entered', async () => {
  mkdirSync(`${directory}/datakit/journal/dead.0.0.0.0/plan`, { recursive: true })
  const wish = request([create], { addPacks: [await stageObjects(place, [commit, emptyTree])] })
  await expect(place.update(wish)).rejects.toMatchObject({ code: 'EISDIR' })
  expect(readdirSync(`${directory}/datakit/journal`)).toEqual(['dead.0.0.0.0'])
})

it('passes over hooks that are not executable, and finds those of core.hooksPath', async () => {
  writeHook('update', 'exit 1', 0o644)
  expect(await place.hooks.runUpdate(create)).toBe(true)
  git(directory, 'config', 'core.hooksPath', directory)
  writeHook('../update', 'exit 1')
  expect(await place.hooks.runUpdate(create)).toBe(false)
})

it('is not stopped by a hook that reads nothing of a long input', async () => {
  writeHook('pre-receive', 'exit 0')
  const updates = Array.from({ length: 20_000 }, (_, i) => ({ ...create, name: `refs/heads/${i}` }))
  expect(await place.hooks.runPreReceive(updates)).toBe(true)
})

it('says why a hook cannot be run', async () => {
  writeFileSync(`${directory}/hooks/update`, '#!/no/such/program\n', { mode: 0o755 })
  await expect(place.hooks.runUpdate(create)).rejects.toThrow('Cannot run the hook "update"')
})
