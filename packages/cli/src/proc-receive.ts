/**
 * Proc-receive: which refs of a push a repository leaves to its hook `proc-receive`, by `receive.procReceiveRefs`, and how
 * the hook is asked to make them.
 *
 * Spec: https://git-scm.com/docs/git-config#Documentation/git-config.txt-receiveprocReceiveRefs,
 * https://git-scm.com/docs/githooks#proc-receive
 *
 * @module
 */
import { utf8 } from '@datakit/git/bytes'
import { RefusedError } from '@datakit/git/error'
import type { RefUpdate } from '@datakit/git/place'
import type { ProcReceiveReport, ProcReceiveRequest } from '@datakit/git/protocol/proc-receive'
import type { Delegate, DelegateAnswer } from '@datakit/git/transport/delegate'
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

/** The hook as the maker of the updates that are left to it; `undefined` where the configuration leaves none. */
export function procReceiveDelegate(
  place: GitDirectoryPlace,
  config: Config,
): Delegate | undefined {
  const rules = config.getAll(KEY).map(parseRule)
  if (rules.length === 0) return undefined
  return {
    takes: (update) => rules.some((rule) => fits(rule, update)),
    async make(updates, pushed, facts) {
      const { atomic, options } = facts
      const request = { updates, pushed, atomic, options }
      return answerOf(await ask(place, request, facts), facts)
    },
  }
}

/** Asks the hook. What keeps it from being asked is said, as in Git, and is a failure like any other. */
async function ask(
  { hooks }: GitDirectoryPlace,
  request: ProcReceiveRequest,
  { who, say }: PushFacts,
): Promise<ProcReceiveReport> {
  try {
    const report = await hooks.runProcReceive(request, { who, onOutput: say })
    return report ?? failure("cannot find hook 'proc-receive'")
  } catch (error) {
    if (error instanceof RefusedError) return failure(error.message)
    throw error
  }
}

function failure(problem: string): ProcReceiveReport {
  return { outcomes: new Map(), hasFailed: true, problem }
}

function answerOf(
  { outcomes, hasFailed, problem }: ProcReceiveReport,
  { say }: PushFacts,
): DelegateAnswer {
  if (problem !== '') say(utf8(`error: ${problem}\n`))
  return { outcomes, problem: hasFailed ? 'fail to run proc-receive hook' : undefined }
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
