/**
 * The drafts of a branch, to be committed together.
 *
 * @module
 */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { linkTo } from '../app-state.ts'
import type { Draft } from '../drafts.ts'
import type { Session } from '../session.ts'
import { CommitForm } from './commit-form.tsx'
import { TextDiff } from './diff-view.tsx'
import { useLoaded } from './use-loaded.ts'

/** Every draft with what it changes, and a form that commits those that are chosen. */
export function ChangesView({ session }: { readonly session: Session }): JSX.Element {
  const drafts = [...session.keeper.drafts.value.values()]
  const [left, setLeft] = useState<ReadonlySet<string>>(new Set())
  const chosen = drafts.map((draft) => draft.path).filter((path) => !left.has(path))
  const choose = (path: string, isChosen: boolean): void => {
    const others = [...left].filter((other) => other !== path)
    setLeft(new Set(isChosen ? others : [...others, path]))
  }
  return (
    <article class="changes scroll">
      <h1 tabIndex={-1}>Changes that are not committed</h1>
      {drafts.length === 0 ? (
        <p>
          There are none: what you type into a file is kept here as a draft until it is committed
        </p>
      ) : (
        <CommitForm session={session} paths={chosen} />
      )}
      <ul class="drafts">
        {drafts.map((draft) => (
          <li key={draft.path}>
            <DraftItem
              session={session}
              draft={draft}
              isChosen={!left.has(draft.path)}
              onChoose={choose}
            />
          </li>
        ))}
      </ul>
    </article>
  )
}

function DraftItem(props: {
  readonly session: Session
  readonly draft: Draft
  readonly isChosen: boolean
  readonly onChoose: (path: string, isChosen: boolean) => void
}): JSX.Element {
  const { session, draft } = props
  const { path, base } = draft
  const loaded = useLoaded(
    async () => (base === undefined ? undefined : session.readBlob(base)),
    [session, base],
  )
  return (
    <>
      <div class="draft-head">
        <label>
          <input
            type="checkbox"
            checked={props.isChosen}
            onChange={(event) => props.onChoose(path, event.currentTarget.checked)}
          />{' '}
          <bdi>{path}</bdi>
        </label>
        <span class="badge">{base === undefined ? 'New' : 'Draft'}</span>
        {session.stale.value.has(path) && <span class="badge bad">Changed underneath</span>}
        <a href={linkTo({ path })} aria-label={`Open ${path}`}>
          Open
        </a>
        <button
          type="button"
          aria-label={`Discard the draft of ${path}`}
          onClick={() => void session.keeper.discard(path)}
        >
          Discard
        </button>
      </div>
      {loaded.state === 'ready' && <TextDiff before={loaded.value} after={draft.bytes} />}
      {loaded.state === 'failed' && (
        <p class="problem">What it was cannot be read: {loaded.reason}</p>
      )}
    </>
  )
}
