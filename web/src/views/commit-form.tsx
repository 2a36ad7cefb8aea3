/**
 * Commits drafts, with a message.
 *
 * @module
 */
import type { JSX } from 'preact'
import { useEffect, useId, useState } from 'preact/hooks'
import { navigate } from '../app-state.ts'
import { keepAuthor, NOBODY, readAuthor } from '../author.ts'
import { proposeMessage } from '../drafts.ts'
import type { Session } from '../session.ts'
import { Field } from './dialog.tsx'
import { focusMain } from './focus.ts'

/** A message and a button for these drafts. */
export function CommitForm(props: {
  readonly session: Session
  readonly paths: readonly string[]
}): JSX.Element {
  const { session, paths } = props
  const id = useId()
  const [message, setMessage] = useState('')
  const [isBusy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string>()
  const drafts = paths.flatMap((path) => session.keeper.drafts.value.get(path) ?? [])
  const proposal = proposeMessage(drafts)

  const commit = async (event: Event): Promise<void> => {
    event.preventDefault()
    if (isBusy || paths.length === 0) return
    setBusy(true)
    const result = await session.commitDrafts(
      paths,
      message.trim() === '' ? proposal : message.trim(),
    )
    setBusy(false)
    setProblem(result.state === 'failed' ? result.reason : undefined)
    if (result.state === 'failed') return
    setMessage('')
    if (result.state === 'conflict') navigate({ view: 'conflicts' })
    focusMain()
  }

  return (
    <form class="commit" onSubmit={(event) => void commit(event)} aria-label="Commit">
      <label for={id}>Commit message</label>
      <div class="commit-line">
        <textarea
          id={id}
          rows={1}
          value={message}
          placeholder={proposal}
          aria-describedby={`${id}-note`}
          onInput={(event) => setMessage(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void commit(event)
          }}
        />
        <button type="submit" class="primary" disabled={isBusy || paths.length === 0}>
          {paths.length > 1 ? `Commit ${paths.length} files` : 'Commit'}
        </button>
      </div>
      <p id={`${id}-note`} class="hint">
        Without a message it says what is shown in grey
      </p>
      {problem !== undefined && (
        <p class="problem" role="alert">
          Not committed: {problem}
        </p>
      )}
      <AuthorFields />
    </form>
  )
}

function AuthorFields(): JSX.Element {
  const [author, setAuthor] = useState(NOBODY)
  useEffect(() => {
    readAuthor().then(setAuthor, () => undefined)
  }, [])
  const change = (changes: Partial<typeof author>): void => {
    const changed = { ...author, ...changes }
    setAuthor(changed)
    // A name that cannot be kept is asked for again: nothing else depends on it.
    keepAuthor(changed).catch(() => undefined)
  }
  return (
    <details class="author">
      <summary>
        As <bdi>{author.name}</bdi>
      </summary>
      <div class="author-fields">
        <Field
          label="Name"
          value={author.name}
          autocomplete="name"
          onInput={(name) => change({ name })}
        />
        <Field
          label="E-mail"
          value={author.address}
          autocomplete="email"
          onInput={(address) => change({ address })}
        />
      </div>
    </details>
  )
}
