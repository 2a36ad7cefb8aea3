/**
 * What is wrong with the storage of this browser, in front of everything else. What can be done about it is loaded when it is
 * wanted.
 *
 * @module
 */
import type { ComponentType, JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { opened } from '../app-state.ts'
import type { RepositoryStore } from '../data.ts'
import { isFleeting, isKept } from '../kept-storage.ts'
import type { Session } from '../session.ts'
import { loadAhead } from '../load-ahead.ts'
import { explainProblem } from '../status.ts'
import { littleLeft } from '../storage-watch.ts'
import { formatSize } from '../text-file.ts'
import type { Trouble } from '../trouble.ts'
import { download } from './download.ts'

/** What a panel needs. */
export interface TroubleProps {
  readonly trouble: Trouble
  /** The repository that is open, or that cannot be opened. */
  readonly name: string
  readonly session: Session | undefined
}

/** The trouble of the repository that is open, or a warning before it comes to that. */
export function StorageNotice(): JSX.Element | undefined {
  const current = opened.value
  const session = current.state === 'open' ? current.session : undefined
  const trouble = session?.trouble.value
  if (session !== undefined && trouble !== undefined)
    return <TroublePanel trouble={trouble} name={session.store.name} session={session} />
  // Something is not kept, and it is not the storage: the texts can still be had.
  if (isKept.value && session?.status.value.kind === 'problem')
    return <DraftsNotice session={session} />
  if (!isKept.value) return <UnkeptNotice session={session} />
  if (isFleeting.value) return <PrivateNotice session={session} />
  const left = littleLeft.value
  if (left === undefined || session === undefined) return undefined
  return (
    <div class="notice" role="note">
      <p>
        The storage of this browser is almost full: {formatSize(left)} are left. Free space on this
        device before something cannot be saved.
      </p>
    </div>
  )
}

/** What is wrong, and what can be done. */
export function TroublePanel(props: TroubleProps): JSX.Element {
  const [Panel, setPanel] = useState<ComponentType<TroubleProps>>()
  const [problem, setProblem] = useState<string>()
  useEffect(() => {
    import('./trouble-panel.tsx').then(
      (loaded) => setPanel(() => loaded.TroubleDetails),
      (error: unknown) => setProblem(String(error)),
    )
  }, [])
  return (
    <section class="trouble" aria-label="Storage">
      {Panel !== undefined && <Panel {...props} />}
      {problem !== undefined && <p class="problem">What can be done cannot be shown: {problem}</p>}
    </section>
  )
}

/** Stays as long as the page does. */
function PrivateNotice({ session }: { readonly session: Session | undefined }): JSX.Element {
  return (
    <section class="notice unkept" role="note" aria-label="Private window">
      <p>
        This looks like a private window: what is kept here may be gone when it is closed, unless it
        is on the server or you export it.
      </p>
      <WaysOut session={session} />
    </section>
  )
}

/** Stays as long as the page does. */
function UnkeptNotice({ session }: { readonly session: Session | undefined }): JSX.Element {
  // Such browsers have no service worker either: without a network nothing can be loaded that is not here by then.
  useEffect(loadAhead, [])
  return (
    <section class="notice unkept" role="alert" aria-label="Nothing is kept">
      <p>
        This browser keeps nothing for this page: a private window, or a setting, is the reason.
        What you do here is gone when you close the page, unless it is on the server or you export
        it.
      </p>
      <WaysOut session={session} />
    </section>
  )
}

/** Buttons that hand out what is only here. */
function WaysOut({ session }: { readonly session: Session | undefined }): JSX.Element {
  const [said, setSaid] = useState<string>()
  const exportAll = async (store: RepositoryStore): Promise<void> => {
    const exporting = import('../recovery.ts').then(({ exportBundle }) => exportBundle(store))
    setSaid(await exporting.catch(explainProblem))
  }
  return (
    <>
      {session?.head.value !== undefined && (
        <button type="button" onClick={() => void exportAll(session.store)}>
          Export everything
        </button>
      )}
      {session !== undefined && session.keeper.drafts.value.size > 0 && (
        <button type="button" onClick={() => void downloadDrafts(session)}>
          Download drafts
        </button>
      )}
      <p role="status">{said}</p>
    </>
  )
}

function DraftsNotice({ session }: { readonly session: Session }): JSX.Element {
  return (
    <div class="notice" role="note">
      <p>What you typed stays in this page as long as it is open.</p>
      <button type="button" onClick={() => void downloadDrafts(session)}>
        Download drafts
      </button>
    </div>
  )
}

/** Hands out what was typed and not committed, each text as a file. */
export async function downloadDrafts(session: Session): Promise<void> {
  await session.keeper.flush()
  for (const draft of session.keeper.drafts.value.values())
    download(draft.path.replaceAll('/', '_'), draft.bytes)
}
