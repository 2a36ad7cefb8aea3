/**
 * One file: its text in an editor, or why it has none, and what can be done with it.
 *
 * @module
 */
import { NotHereError } from '@datakit/git/error'
import type { JSX } from 'preact'
import { useRef, useState } from 'preact/hooks'
import { linkTo } from '../app-state.ts'
import type { ListedEntry } from '../data.ts'
import type { Draft } from '../drafts.ts'
import type { Session } from '../session.ts'
import { decodeText, encodeText, formatSize, type BinaryFile, type TextFile } from '../text-file.ts'
import { nameOf } from '../tree-rows.ts'
import { isLeft } from '../trouble.ts'
import { CommitForm } from './commit-form.tsx'
import { download } from './download.ts'
import { TextDiff } from './diff-view.tsx'
import { EditorPane } from './editor-pane.tsx'
import { useReached } from './use-loaded.ts'

/** A committed file with its bytes. */
type Committed = ListedEntry & { readonly bytes: Uint8Array }

/** What a file view needs. */
export interface FileViewProps {
  readonly session: Session
  readonly path: string
  readonly onRename: (path: string) => void
  readonly onRemove: (path: string) => void
}

/** The file at a path, committed or a draft. */
export function FileView(props: FileViewProps): JSX.Element {
  const { session, path } = props
  const head = session.head.value
  const draft = session.keeper.drafts.value.get(path)
  const loaded = useReached(session, () => readCommitted(session, path), [path, head])
  // What was typed is shown also where nobody can tell what it was typed over.
  if (loaded.state === 'failed' && draft === undefined)
    return (
      <Notice title={path} text={`It cannot be read: ${loaded.reason}`} onRetry={loaded.retry} />
    )
  if (loaded.state === 'loading' && loaded.value?.path !== path && draft === undefined) {
    return <Notice title={path} text="Loading…" />
  }
  const committed = loaded.value?.path === path ? loaded.value : undefined
  if (committed?.kind === 'directory')
    return <Notice title={path} text="A directory: choose a file in it" />
  if (committed?.kind === 'submodule') {
    return (
      <Notice
        title={path}
        text={`A submodule: another repository at the commit ${committed.oid}`}
      />
    )
  }
  const bytes = draft?.bytes ?? committed?.bytes
  if (bytes === undefined) return <Notice title={path} text="Nothing is here on this branch" />
  return <OpenFile key={path} {...props} bytes={bytes} draft={draft} committed={committed} />
}

interface OpenFileProps extends FileViewProps {
  readonly bytes: Uint8Array
  readonly draft: Draft | undefined
  readonly committed: Committed | undefined
}

function OpenFile(props: OpenFileProps): JSX.Element {
  const { session, path, bytes, draft, committed } = props
  const [showsChanges, setShowsChanges] = useState(false)
  const file = decodeText(bytes)
  const isStale = session.stale.value.has(path)
  return (
    <article class="file">
      <header class="file-head">
        <h1 tabIndex={-1}>
          <bdi>{path}</bdi> {draft !== undefined && <span class="badge">Draft</span>}
        </h1>
        <div class="actions" role="group" aria-label="File">
          {draft !== undefined && (
            <button
              type="button"
              aria-pressed={showsChanges}
              onClick={() => setShowsChanges(!showsChanges)}
            >
              {showsChanges ? 'Edit' : 'Show changes'}
            </button>
          )}
          {draft !== undefined && (
            <button type="button" onClick={() => void session.keeper.discard(path)}>
              Discard draft
            </button>
          )}
          <a class="button" href={linkTo({ view: 'history', path })}>
            History
          </a>
          <button type="button" onClick={() => props.onRename(path)}>
            Rename
          </button>
          <button type="button" onClick={() => props.onRemove(path)}>
            Delete
          </button>
          <button type="button" onClick={() => download(nameOf(path), bytes)}>
            Download
          </button>
        </div>
      </header>
      {isStale && <StaleNotice session={session} draft={draft} committed={committed} />}
      {file.kind === 'binary' ? (
        <BinaryPane {...props} file={file} />
      ) : showsChanges && draft !== undefined ? (
        <div class="scroll">
          <TextDiff before={committed?.bytes} after={bytes} />
        </div>
      ) : (
        <TextPane key={file.lineBreak} {...props} file={file} />
      )}
      {draft !== undefined && <CommitForm session={session} paths={[path]} />}
    </article>
  )
}

