/**
 * Drivers that merge by key, out of a format.
 *
 * What they give is proved first: the result is read again, and must have the merged value and all the comments that nobody
 * removed. Where that fails, and where a version cannot be read, there is a conflict with a reason, and nothing is tried
 * by line.
 *
 * @module
 */
import type { KeyConflict, MergeDriver, MergeInput, MergeOutcome } from '../driver.ts'
import {
  TooLongError,
  UnreadableError,
  type Document,
  type Format,
  type Versions,
} from './document.ts'
import { areEqual } from './equality.ts'
import { unifyLineEnds } from './line-ends.ts'
import type { ListOptions } from './list-rules.ts'
import { mergeDocuments } from './merge-document.ts'

/** A driver for a format. */
export function structuredDriver(format: Format, options: ListOptions): MergeDriver {
  return (input) => {
    const taken = takeSide(input)
    if (taken) return { state: 'merged', bytes: taken }
    try {
      return mergeByKey(format, options, input)
    } catch (error) {
      return { state: 'conflict', reason: reasonFor(format, error) }
    }
  }
}

/** What an error says of a text. Libraries run out of stack, which is an error of another kind in each engine. */
function reasonFor(format: Format, error: unknown): string {
  if (error instanceof UnreadableError) return error.message
  return `Cannot merge by key: a version is longer or deeper than what can be read as ${format.name} here: ${String(error)}`
}

/** The bytes of a side where the other has nothing to add. */
export function takeSide({ base, ours, theirs }: MergeInput): Uint8Array | undefined {
  if (areSame(ours, theirs)) return ours
  if (base && areSame(base, theirs)) return ours
  return base && areSame(base, ours) ? theirs : undefined
}

/** A version as text. @throws {UnreadableError} when it is not UTF-8 */
export function decodeVersion(bytes: Uint8Array, whose: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new UnreadableError(`Cannot merge by key: ${whose} is not UTF-8`)
  }
}

function mergeByKey(format: Format, options: ListOptions, input: MergeInput): MergeOutcome {
  const texts = unifyLineEnds({
    base: input.base && decodeVersion(input.base, 'base'),
    ours: decodeVersion(input.ours, 'ours'),
    theirs: decodeVersion(input.theirs, 'theirs'),
  })
  const documents = readVersions(format, texts)
  let decided = 0
  const decide =
    input.decide &&
    ((conflict: KeyConflict) => {
      const kept = input.decide?.(conflict)
      if (kept !== undefined) decided++
      return kept
    })
  const { root: merged, conflicts } = mergeDocuments(
    { format, options, decide },
    {
      base: documents.base?.root,
      ours: documents.ours.root,
      theirs: documents.theirs.root,
    },
  )
  if (conflicts.length > 0) return { state: 'conflict', keys: conflicts.toSorted(compareKeys) }
  const result = readAgain(format, merged.text)
  if (!areEqual(result.root, merged))
    throw new UnreadableError(
      'Cannot merge by key: put together, the text would mean something else than the merged values',
    )
  // What was decided may have been about comments, or have taken some along.
  if (decided === 0) proveComments(documents, result)
  const problem = format.prove?.(documents, result)
  if (problem !== undefined) throw new UnreadableError(`Cannot merge by key: ${problem}`)
  return { state: 'merged', bytes: new TextEncoder().encode(merged.text) }
}

/** Reads all versions. @throws {UnreadableError} with what is wrong with each that cannot be read */
function readVersions(format: Format, texts: Versions<string>): Versions<Document> {
  const problems: string[] = []
  const read = (text: string, whose: string): Document | undefined => {
    try {
      return format.read(text)
    } catch (error) {
      if (!(error instanceof UnreadableError) || error instanceof TooLongError) throw error
      problems.push(`${whose}, read as ${format.name}: ${error.message}`)
      return undefined
    }
  }
  // An empty file is no document yet: both sides have added theirs.
  const isAdded = texts.base === undefined || texts.base.trim() === ''
  const base = isAdded ? undefined : read(texts.base ?? '', 'base')
  const [ours, theirs] = [read(texts.ours, 'ours'), read(texts.theirs, 'theirs')]
  if (ours && theirs && problems.length === 0) return { base, ours, theirs }
  throw new UnreadableError(`Cannot merge by key: ${problems.join('; ')}`)
}

function readAgain(format: Format, text: string): Document {
  try {
    return format.read(text)
  } catch (error) {
    if (!(error instanceof UnreadableError) || error instanceof TooLongError) throw error
    throw new UnreadableError(
      `Cannot merge by key: put together, the text would not be ${format.name}: ${error.message}`,
    )
  }
}

/** @throws {UnreadableError} when a comment is lost or doubled that at most one side moved, added or removed */
function proveComments({ base, ours, theirs }: Versions<Document>, merged: Document): void {
  if (!base) return
  const [inBase, inOurs, inTheirs, inMerged] = [base, ours, theirs, merged].map(countComments)
  for (const comment of new Set([base, ours, theirs].flatMap(({ comments }) => comments))) {
    const [o, a, b] = [inBase, inOurs, inTheirs].map((counts) => counts?.get(comment) ?? 0)
    const expected = a === o ? b : b === o ? a : undefined
    if (expected !== undefined && expected !== (inMerged?.get(comment) ?? 0))
      throw new UnreadableError(
        `Cannot merge by key: where the comment "${comment}" belongs is in doubt`,
      )
  }
}

function countComments({ comments }: Document): Map<string, number> {
  const counts = new Map<string, number>()
  for (const comment of comments) counts.set(comment, (counts.get(comment) ?? 0) + 1)
  return counts
}

function compareKeys(a: KeyConflict, b: KeyConflict): number {
  for (const [i, step] of a.key.entries()) {
    const other = b.key[i]
    if (other === undefined) return 1
    if (step === other) continue
    if (typeof step === 'number' && typeof other === 'number') return step - other
    return String(step) < String(other) ? -1 : 1
  }
  return a.key.length - b.key.length
}

function areSame(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
