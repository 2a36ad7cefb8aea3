/**
 * A repository that is open: the tree on one side, what was chosen on the other. On a narrow screen one at a time.
 *
 * @module
 */
import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { parseOid, isOid } from '@datakit/git/oid'
import { linkTo, navigate, route } from '../app-state.ts'
import type { View } from '../route.ts'
import { loadUnlessKept } from '../load-ahead.ts'
import type { Session } from '../session.ts'
import type { TreeModel } from '../tree-model.ts'
import type { Row } from '../tree-rows.ts'
import { ChangesView } from './changes-view.tsx'
import { ConflictsView } from './conflicts-view.tsx'
import { loadEditor } from './editor-pane.tsx'
import { FileView } from './file-view.tsx'
import { focusMain } from './focus.ts'
import { CommitView, HistoryView } from './history-view.tsx'
import type { PathQuestion } from './path-dialogs.tsx'
import { TreeView } from './tree-view.tsx'

/** How long after a repository was opened its editor is loaded, in milliseconds. */
const AHEAD = 500

/** What the parts of a workspace share. */
export interface WorkspaceProps {
  readonly session: Session
  readonly tree: TreeModel
  readonly onAsk: (question: PathQuestion) => void
}

/** Tabs, tree and main part. */
export function Workspace(props: WorkspaceProps): JSX.Element {
  const { session, tree } = props
  const { path, view } = route.value
  const showsTree = view === 'files' && path === ''
  useEffect(loadUnlessKept, [])
  useEffect(() => {
    if (path !== '') tree.reveal(path)
    focusMain()
  }, [path, view, tree])
  useEffect(() => {
    // Ahead of the first file. What fails here is said where a file is opened.
    const timer = setTimeout(() => void loadEditor().catch(() => undefined), AHEAD)
    return () => clearTimeout(timer)
  }, [])
  return (
    <div class="workspace" data-pane={showsTree ? 'tree' : 'main'}>
      <Tabs session={session} />
      <FilesPane {...props} />
      <main id="main" tabIndex={-1}>
        {session.syncing.message.value !== undefined && (
          <p class="sync-message">{session.syncing.message.value}</p>
        )}
        <MainPart {...props} />
      </main>
    </div>
  )
}

function Tabs({ session }: { readonly session: Session }): JSX.Element {
  const { view, path } = route.value
  const drafts = session.keeper.drafts.value.size
  const decisions = session.decisions.value.length
  const tab = (name: string, to: View, isHere: boolean, file = ''): JSX.Element => (
    <a href={linkTo({ view: to, path: file })} aria-current={isHere ? 'page' : undefined}>
      {name}
    </a>
  )
  return (
    <nav class="tabs" aria-label="Repository">
      {tab('Files', 'files', view === 'files', view === 'files' ? '' : path)}
      {tab(drafts === 0 ? 'Changes' : `Changes (${drafts})`, 'changes', view === 'changes')}
      {tab('History', 'history', view === 'history' || view === 'commit')}
      {decisions > 0 && tab(`Decisions (${decisions})`, 'conflicts', view === 'conflicts')}
    </nav>
  )
}

function FilesPane(props: WorkspaceProps): JSX.Element {
  const { session, tree, onAsk } = props
  const { path, view } = route.value
  const isAlone = view === 'files' && path === ''
  const [active, setActive] = useState<string>()
  const rows = tree.rows.value
  const row = rows.find((other) => other.path === active)
  const choose = (chosen: Row): void => navigate({ path: chosen.path })
  const directory = row?.kind === 'directory' ? row.path : directoryOf(active ?? path)
  useEffect(() => {
    if (path !== '') setActive(path)
  }, [path])
  return (
    <section class="files" aria-label="Files">
      {isAlone && (
        <h1 class="visually-hidden" tabIndex={-1}>
          Files of <bdi>{session.store.name}</bdi>
        </h1>
      )}
      <div class="actions files-actions">
        <button type="button" onClick={() => onAsk({ ask: 'new', directory })}>
          New file
        </button>
        {row?.kind === 'directory' && (
          <>
            <button
              type="button"
              aria-label={`Rename ${row.path}`}
              onClick={() => onAsk({ ask: 'rename', path: row.path })}
            >
              Rename
            </button>
            <button
              type="button"
              aria-label={`Delete ${row.path}`}
              onClick={() => onAsk({ ask: 'remove', path: row.path })}
            >
              Delete
            </button>
          </>
        )}
      </div>
      {tree.problem.value !== undefined && (
        <p class="problem">The files cannot be read: {tree.problem.value}</p>
      )}
      {rows.length > 0 ? (
        <TreeView
          tree={tree}
          selected={path}
          active={active}
          onActive={setActive}
          onChoose={choose}
          onRename={({ path: from }) => onAsk({ ask: 'rename', path: from })}
          onRemove={({ path: gone }) => onAsk({ ask: 'remove', path: gone })}
        />
      ) : (
        tree.isReady.value && <EmptyTree session={session} />
      )}
    </section>
  )
}

function EmptyTree({ session }: { readonly session: Session }): JSX.Element {
  const others = session.branches.value.filter((branch) => branch.name !== session.branch)
  return (
    <div class="empty">
      <p>
        Nothing is on <bdi>{session.branch}</bdi> yet. “New file” begins it.
      </p>
      {session.syncing.isOffline.value && others.length === 0 && (
        <p class="hint">The server could not be asked whether it has this repository.</p>
      )}
      {others.length > 0 && (
        <ul>
          {others.map((branch) => (
            <li key={branch.name}>
              <a href={linkTo({ branch: branch.name, path: '' })}>
                Go to <bdi>{branch.name}</bdi>
              </a>
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}

function MainPart({ session, onAsk }: WorkspaceProps): JSX.Element {
  const { view, path, oid } = route.value
  if (view === 'changes') return <ChangesView session={session} />
  if (view === 'conflicts') return <ConflictsView session={session} />
  if (view === 'commit' && oid !== undefined && isOid(oid)) {
    return <CommitView key={oid} session={session} oid={parseOid(oid)} />
  }
  if (view === 'history' || view === 'commit')
    return <HistoryView key={path} session={session} path={path} />
  if (path === '') {
    return (
      <div class="welcome">
        <p>Choose a file</p>
      </div>
    )
  }
  return (
    <FileView
      session={session}
      path={path}
      onRename={(from) => onAsk({ ask: 'rename', path: from })}
      onRemove={(gone) => onAsk({ ask: 'remove', path: gone })}
    />
  )
}

function directoryOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash === -1 ? '' : path.slice(0, slash)
}