function TextPane(props: OpenFileProps & { readonly file: TextFile }): JSX.Element {
  const { session, path, file, committed } = props
  const isLink = committed?.kind === 'link'
  // The mark is the file's own, and stays when the text becomes another.
  const mark = useRef(file.hasByteOrderMark)
  mark.current = file.hasByteOrderMark
  const type = (read: () => string): void => {
    const readBytes = (): Uint8Array<ArrayBuffer> =>
      encodeText(read(), { hasByteOrderMark: mark.current })
    session.keeper.type(path, readBytes, { committed, head: session.head.value })
  }
  return (
    <>
      {isLink && <p class="hint">A symbolic link: the text is the path that it leads to</p>}
      {file.lineBreak !== '\n' && (
        <p class="hint">Lines end with {file.lineBreak === '\r' ? 'CR' : 'CR LF'}, and will</p>
      )}
      <EditorPane
        text={file.text}
        lineBreak={file.lineBreak}
        name={nameOf(path)}
        label={`Text of ${path}`}
        isBehind={() => !session.keeper.isPending(path)}
        onType={type}
      />
    </>
  )
}

function BinaryPane(props: OpenFileProps & { readonly file: BinaryFile }): JSX.Element {
  const { session, path, bytes, committed } = props
  const replace = async (list: FileList | null): Promise<void> => {
    const chosen = list?.[0]
    if (chosen === undefined) return
    const replacement = new Uint8Array(await chosen.arrayBuffer())
    session.keeper.type(path, () => replacement, { committed, head: session.head.value })
  }
  return (
    <div class="scroll binary">
      <p>
        {props.file.reason}. {formatSize(bytes.length)}.
      </p>
      <label class="button">
        Replace with a file
        <input
          type="file"
          class="visually-hidden"
          onChange={(event) => void replace(event.currentTarget.files)}
        />
      </label>
      <pre class="plain" tabIndex={0} aria-label="First bytes, in hexadecimal">
        {hexDump(bytes.subarray(0, 512))}
      </pre>
    </div>
  )
}

function StaleNotice(props: {
  readonly session: Session
  readonly draft: Draft | undefined
  readonly committed: Committed | undefined
}): JSX.Element {
  const { session, draft, committed } = props
  const rebase = (): void => {
    if (draft === undefined) return
    void session.keeper.put({ ...draft, base: committed?.oid, commit: session.head.value })
  }
  return (
    <div class="notice" role="note">
      <p>
        {committed === undefined
          ? 'The file was removed underneath this draft.'
          : 'The file changed underneath this draft.'}{' '}
        A commit merges both, and asks where they contradict each other.
      </p>
      <button type="button" onClick={rebase}>
        Let my draft replace it
      </button>
    </div>
  )
}

/** A place without a file, and why. */
export function Notice(props: {
  readonly title: string
  readonly text: string
  readonly onRetry?: () => void
}): JSX.Element {
  return (
    <article class="file">
      <h1 tabIndex={-1}>
        <bdi>{props.title}</bdi>
      </h1>
      <p>{props.text}</p>
      {props.onRetry !== undefined && (
        <button type="button" onClick={props.onRetry}>
          Try again
        </button>
      )}
    </article>
  )
}

async function readCommitted(session: Session, path: string): Promise<Committed | undefined> {
  const head = session.head.value
  if (head === undefined) return undefined
  const entry = await session.store.stat(head, path)
  if (entry === undefined) return undefined
  const hasBytes = entry.kind === 'file' || entry.kind === 'link'
  return { ...entry, bytes: hasBytes ? await readAt(session, entry) : new Uint8Array(0) }
}

/** @throws NotHereError that names the path, when the file was left with the server */
async function readAt(session: Session, { oid, path }: ListedEntry): Promise<Uint8Array> {
  try {
    return await session.readBlob(oid)
  } catch (error) {
    if (!isLeft(error)) throw error
    throw new NotHereError(oid, error.remote, { cause: error.cause, path })
  }
}

function hexDump(bytes: Uint8Array): string {
  const lines: string[] = []
  for (let i = 0; i < bytes.length; i += 16) {
    const row = [...bytes.subarray(i, i + 16)]
    const hex = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
    const characters = row.map((byte) =>
      byte > 31 && byte < 127 ? String.fromCharCode(byte) : '·',
    )
    lines.push(`${i.toString(16).padStart(6, '0')}  ${hex.padEnd(47)}  ${characters.join('')}`)
  }
  return lines.join('\n')
}
