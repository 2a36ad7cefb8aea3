/**
 * What a decision about drafts makes of them. Their commit was never made, so nothing is merged: the drafts become what was
 * chosen, over what was there first.
 *
 * @module
 */
import { utf8 } from '@datakit/git/bytes'
import type { Oid } from '@datakit/git/oid'
import type { WholeResolution } from '@datakit/datakit/conflict'
import type { Choices, ConflictDecision, Edit } from './data.ts'
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
  readBlob: (oid: Oid) => Promise<Uint8Array>,
): Promise<Edit[]> {
  const edits: Edit[] = []
  for (const draft of drafts) {
    const choice = choices.get(draft.path)
    const base = decision.conflicts.find(({ path }) => path === draft.path)?.base
    if (choice === undefined || choice === 'theirs') continue
    if (choice === 'base' && base !== undefined) {
      edits.push(writeOf({ ...draft, bytes: copy(await readBlob(base.oid)), mode: base.mode }))
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

function copy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes)
}
