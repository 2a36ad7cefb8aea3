/**
 * The one sentence that says whether work is safe. It is always in view, and it never says more than is true.
 *
 * @module
 */
import { explainTrouble, troubleOf } from './trouble.ts'

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
  /** Whether the browser keeps what is written. */
  readonly kept: boolean
  /** Whether it does so only until its window is closed. */
  readonly fleeting: boolean
}

/** A sentence and how urgent it is. */
export interface Status {
  readonly text: string
  readonly kind: 'saved' | 'server' | 'waiting' | 'decision' | 'problem'
}

/** The sentence for these facts; the worst news wins. */
export function describeStatus(facts: Facts): Status {
  if (facts.problem !== undefined) return { text: `Not saved – ${facts.problem}`, kind: 'problem' }
  if (facts.decisions > 0) {
    return { text: `Needs your decision (${facts.decisions})`, kind: 'decision' }
  }
  const allThere = facts.onServer && facts.waiting === 0 && facts.drafts === 0
  if (!facts.kept && !allThere)
    return { text: 'Not saved – it is in this page only, as long as it is open', kind: 'problem' }
  const waiting = facts.waiting ?? 0
  if (waiting > 0 && facts.offline) {
    const commits = waiting === 1 ? '1 commit' : `${waiting} commits`
    return { text: `Waiting for network (${commits})`, kind: 'waiting' }
  }
  if (allThere) return { text: 'On server', kind: 'server' }
  if (facts.fleeting) return { text: 'Saved until this window is closed', kind: 'waiting' }
  return { text: 'Saved on this device', kind: 'saved' }
}

/** Why something was not kept, in words for the person who typed it. */
export function explainProblem(error: unknown): string {
  const trouble = troubleOf(error)
  const sentence = trouble && explainTrouble(trouble)
  if (sentence !== undefined) return sentence
  return error instanceof Error ? error.message : String(error)
}
