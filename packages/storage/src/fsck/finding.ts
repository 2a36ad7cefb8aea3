/**
 * Finding: something that is wrong with a repository, and what a check says on its way. All of it is values that travel as
 * JSON, so that a server can be asked for it.
 *
 * @module
 */
import type { Severity } from '@datakit/git/fsck'

/**
 * What helps against a finding: `repair` (this is what `datakit repair` mends), `copy` (a copy of the objects from
 * elsewhere, which `datakit repair --from` takes), `time` (it goes away by itself), `person` (somebody has to decide).
 */
export type Remedy = 'repair' | 'copy' | 'time' | 'person'

/** Something that is wrong. */
export interface Finding {
  /** Stable name of the kind: Git's own for what is wrong inside an object (`treeNotSorted`), ours otherwise (`missing`). */
  readonly code: string
  readonly severity: Severity
  /** What it is about: an oid, a ref, a pack, a key of a bucket, a file. */
  readonly about: string
  /** For people. */
  readonly message: string
  readonly remedy: Remedy
}

/** How much there is in a repository. */
export interface Counts {
  readonly packs: number
  readonly bytes: number
  readonly refs: number
  /** Distinct objects. */
  readonly objects: number
  /** Of these, those that no ref leads to. */
  readonly unreachable: number
}

/** What a check or a repair says: how far it is, what it found, what it did, and in the end how much there is. */
export type CheckEvent =
  | { readonly kind: 'progress'; readonly step: string; readonly done: number; readonly of: number }
  | { readonly kind: 'finding'; readonly finding: Finding }
  | { readonly kind: 'mended'; readonly about: string; readonly message: string }
  | { readonly kind: 'counts'; readonly counts: Counts }

/** The end of a step that is not the last: where the next one begins. */
export interface NextStep {
  readonly kind: 'next'
  /** Is given back to go on. */
  readonly cursor: string
}

/** A finding as an event. */
export function found(
  code: string,
  about: string,
  {
    message,
    severity = 'error',
    remedy = 'person',
  }: Partial<Finding> & { readonly message: string },
): CheckEvent {
  return { kind: 'finding', finding: { code, severity, about, message, remedy } }
}

/** How far a step is, as an event. */
export function progress(step: string, done: number, of: number): CheckEvent {
  return { kind: 'progress', step, done, of }
}

/** Something that was mended, as an event. */
export function mended(about: string, message: string): CheckEvent {
  return { kind: 'mended', about, message }
}

/** What a check gives in the end; of what it says on the way, only how far it is. */
export async function* progressOf<Result>(
  check: AsyncGenerator<CheckEvent, Result>,
): AsyncGenerator<CheckEvent, Result> {
  for (;;) {
    const next = await check.next()
    if (next.done === true) return next.value
    if (next.value.kind === 'progress') yield next.value
  }
}

/** The message of an error, for a finding. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
