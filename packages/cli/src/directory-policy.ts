/**
 * Directory policy: what a Git directory's own configuration and hooks say, as the policy that the server asks.
 *
 * What of them is honoured, and what is not and why, is a table in docs/git-config.md.
 *
 * Spec: https://git-scm.com/docs/git-config, https://git-scm.com/docs/githooks
 *
 * @module
 */
import { utf8 } from '@datakit/git/bytes'
import { MalformedError } from '@datakit/git/error'
import type { Place, RefUpdate } from '@datakit/git/place'
import type { Readable } from '@datakit/git/transport/reach'
import type { MadeUpdate, PushFacts, ReceivePolicy } from '@datakit/git/transport/ref-rules'
import { OPEN_POLICY, type Policy } from '@datakit/server/policy'
import { protectedRefs } from '@datakit/server/protected-refs'
import type { GitDirectoryPlace } from '@datakit/storage/git-directory'
import type { Config } from '@datakit/storage/git-directory/config'
import type { HookRun } from '@datakit/storage/git-directory/hooks'
import { checkFetchSettings, checkPushSettings, denial } from './config-check.ts'
import { fetchPolicy } from './fetch-config.ts'
import { judgeOf } from './fsck-config.ts'
import { readableRefs } from './hidden-refs.ts'
import { procReceiveDelegate } from './proc-receive.ts'
import { certificateTold, offeredNonce } from './push-certificate.ts'

/**
 * The policy of a Git directory; of any other place, the one that allows everything. A setting that cannot be meant keeps out
 * the service that it is for.
 *
 * @throws UnsupportedError, MalformedError when the configuration is one that cannot be served
 */
export function directoryPolicy(place: Place): Policy {
  if (!isGitDirectoryPlace(place)) return OPEN_POLICY
  const config = place.config()
  return {
    fetch: unlessMalformed(
      () => readFetchPolicy(config),
      (refusal) => ({ ...OPEN_POLICY.fetch, readable: NO_REFS, refusal }),
    ),
    push: unlessMalformed(
      () => readPushPolicy(place, config),
      (refusal) => ({ ...OPEN_POLICY.push, receive: { readable: NO_REFS }, refusal }),
    ),
  }
}

const NO_REFS: Readable = { key: 'none', includes: () => false }

function unlessMalformed<T>(read: () => T, otherwise: (problem: string) => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof MalformedError) return otherwise(error.message)
    throw error
  }
}

function readFetchPolicy(config: Config): Policy['fetch'] {
  checkFetchSettings(config)
  return { ...fetchPolicy(config), refusal: refusalOf(config, 'http.uploadpack', 'fetching') }
}

function readPushPolicy(place: GitDirectoryPlace, config: Config): Policy['push'] {
  checkPushSettings(config)
  const limit = config.int('receive.maxInputSize') ?? 0
  const judge = judgeOf(config, place.directory)
  return {
    refusal: refusalOf(config, 'http.receivepack', 'pushing'),
    receive: { ...receivePolicy(place, config), judge },
    bytes: limit > 0 ? limit : undefined,
    takesOptions: config.bool('receive.advertisePushOptions') === true,
    takesAtomic: config.bool('receive.advertiseAtomic') !== false,
    certificates: { nonce: offeredNonce(config) },
    keepAlive: 1000 * (config.int('receive.keepAlive') ?? 5),
  }
}

/** Whether packs that were pushed may be merged, as Git's own upkeep may: `receive.autogc` and `gc.auto`. */
export function isKeptUp(place: Place): boolean {
  if (!isGitDirectoryPlace(place)) return true
  return unlessMalformed(
    () => {
      const config = place.config()
      return config.bool('receive.autogc') !== false && config.int('gc.auto') !== 0
    },
    () => false,
  )
}

/** Renews what the dumb protocol needs, where `receive.updateServerInfo` says so; says whether nothing went wrong. */
export async function renewServerInfo(place: Place): Promise<boolean> {
  if (!isGitDirectoryPlace(place)) return true
  try {
    const isWanted = place.config().bool('receive.updateServerInfo') === true
    if (isWanted) await place.updateServerInfo()
    return true
  } catch (error) {
    // What the refs are was settled before: only whoever runs the server can do something about this.
    console.error(error)
    return false
  }
}

function isGitDirectoryPlace(place: Place): place is GitDirectoryPlace {
  return place.traits.kind === 'git-directory' && 'hooks' in place
}

function refusalOf(config: Config, key: string, what: string): string | undefined {
  return config.bool(key) === false
    ? `${what} is switched off in its configuration (${key})`
    : undefined
}

