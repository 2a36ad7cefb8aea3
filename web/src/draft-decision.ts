/**
 * What a decision about drafts makes of them. Their commit was never made, so nothing is merged: the drafts become what was
 * chosen, over what was there first.
 *
 * @module
 */
import { utf8 } from '@datakit/git/bytes'
import type { KeyDecision, WholeResolution } from '@datakit/datakit/conflict'
import type { Choices, ConflictDecision, Edit, RepositoryStore } from './data.ts'
import type { Draft } from './drafts.ts'

/** The step of a commit that a draft stands for. */
export function writeOf({ path, bytes, mode }: Draft): Edit {
  return { act: 'write', path, bytes, mode }
}

/** The steps from what was there first to what was chosen. Where theirs was chosen there is none. */
export async function editsOfDecision(
  decision: ConflictDecision,
  drafts: readonly Draft[],
  choices: Choices,
  store: Pick<RepositoryStore, 'readBlob' | 'explain'>,
): Promise<Edit[]> {
  const edits: Edit[] = []
  for (const draft of drafts) {
    const choice = choices.get(draft.path)
    const conflict = decision.conflicts.find(({ path }) => path === draft.path)
    const base = conflict?.base
    if (choice === undefined || choice === 'theirs') continue
    if (choice === 'base' && base !== undefined) {
      edits.push(
        writeOf({ ...draft, bytes: copy(await store.readBlob(base.oid)), mode: base.mode }),
      )
    } else if (typeof choice === 'object' && 'keys' in choice) {
      const outcome = conflict && (await store.explain(decision, conflict, choice.keys))
      if (outcome?.state !== 'merged') throw notMerged(draft.path, choice.keys)
      edits.push(writeOf({ ...draft, bytes: copy(outcome.bytes) }))
    } else edits.push(editOf(draft, choice))
  }
  return edits
}

function editOf(draft: Draft, choice: Exclude<WholeResolution, 'theirs'>): Edit {
  if (choice === 'ours') return writeOf(draft)
  if (choice === 'remove' || choice === 'base') return { act: 'remove', path: draft.path }
  const bytes = typeof choice.bytes === 'string' ? utf8(choice.bytes) : copy(choice.bytes)
  return writeOf({ ...draft, bytes, mode: choice.mode ?? draft.mode })
}

function notMerged(path: string, keys: readonly KeyDecision[]): Error {
  return new Error(
    `Cannot merge “${path}” by the ${keys.length} values that were chosen: others are in conflict now; choose again`,
  )
}

function copy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes)
}
