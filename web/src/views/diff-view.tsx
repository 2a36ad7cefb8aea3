/**
 * What changed in a file, line by line.
 *
 * @module
 */
import type { JSX } from 'preact'
import { useMemo } from 'preact/hooks'
import type { FileSide } from '../data.ts'
import { diffLines, firstLines, hunksOf, type DiffLine } from '../line-diff.ts'
import type { Session } from '../session.ts'
import { decodeText, formatSize } from '../text-file.ts'
import { useReached } from './use-loaded.ts'

/** So many lines of a difference are shown: a browser needs seconds for a hundred thousand. */
const MOST_LINES = 5000
const signs = { same: ' ', added: '+', removed: '−' } as const
const words = { same: '', added: 'Added: ', removed: 'Removed: ' } as const

/** The difference of two files that are at hand; `undefined` where there is none. */
export function TextDiff(props: {
  readonly before: Uint8Array | undefined
  readonly after: Uint8Array | undefined
}): JSX.Element {
  const { before, after } = props
  const shown = useMemo(() => compare(before, after), [before, after])
  if (typeof shown === 'string') return <p class="hint">{shown}</p>
  if (shown.length === 0) return <p class="hint">The text is the same</p>
  const { hunks, left } = firstLines(shown, MOST_LINES)
  return (
    <div class="diff" role="group" aria-label="Changed lines">
      {hunks.map((hunk, i) => (
        <div class="hunk" key={i}>
          {hunk.skipped > 0 && <p class="skipped">{hunk.skipped} lines that are the same</p>}
          {hunk.lines.map((line) => (
            <Line key={`${line.before}-${line.after}`} line={line} />
          ))}
        </div>
      ))}
      {left > 0 && <p class="skipped">{left} more lines are not shown</p>}
    </div>
  )
}

/** The difference of two files in the store. */
export function StoredDiff(props: {
  readonly session: Session
  readonly before: FileSide | undefined
  readonly after: FileSide | undefined
}): JSX.Element {
  const { session, before, after } = props
  const read = async (side: FileSide | undefined): Promise<Uint8Array | undefined> =>
    side === undefined || side.mode === 0o160000 ? undefined : session.readBlob(side.oid)
  const loaded = useReached(
    session,
    async () => ({ before: await read(before), after: await read(after) }),
    [before?.oid, after?.oid],
  )
  if (loaded.state === 'failed') return <p class="problem">It cannot be read: {loaded.reason}</p>
  if (loaded.value === undefined) return <p class="hint">Loading…</p>
  return (
    <>
      {before !== undefined && after !== undefined && before.mode !== after.mode && (
        <p class="hint">
          Mode {before.mode.toString(8)} became {after.mode.toString(8)}
        </p>
      )}
      <TextDiff before={loaded.value.before} after={loaded.value.after} />
    </>
  )
}

function Line({ line }: { readonly line: DiffLine }): JSX.Element {
  const text = line.text.replace(/\r?\n$/, '')
  const hasNoEnd = text === line.text
  const hasReturn = line.text.endsWith('\r\n')
  return (
    <div class={`diff-line ${line.kind}`}>
      <span class="number" aria-hidden="true">
        {line.before}
      </span>
      <span class="number" aria-hidden="true">
        {line.after}
      </span>
      <span class="sign" aria-hidden="true">
        {signs[line.kind]}
      </span>
      <span class="visually-hidden">{words[line.kind]}</span>
      <code dir="auto">{text}</code>
      {line.kind !== 'same' && hasReturn && <span class="note">CR LF</span>}
      {line.kind !== 'same' && hasNoEnd && <span class="note">no line break at the end</span>}
    </div>
  )
}

function compare(
  before: Uint8Array | undefined,
  after: Uint8Array | undefined,
): ReturnType<typeof hunksOf> | string {
  const a = before === undefined ? undefined : decodeText(before)
  const b = after === undefined ? undefined : decodeText(after)
  if (a?.kind === 'binary' || b?.kind === 'binary') {
    return `Not text: ${sizeOf(before)} became ${sizeOf(after)}`
  }
  const hadMark = a?.hasByteOrderMark ?? false
  const hasMark = b?.hasByteOrderMark ?? false
  const onlyMark = a?.text === b?.text && hadMark !== hasMark
  if (onlyMark) return hasMark ? 'A byte order mark was added' : 'The byte order mark was removed'
  if (a?.text === '' && b === undefined) return 'An empty file was removed'
  if (a === undefined && b?.text === '') return 'An empty file was added'
  return hunksOf(diffLines(a?.text ?? '', b?.text ?? ''))
}

function sizeOf(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? 'nothing' : formatSize(bytes.length)
}
