/**
 * The one sentence that says whether work is safe. It is always in view, and it never says more than is true.
 *
 * @module
 */
import { UnavailableError, type NotHereError } from '@datakit/git/error'
import type { Proof } from './proof.ts'
import { explainTrouble, isLeft, troubleOf } from './trouble.ts'

/** What the sentence is made of. */
export interface Facts {
  /** Why something that was typed or committed could not be kept; `undefined` when all is kept. */
  readonly problem: string | undefined
  /** Conflicts and other questions that only a person can answer. */
  readonly decisions: number
  /** Commits that the server has not got; `undefined` while nobody has counted. */
  readonly waiting: number | undefined
  /** Texts that are kept here and not committed. */
  readonly drafts: number
  /** Whether the last attempt to reach the server failed, or the browser knows that there is no network. */
  readonly offline: boolean
  /** Whether the server is known to have the branch that is open. */
  readonly onServer: boolean
  /** Whether what came from there is what it should be, as far as is known. */
  readonly proof: Proof
  /** Whether the browser keeps what is written. */
  readonly kept: boolean
  /** Whether it does so only until its window is closed. */
  readonly fleeting: boolean
}

/** A sentence and how urgent it is. */
export interface Status {
  readonly text: string
  readonly kind: 'saved' | 'server' | 'waiting' | 'decision' | 'problem'
  /** Why it does not say more, where that is not plain. */
  readonly detail?: string
}

const details = {
  proved: {},
  checking: { detail: 'Checking what came from the server' },
  damaged: { detail: 'Something that came from the server is damaged' },
} as const

/** The sentence for these facts; the worst news wins. */
export function describeStatus(facts: Facts): Status {
  if (facts.problem !== undefined) return { text: `Not saved – ${facts.problem}`, kind: 'problem' }
  if (facts.decisions > 0) {
    return { text: `Needs your decision (${facts.decisions})`, kind: 'decision' }
  }
  const isSent = facts.onServer && facts.waiting === 0 && facts.drafts === 0
  // Until what came is proved, nobody knows that the server has what is here.
  const allThere = isSent && facts.proof === 'proved'
  const detail = isSent ? details[facts.proof] : {}
  if (!facts.kept && !isSent)
    return { text: 'Not saved – it is in this page only, as long as it is open', kind: 'problem' }
  const waiting = facts.waiting ?? 0
  if (waiting > 0 && facts.offline) {
    const commits = waiting === 1 ? '1 commit' : `${waiting} commits`
    return { text: `Waiting for network (${commits})`, kind: 'waiting' }
  }
  if (allThere) return { text: 'On server', kind: 'server' }
  if (!facts.kept) return { text: 'In this page only', kind: 'waiting', ...detail }
  if (facts.fleeting)
    return { text: 'Saved until this window is closed', kind: 'waiting', ...detail }
  return { text: 'Saved on this device', kind: 'saved', ...detail }
}

/** Why something was not kept, in words for the person who typed it. */
export function explainProblem(error: unknown): string {
  const trouble = troubleOf(error)
  const sentence = trouble && explainTrouble(trouble)
  if (sentence !== undefined) return sentence
  if (isLeft(error)) return explainLeft(error)
  return error instanceof Error ? error.message : String(error)
}

/** Why something is not here that was left with the server, and how to get it. */
function explainLeft({ path, remote, cause }: NotHereError): string {
  const what = path === undefined ? 'It' : `“${path}”`
  const why = `${what} is not on this device: only a part of the repository is kept here, and the rest on the server (${remote})`
  if (cause === undefined || cause instanceof UnavailableError)
    return `${why}. Connect and try again`
  return `${why}, which does not give it: ${cause instanceof Error ? cause.message : String(cause)}`
}
