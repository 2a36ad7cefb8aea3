/**
 * Proc-receive: which refs of a push a repository leaves to its hook `proc-receive`, by `receive.procReceiveRefs`.
 *
 * The hook itself is not run: it moves refs on its own. So these refs are refused, as Git refuses them where there is no
 * hook, and all others are taken, of which the hook is never asked.
 *
 * Spec: https://git-scm.com/docs/git-config#Documentation/git-config.txt-receiveprocReceiveRefs
 *
 * @module
 */
import { utf8 } from '@datakit/git/bytes'
import type { RefUpdate } from '@datakit/git/place'
import type { PushFacts } from '@datakit/git/transport/ref-rules'
import type { GitDirectoryPlace } from '@datakit/storage/git-directory'
import type { Config } from '@datakit/storage/git-directory/config'

const KEY = 'receive.procReceiveRefs'

interface Rule {
  readonly prefix: string
  readonly adds: boolean
  readonly deletes: boolean
  readonly modifies: boolean
  /** Whether it is about the refs that are not below its prefix. */
  readonly isNegative: boolean
}

/** Why no push can be taken: a rule that is none, of which Git dies, too. `undefined` when all can be read. */
export function procReceiveProblem(config: Config): string | undefined {
  const isEmpty = config
    .all()
    .some(({ key, value }) => key === KEY.toLowerCase() && value === undefined)
  return isEmpty
    ? `its configuration gives "${KEY}" no value; expected a prefix of refs`
    : undefined
}

/** Why each update that is left to the hook is not made, by name of the ref, and every update of an atomic push that has one. */
export function refuseProcReceive(
  place: GitDirectoryPlace,
  updates: readonly RefUpdate[],
  { atomic, say }: PushFacts,
): Map<string, string> {
  const rules = place.config().getAll(KEY).map(parseRule)
  const left = updates.filter((update) => rules.some((rule) => fits(rule, update)))
  if (left.length === 0) return new Map()
  const isThere = place.hooks.find('proc-receive') !== undefined
  if (!isThere) say(utf8("error: cannot find hook 'proc-receive'\n"))
  const reason = isThere ? 'the hook proc-receive is not offered' : 'fail to run proc-receive hook'
  return new Map((atomic ? updates : left).map(({ name }) => [name, reason]))
}

/** The letters before a colon say which kinds of update are meant; without a colon all are. Others mean nothing, as in Git. */
function parseRule(value: string): Rule {
  const colon = value.indexOf(':')
  const flags = colon < 0 ? 'adm' : value.slice(0, colon)
  return {
    prefix: value.slice(colon + 1).replace(/\/+$/, ''),
    adds: flags.includes('a'),
    deletes: flags.includes('d'),
    modifies: flags.includes('m'),
    isNegative: flags.includes('!'),
  }
}

function fits(rule: Rule, { name, from, to }: RefUpdate): boolean {
  if (from === undefined && !rule.adds) return false
  if (to === undefined && !rule.deletes) return false
  if (from !== undefined && to !== undefined && !rule.modifies) return false
  const isBelow = name === rule.prefix || name.startsWith(`${rule.prefix}/`)
  return isBelow !== rule.isNegative
}
