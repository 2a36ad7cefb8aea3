/**
 * The top of the page: where one is, whether the work is safe, and how to sync.
 *
 * @module
 */
import type { JSX, TargetedEvent } from 'preact'
import { useMemo } from 'preact/hooks'
import { linkTo, navigate, opened } from '../app-state.ts'
import { formatRoute, HOME } from '../route.ts'
import type { Session } from '../session.ts'

/** The header. Its status element is there from the beginning, so that a screen reader follows it. */
export function PageHeader(props: { readonly onNewBranch: () => void }): JSX.Element {
  const current = opened.value
  const session = current.state === 'open' ? current.session : undefined
  const status = session?.status.value
  return (
    <header class="page-header">
      <a class="brand" href={formatRoute(HOME)}>
        DataKit
      </a>
      {session !== undefined && <Place session={session} onNewBranch={props.onNewBranch} />}
      <span class="spacer" />
      <div class="state">
        <span role="status" class={`status ${status?.kind ?? ''}`} title={status?.detail}>
          {status?.text}
        </span>
        {status?.kind === 'decision' && (
          <a class="button" href={linkTo({ view: 'conflicts' })}>
            Decide
          </a>
        )}
        {session !== undefined && <SyncButton session={session} />}
      </div>
    </header>
  )
}

function Place(props: {
  readonly session: Session
  readonly onNewBranch: () => void
}): JSX.Element {
  const { session } = props
  // Made once for as long as they are the same: there may be thousands.
  const names = session.branchNames.value
  const options = useMemo(() => names.split('\n').map(branchOption), [names])
  const choose = (event: TargetedEvent<HTMLSelectElement>): void => {
    const chosen = event.currentTarget.value
    // Back to what is open, whatever comes of it.
    event.currentTarget.value = `=${session.branch}`
    if (chosen === 'new') props.onNewBranch()
    else navigate({ branch: chosen.slice(1), path: '' })
  }
  return (
    <div class="place">
      <a href={linkTo({ path: '' })}>
        <bdi>{session.store.name}</bdi>
      </a>
      <select aria-label="Branch" value={`=${session.branch}`} onChange={choose}>
        {options}
        <option value="new" disabled={session.head.value === undefined}>
          New branch…
        </option>
      </select>
    </div>
  )
}

function branchOption(name: string): JSX.Element {
  return (
    <option key={name} value={`=${name}`}>
      {name}
    </option>
  )
}

function SyncButton({ session }: { readonly session: Session }): JSX.Element {
  const isSyncing = session.syncing.isRunning.value
  return (
    <button
      type="button"
      title={session.syncing.message.value}
      aria-busy={isSyncing}
      onClick={() => void session.syncing.request()}
    >
      {isSyncing ? 'Syncing…' : 'Sync now'}
    </button>
  )
}
