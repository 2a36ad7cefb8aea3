/**
 * Drafts: what was typed and is not committed.
 *
 * A draft remembers what it began from, so that nobody's later change of the same file is overwritten without a word: a
 * draft whose file changed underneath is merged when it is committed, from the commit that it began at.
 *
 * @module
 */
import { equal } from '@datakit/git/bytes'
import type { Oid } from '@datakit/git/oid'

/** The text of one file on one branch, not committed yet. */
export interface Draft {
  readonly repository: string
  readonly branch: string
  readonly path: string
  readonly bytes: Uint8Array<ArrayBuffer>
  /** The mode that the file had, or a plain file's. */
  readonly mode: number
  /** The blob that was edited; `undefined` for a new file. */
  readonly base: Oid | undefined
  /** The commit that `base` was read from; `undefined` on a branch without commits. */
  readonly commit: Oid | undefined
  /** When it was last typed in, in milliseconds since 1970. For people; nothing is decided by it. */
  readonly at: number
}

/** What a file is at the head of the branch. */
export interface CommittedFile {
  readonly mode: number
  readonly oid: Oid
}

/** Whether somebody changed the file while the draft was open. */
export function isStale(draft: Draft, committed: CommittedFile | undefined): boolean {
  return draft.base !== committed?.oid
}

/** Drafts that can be committed together: all begin from one commit. */
export interface DraftGroup {
  /** Where the change begins; `undefined` on a branch without commits. */
  readonly from: Oid | undefined
  readonly drafts: readonly Draft[]
}

/**
 * What has to be committed one after the other. Drafts whose files are as they were begin from the head, all together;
 * the others from where each was begun, so that the commit merges them. The head's group is the last.
 */
export function groupDrafts(
  drafts: readonly Draft[],
  committed: ReadonlyMap<string, CommittedFile | undefined>,
  head: Oid | undefined,
): DraftGroup[] {
  const stale = new Map<Oid | undefined, Draft[]>()
  const fresh: Draft[] = []
  for (const draft of drafts) {
    if (isStale(draft, committed.get(draft.path))) {
      stale.set(draft.commit, [...(stale.get(draft.commit) ?? []), draft])
    } else fresh.push(draft)
  }
  const groups: DraftGroup[] = [...stale].map(([from, group]) => ({ from, drafts: group }))
  if (fresh.length > 0) groups.push({ from: head, drafts: fresh })
  return groups
}

/** What typing leads to. */
export type Typed =
  | { readonly action: 'keep'; readonly draft: Draft }
  /** The text is what is committed: there is nothing to keep. */
  | { readonly action: 'drop' }

/**
 * What to do with a text that was typed. An earlier draft hands on what it began from; without one the text begins from
 * what is committed.
 */
export function draftOf(
  place: Pick<Draft, 'repository' | 'branch' | 'path'>,
  bytes: Uint8Array<ArrayBuffer>,
  known: {
    readonly earlier: Draft | undefined
    readonly committed: (CommittedFile & { readonly bytes: Uint8Array }) | undefined
    readonly head: Oid | undefined
    readonly at: number
  },
): Typed {
  const { earlier, committed, head, at } = known
  if (committed !== undefined && equal(bytes, committed.bytes)) return { action: 'drop' }
  const base = earlier === undefined ? committed?.oid : earlier.base
  const commit = earlier === undefined ? head : earlier.commit
  const mode = earlier?.mode ?? committed?.mode ?? 0o100644
  const { repository, branch, path } = place
  return { action: 'keep', draft: { repository, branch, path, bytes, mode, base, commit, at } }
}

/** A message for a commit that nobody described. */
export function proposeMessage(drafts: readonly Draft[]): string {
  const [first] = drafts
  if (first === undefined) return ''
  const verb = drafts.every((draft) => draft.base === undefined) ? 'Add' : 'Change'
  return drafts.length === 1 ? `${verb} ${first.path}` : `${verb} ${drafts.length} files`
}

/** Why a text cannot be the path of a new file; `undefined` when it can. The store has the last word. */
export function explainPath(path: string): string | undefined {
  if (path === '') return 'Type a path, such as config/limits.json'
  if (path.startsWith('/') || path.endsWith('/'))
    return 'A path neither begins nor ends with a slash'
  const steps = path.split('/')
  if (steps.some((step) => step === '')) return 'Two slashes stand together'
  if (steps.some((step) => step === '.' || step === '..')) return '"." and ".." cannot be names'
  if (steps.some((step) => step.toLowerCase() === '.git')) return '".git" cannot be a name'
  return undefined
}