function receivePolicy(place: GitDirectoryPlace, config: Config): ReceivePolicy {
  const told = certificateTold(place, config)
  const delegate = procReceiveDelegate(place, config)
  const signedRun = (facts: PushFacts): HookRun => ({
    ...hookRun(facts),
    env: () => told(facts.certificate),
  })
  return {
    readable: readableRefs(config, 'receive'),
    get proven() {
      const shown = either(readableRefs(config, 'receive'), readableRefs(config, 'uploadpack'))
      return { ...shown, tips: place.lentTips() }
    },
    deleteCurrent: denial(config, 'receive.denyDeleteCurrent') !== 'refuse',
    denyNonFastForwards: config.bool('receive.denyNonFastForwards') === true,
    protects: protectedRefs(config.getAll('datakit.protect')),
    takesShallow: config.bool('receive.shallowUpdate') === true,
    refuse: (update) => refuseUpdate(update, config, new Set(place.checkedOut())),
    ask: async (updates, facts) => {
      const isTaken = await askPreReceive(place, updates, signedRun(facts))
      if (!isTaken) return new Map(updates.map(({ name }) => [name, 'pre-receive hook declined']))
      const warned = updates.filter((update) => delegate?.takes(update) !== true)
      warn(warned, { config, checkedOut: new Set(place.checkedOut()), facts })
      return new Map()
    },
    delegate,
    askEach:
      place.hooks.find('update') === undefined
        ? undefined
        : (updates, facts) => askUpdate(place, updates, facts),
    tell: async (updates, facts) => {
      await tellHooks(place, updates, signedRun(facts))
      if (!(await renewServerInfo(place)))
        facts.say(utf8('error: unable to update info/refs; the log of the server says why\n'))
    },
  }
}

/** Asks about all, and drops the packs of a push that is not taken, or that nobody could be asked about. */
async function askPreReceive(
  place: GitDirectoryPlace,
  updates: readonly RefUpdate[],
  run: HookRun,
): Promise<boolean> {
  let isTaken = false
  try {
    isTaken = await place.hooks.runPreReceive(updates, run)
  } finally {
    if (!isTaken) await place.discard(run.staged ?? [])
  }
  return isTaken
}

function either(one: Readable, other: Readable): Readable {
  return {
    key: `${one.key} or ${other.key}`,
    includes: (name) => one.includes(name) || other.includes(name),
  }
}

/** The rules that need nothing but the update itself. The words are those that Git uses. */
function refuseUpdate(
  { name, to }: RefUpdate,
  config: Config,
  checkedOut: ReadonlySet<string>,
): string | undefined {
  if (checkedOut.has(name)) {
    const said = denial(config, 'receive.denyCurrentBranch')
    if (said === 'refuse') return 'branch is currently checked out'
    if (said === 'updateInstead')
      return 'branch is currently checked out, and receive.denyCurrentBranch=updateInstead is not offered'
  }
  if (to !== undefined) return undefined
  if (name.startsWith('refs/heads/') && config.bool('receive.denyDeletes') === true)
    return 'deletion prohibited'
  const isKept = checkedOut.has(name) && denial(config, 'receive.denyDeleteCurrent') === 'refuse'
  return isKept ? 'deletion of the current branch prohibited' : undefined
}

interface Warning {
  readonly config: Config
  readonly checkedOut: ReadonlySet<string>
  readonly facts: PushFacts
}

function warn(updates: readonly RefUpdate[], { config, checkedOut, facts }: Warning): void {
  const warns = (key: string): boolean => denial(config, key) === 'warn'
  for (const { name } of updates) {
    if (checkedOut.has(name) && warns('receive.denyCurrentBranch'))
      facts.say(utf8(`warning: updating the current branch "${name}"\n`))
  }
}

/** Asks `update` about each, in the words of Git's refusals. */
async function askUpdate(
  { hooks }: GitDirectoryPlace,
  updates: readonly RefUpdate[],
  facts: PushFacts,
): Promise<ReadonlyMap<string, string>> {
  const refused = new Map<string, string>()
  for (const update of updates) {
    if (await hooks.runUpdate(update, hookRun(facts))) continue
    facts.say(utf8(`error: hook declined to update ${update.name}\n`))
    refused.set(update.name, 'hook declined')
    if (facts.atomic) break
  }
  return refused
}

/** The refs have moved: a hook that cannot be run is told of and undoes nothing. */
async function tellHooks(
  { hooks }: GitDirectoryPlace,
  updates: readonly MadeUpdate[],
  run: HookRun,
): Promise<void> {
  try {
    await hooks.runPostReceive(updates, { ...run, staged: [] })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    run.onOutput?.(utf8(`warning: the refs were updated; ${reason}\n`))
  }
}

function hookRun({ who, staged, options, say }: PushFacts): HookRun {
  return { who, staged, onOutput: say, pushOptions: options }
}
