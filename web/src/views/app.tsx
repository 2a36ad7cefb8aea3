/**
 * The whole page.
 *
 * @module
 */
import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { opened, reopen, route } from '../app-state.ts'
import { applyUpdate, isUpdateReady } from '../service-worker-client.ts'
import { HomeView } from './home-view.tsx'
import { PageHeader } from './page-header.tsx'
import { PathDialog, type PathQuestion } from './path-dialogs.tsx'
import { SignInDialog } from './sign-in-dialog.tsx'
import { StorageNotice, TroublePanel } from './trouble-notice.tsx'
import { Workspace } from './workspace.tsx'

/** Milliseconds after which a person may want to wait no longer. */
const LONG = 3_000

/** The page, whatever is open in it. */
export function App(): JSX.Element {
  const [question, setQuestion] = useState<PathQuestion>()
  const current = opened.value
  const { repository, path } = route.value
  useEffect(() => {
    document.title = [path, repository, 'DataKit']
      .filter((part) => part !== undefined && part !== '')
      .join(' – ')
  }, [repository, path])
  return (
    <>
      <button
        type="button"
        class="skip"
        onClick={() => document.querySelector<HTMLElement>('#main')?.focus()}
      >
        Skip to the main part
      </button>
      <PageHeader onNewBranch={() => setQuestion({ ask: 'branch' })} />
      {isUpdateReady.value && <UpdatePrompt />}
      <StorageNotice />
      <Body onAsk={setQuestion} />
      {question !== undefined && current.state === 'open' && (
        <PathDialog
          session={current.session}
          question={question}
          onClose={() => setQuestion(undefined)}
        />
      )}
      <SignInDialog />
    </>
  )
}

function Body(props: { readonly onAsk: (question: PathQuestion) => void }): JSX.Element {
  const current = opened.value
  if (current.state === 'none') return <HomeView />
  if (current.state === 'open') {
    const { session, tree } = current
    const key = `${session.store.name} ${session.branch}`
    return <Workspace key={key} session={session} tree={tree} onAsk={props.onAsk} />
  }
  return (
    <main id="main" class="home" tabIndex={-1}>
      <h1 tabIndex={-1}>
        <bdi>{current.name}</bdi>
      </h1>
      {current.state === 'opening' ? (
        <Opening skip={current.skip} />
      ) : (
        <>
          <p class="problem" role="alert">
            It cannot be opened: {current.reason}
          </p>
          <button type="button" onClick={reopen}>
            Try again
          </button>
          {current.trouble !== undefined && (
            <TroublePanel trouble={current.trouble} name={current.name} session={undefined} />
          )}
        </>
      )}
    </main>
  )
}

/** Says what is waited for; once it takes long, also how to go on without it. */
function Opening({ skip }: { readonly skip: (() => void) | undefined }): JSX.Element {
  const [isLong, setLong] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setLong(true), LONG)
    return () => clearTimeout(timer)
  }, [])
  return (
    <>
      <p role="status">
        {isLong && skip !== undefined
          ? 'Opening… The server is still being asked for what is not on this device.'
          : 'Opening…'}
      </p>
      {isLong && skip !== undefined && (
        <div class="actions">
          <button type="button" onClick={skip}>
            Open it without the server
          </button>
        </div>
      )}
    </>
  )
}

function UpdatePrompt(): JSX.Element {
  return (
    <div class="update" role="region" aria-label="Update">
      <p>A new version of this page is ready. Drafts are kept.</p>
      <button type="button" onClick={() => void applyUpdate()}>
        Reload
      </button>
    </div>
  )
}
