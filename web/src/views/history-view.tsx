/**
 * The commits of a branch or of a file, and what each changed.
 *
 * @module
 */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { Oid } from '@datakit/git/oid'
import { linkTo, linkToCommit } from '../app-state.ts'
import type { CommitInfo, FileChange, Signature } from '../data.ts'
import type { Session } from '../session.ts'
import { StoredDiff } from './diff-view.tsx'
import { useReached } from './use-loaded.ts'

const PAGE = 50
/** Files whose differences are shown without being asked for. */
const SHOWN = 10
/** Files of a commit that are listed at a time. */
const FILES = 500

/** The newest commits first, of one path if it is not empty. */
export function HistoryView(props: {
  readonly session: Session
  readonly path: string
}): JSX.Element {
  const { session, path } = props
  const head = session.head.value
  const [limit, setLimit] = useState(PAGE)
  const read = async (): Promise<readonly CommitInfo[]> =>
    head === undefined ? [] : session.store.history(head, { limit: limit + 1, path })
  const loaded = useReached(session, read, [head, path, limit])
  const commits = loaded.value ?? []
  return (
    <article class="history scroll">
      <h1 tabIndex={-1}>
        History of <bdi>{path === '' ? session.branch : path}</bdi>
      </h1>
      {path !== '' && (
        <p>
          <a href={linkTo({ path })}>Open the file</a> ·{' '}
          <a href={linkTo({ view: 'history', path: '' })}>All commits</a>
        </p>
      )}
      {loaded.state === 'failed' && <p class="problem">It cannot be read: {loaded.reason}</p>}
      {loaded.state === 'ready' && commits.length === 0 && <p>There are no commits</p>}
      <ol class="commits">
        {commits.slice(0, limit).map((commit) => (
          <li key={commit.oid}>
            <a href={linkToCommit(commit.oid)}>{titleOf(commit)}</a>
            <Byline commit={commit} />
          </li>
        ))}
      </ol>
      {commits.length > limit && (
        <button type="button" onClick={() => setLimit(limit * 2)}>
          Show more
        </button>
      )}
      {loaded.state === 'loading' && <p class="hint">Loading…</p>}
    </article>
  )
}

/** One commit: its message and what it changed. */
export function CommitView(props: { readonly session: Session; readonly oid: Oid }): JSX.Element {
  const { session, oid } = props
  const loaded = useReached(session, () => session.store.describe(oid), [oid])
  if (loaded.state === 'failed') {
    return (
      <article class="scroll">
        <h1 tabIndex={-1}>Commit {oid.slice(0, 8)}</h1>
        <p class="problem">It cannot be read: {loaded.reason}</p>
      </article>
    )
  }
  if (loaded.value === undefined) return <p class="hint">Loading…</p>
  const commit = loaded.value
  const body = commit.message.trim().split('\n').slice(1).join('\n').trim()
  return (
    <article class="commit-view scroll">
      <h1 tabIndex={-1}>{titleOf(commit)}</h1>
      {body !== '' && <pre class="message">{body}</pre>}
      <Byline commit={commit} />
      <p class="hint">
        <code>{commit.oid}</code>
        {commit.parents.map((parent) => (
          <>
            {' '}
            · parent <a href={linkToCommit(parent)}>{parent.slice(0, 8)}</a>
          </>
        ))}
      </p>
      <ChangedFiles key={oid} session={session} oid={oid} />
    </article>
  )
}

/** What a commit changed: also where that cannot be told, the commit is shown. */
function ChangedFiles(props: { readonly session: Session; readonly oid: Oid }): JSX.Element {
  const { session, oid } = props
  const [most, setMost] = useState(FILES)
  const loaded = useReached(session, () => session.store.changes(oid), [oid])
  if (loaded.state === 'failed')
    return (
      <>
        <p class="problem">What it changed cannot be read: {loaded.reason}</p>
        <button type="button" onClick={loaded.retry}>
          Try again
        </button>
      </>
    )
  if (loaded.value === undefined) return <p class="hint">Loading…</p>
  const changes = loaded.value
  return (
    <>
      <h2>{changes.length === 1 ? '1 file changed' : `${changes.length} files changed`}</h2>
      {changes.slice(0, most).map((change, i) => (
        <ChangedFile key={change.path} session={session} change={change} isOpen={i < SHOWN} />
      ))}
      {changes.length > most && (
        <button type="button" onClick={() => setMost(most + FILES)}>
          Show more, {changes.length - most} are left
        </button>
      )}
    </>
  )
}

function ChangedFile(props: {
  readonly session: Session
  readonly change: FileChange
  readonly isOpen: boolean
}): JSX.Element {
  const { session, change } = props
  const [isOpen, setOpen] = useState(props.isOpen)
  return (
    <details
      class="changed-file"
      open={isOpen}
      onToggle={(event) => setOpen(event.currentTarget.open)}
    >
      <summary>
        <bdi>{change.path}</bdi> <span class={`badge ${change.kind}`}>{change.kind}</span>
      </summary>
      {isOpen && <StoredDiff session={session} before={change.before} after={change.after} />}
    </details>
  )
}

function Byline({ commit }: { readonly commit: CommitInfo }): JSX.Element {
  return (
    <p class="byline">
      <bdi>{commit.author.name}</bdi>, <Time signature={commit.committer} /> ·{' '}
      <code>{commit.oid.slice(0, 8)}</code>
      {commit.parents.length > 1 && <span class="badge">Merge</span>}
    </p>
  )
}

function Time({ signature }: { readonly signature: Signature }): JSX.Element {
  const date = new Date(signature.seconds * 1000)
  if (Number.isNaN(date.getTime())) return <span>at {signature.seconds} seconds since 1970</span>
  const text = date.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })
  return <time dateTime={date.toISOString()}>{text}</time>
}

function titleOf(commit: CommitInfo): string {
  const title = commit.message.trimStart().split('\n', 1)[0]?.trim() ?? ''
  return title === '' ? '(no message)' : title
}
