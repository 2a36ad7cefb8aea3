/**
 * The questions before a file is made, moved or removed, and before a branch is made.
 *
 * @module
 */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { navigate } from '../app-state.ts'
import { explainPath } from '../drafts.ts'
import type { Session } from '../session.ts'
import { Dialog, Field } from './dialog.tsx'
import { focusMain } from './focus.ts'

/** Which question is open. */
export type PathQuestion =
  | { readonly ask: 'new'; readonly directory: string }
  | { readonly ask: 'rename' | 'remove'; readonly path: string }
  | { readonly ask: 'branch' }

interface QuestionProps {
  readonly session: Session
  readonly onClose: () => void
}

/** The dialog of a question. */
export function PathDialog(
  props: QuestionProps & { readonly question: PathQuestion },
): JSX.Element {
  const { question, session, onClose } = props
  if (question.ask === 'new')
    return <NewFile session={session} onClose={onClose} directory={question.directory} />
  if (question.ask === 'branch') return <NewBranch session={session} onClose={onClose} />
  return question.ask === 'rename' ? (
    <Rename session={session} onClose={onClose} path={question.path} />
  ) : (
    <Remove session={session} onClose={onClose} path={question.path} />
  )
}

function NewFile(props: QuestionProps & { readonly directory: string }): JSX.Element {
  const { session, onClose, directory } = props
  const [path, setPath] = useState(directory === '' ? '' : `${directory}/`)
  const [problem, setProblem] = useState<string>()
  const submit = async (): Promise<void> => {
    const reason = explainPath(path) ?? (await findInTheWay(session, path))
    setProblem(reason)
    if (reason !== undefined) return
    const place = { repository: session.store.name, branch: session.branch, path }
    const origin = { mode: 0o100644, base: undefined, commit: session.head.value }
    await session.keeper.put({ ...place, ...origin, bytes: new Uint8Array(0), at: Date.now() })
    onClose()
    navigate({ path })
  }
  return (
    <Dialog title="New file" onClose={onClose} onSubmit={() => void submit()}>
      <Field
        label="Path"
        value={path}
        onInput={setPath}
        problem={problem}
        hint="Directories are made as needed"
      />
      <Buttons label="Create" onClose={onClose} />
    </Dialog>
  )
}

function Rename(props: QuestionProps & { readonly path: string }): JSX.Element {
  const { session, onClose, path } = props
  const [to, setTo] = useState(path)
  const [message, setMessage] = useState('')
  const [problem, setProblem] = useState<string>()
  const proposal = `Rename ${path} to ${to}`
  const submit = async (): Promise<void> => {
    const inTheWay = to === path ? 'Type another path' : await findInTheWay(session, to)
    const reason = explainPath(to) ?? inTheWay
    setProblem(reason)
    if (reason !== undefined) return
    const result = await session.move(path, to, message.trim() === '' ? proposal : message.trim())
    if (result.state === 'failed') return setProblem(result.reason)
    onClose()
    navigate(result.state === 'conflict' ? { view: 'conflicts' } : { path: to })
  }
  return (
    <Dialog title={`Rename ${path}`} onClose={onClose} onSubmit={() => void submit()}>
      <Field label="New path" value={to} onInput={setTo} problem={problem} />
      <Field label="Commit message" value={message} onInput={setMessage} placeholder={proposal} />
      <Buttons label="Rename and commit" onClose={onClose} />
    </Dialog>
  )
}

function Remove(props: QuestionProps & { readonly path: string }): JSX.Element {
  const { session, onClose, path } = props
  const [message, setMessage] = useState('')
  const [problem, setProblem] = useState<string>()
  const proposal = `Delete ${path}`
  const drafts = [...session.keeper.drafts.value.keys()]
  const hasDraft = drafts.some((other) => other === path || other.startsWith(`${path}/`))
  const submit = async (): Promise<void> => {
    const result = await session.remove(path, message.trim() === '' ? proposal : message.trim())
    if (result.state === 'failed') return setProblem(result.reason)
    onClose()
    navigate(result.state === 'conflict' ? { view: 'conflicts' } : { path: '' })
    focusMain()
  }
  return (
    <Dialog title={`Delete ${path}?`} onClose={onClose} onSubmit={() => void submit()}>
      <p>
        It stays in the history{hasDraft ? ', except for drafts that were never committed' : ''}.
      </p>
      <Field
        label="Commit message"
        value={message}
        onInput={setMessage}
        placeholder={proposal}
        problem={problem}
      />
      <Buttons label="Delete and commit" onClose={onClose} />
    </Dialog>
  )
}

function NewBranch({ session, onClose }: QuestionProps): JSX.Element {
  const [name, setName] = useState('')
  const [problem, setProblem] = useState<string>()
  const submit = async (): Promise<void> => {
    const result = await session.createBranch(name.trim())
    if (result.state === 'failed') return setProblem(result.reason)
    onClose()
    navigate({ branch: name.trim(), path: '' })
  }
  return (
    <Dialog title="New branch" onClose={onClose} onSubmit={() => void submit()}>
      <Field
        label="Name"
        value={name}
        onInput={setName}
        problem={problem}
        hint={`It begins where ${session.branch} is`}
      />
      <Buttons label="Create" onClose={onClose} />
    </Dialog>
  )
}

/** The button that does it, and the one that does not. */
export function Buttons(props: {
  readonly label: string
  readonly onClose: () => void
}): JSX.Element {
  return (
    <div class="actions end">
      <button type="button" onClick={props.onClose}>
        Cancel
      </button>
      <button type="submit" class="primary">
        {props.label}
      </button>
    </div>
  )
}

/** Why nothing can be put at a path; `undefined` when it is free. */
async function findInTheWay(session: Session, path: string): Promise<string | undefined> {
  if (session.keeper.drafts.value.has(path)) return 'A draft of this name is there already'
  const head = session.head.value
  if (head === undefined) return undefined
  const steps = path.split('/')
  for (let depth = 1; depth <= steps.length; depth++) {
    const above = steps.slice(0, depth).join('/')
    const found = await session.store.stat(head, above).catch(() => undefined)
    if (found === undefined) return undefined
    if (depth === steps.length) return `${path} is there already`
    if (found.kind !== 'directory') return `${above} is a file, so nothing can be in it`
  }
  return undefined
}
