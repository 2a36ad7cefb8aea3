/**
 * What hooks see of a push, and what they may do in the middle of it, as with `git http-backend`.
 *
 * Seen to fail when `update` was asked while the objects were in quarantine, where Git lets nobody move a ref.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { BesideBackend, type Served } from '../support/beside-backend.ts'
import { hookedRepositories, type Hooked } from '../support/proc-receive-hook.ts'
import { git, refsOf, tryGit } from '../support/stock-git.ts'

const beside = new BesideBackend('hooks-alike')
let prepare: (hooked: Hooked) => Served

beforeAll(async () => {
  await beside.start()
  prepare = await hookedRepositories(beside)
})
afterAll(() => beside.stop())

const HOOKS = ['pre-receive', 'proc-receive', 'update', 'post-receive', 'post-update']
const TOPIC = 'refs/for/main'

/** Pushes to a repository with these hooks: how it ends, and what hooks wrote down. */
async function push(url: string, hooked: Hooked, args: readonly string[]) {
  const { name, directory } = prepare(hooked)
  const { code } = await tryGit(
    beside.source,
    'push',
    ...args.slice(0, -2),
    `${url}/${name}`,
    ...args.slice(-2),
  )
  const told = readFileSync(join(directory, 'told'), 'utf8')
  await git(directory, 'fsck', '--strict')
  return { code, told, refs: await refsOf(directory) }
}

async function expectAlike(hooked: Hooked, ...args: readonly string[]) {
  const { ours, theirs } = beside.urls
  const mine = await push(ours, hooked, args)
  expect(mine).toEqual(await push(theirs, hooked, args))
  return mine
}

/** Each hook writes down these variables, as `set` or `not set` where their values are names of folders. */
const SHOWN = `
for name in GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES; do
  eval "echo $name \\\${$name+set}" >>told
done
env | grep ^GIT_PUSH | sort >>told`

it.each([[[]], [['-o', 'topic=x', '-o', 'two words']]])(
  'each hook has the environment that Git gives it (%j)',
  async (options) => {
    const hooks = Object.fromEntries(HOOKS.map((name) => [name, SHOWN]))
    const hook = { shell: SHOWN, report: [`ok ${TOPIC}`] }
    const hooked = { rules: ['refs/for'], hook, hooks, receive: { advertisePushOptions: 'true' } }
    const { told } = await expectAlike(hooked, ...options, 'main', `main:${TOPIC}`)
    expect(told.match(/^GIT_QUARANTINE_PATH set$/gm)).toHaveLength(1)
    expect(told.match(/^GIT_PUSH_OPTION_COUNT=/gm)).toHaveLength(2)
  },
)

it('update may move refs, whether it says yes or no', async () => {
  const hooks = { update: 'git update-ref "refs/seen/$1" "$3" && test "$1" = refs/heads/main' }
  const { refs } = await expectAlike({ rules: [], hooks }, 'main', 'main:new')
  expect(refs.match(/refs\/seen/g)).toHaveLength(2)
})

it('pre-receive may not', async () => {
  const script = 'git update-ref refs/seen/main $(cut -d" " -f2 told | tail -1) || exit 1'
  const { code } = await expectAlike(
    { rules: [], hooks: { 'pre-receive': script } },
    'main',
    'main:new',
  )
  expect(code).toBe(1)
})
