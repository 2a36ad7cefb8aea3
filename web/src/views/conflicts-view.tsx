/**
 * What only a person can decide: paths that were changed in two ways, and histories that have nothing in common.
 *
 * @module
 */
import type { JSX } from 'preact'
import { useId, useState } from 'preact/hooks'
import type {
  Conflict,
  ConflictKind,
  KeyDecision,
  Resolution,
  WholeResolution,
} from '@datakit/datakit/conflict'
import { navigate } from '../app-state.ts'
import type { ConflictDecision, FileSide, SplitDecision } from '../data.ts'
import type { Session } from '../session.ts'
import { decodeText, encodeText, formatSize, type TextFile } from '../text-file.ts'
import { nameOf } from '../tree-rows.ts'
import { Field } from './dialog.tsx'
import { StoredDiff } from './diff-view.tsx'
import { EditorPane } from './editor-pane.tsx'
import { focusMain } from './focus.ts'
import { GoneForm } from './gone-form.tsx'
import { KeyChoices, useKeys } from './key-choices.tsx'
import { Option } from './option.tsx'
import { useLoaded } from './use-loaded.ts'

const kinds: Readonly<Record<ConflictKind, string>> = {
  content: 'Both changed it',
  'add/add': 'Both added it, and not the same',
  'modify/delete': 'One changed it, the other deleted it',
  'file/directory': 'It is a file on one side and a directory on the other',
  mode: 'One made it executable, the other did not',
  type: 'It is a file on one side and a link or a submodule on the other',
  read: 'One read it, the other changed it',
}

/** Every decision that is open. */
export function ConflictsView({ session }: { readonly session: Session }): JSX.Element {
  const decisions = session.decisions.value
  return (
    <article class="conflicts scroll">
      <h1 tabIndex={-1}>Decisions</h1>
      {decisions.length === 0 && <p>There is nothing to decide</p>}
      {decisions.some(({ kind }) => kind === 'replaced') && <ReplacedForm session={session} />}
      {decisions.map((decision) => {
        if (decision.kind === 'replaced') return undefined
        const key = decision.branch + decision.ours
        if (decision.kind === 'gone')
          return <GoneForm key={key} session={session} decision={decision} />
        if (decision.kind !== 'conflict')
          return <SplitForm key={key} session={session} decision={decision} />
        return <ConflictForm key={key + decision.theirs} session={session} decision={decision} />
      })}
    </article>
  )
}

function ConflictForm(props: {
  readonly session: Session
  readonly decision: ConflictDecision
}): JSX.Element {
  const { session, decision } = props
  const { branch, conflicts } = decision
  const [choices, setChoices] = useState<ReadonlyMap<string, Resolution>>(new Map())
  const [message, setMessage] = useState('')
  const [isBusy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string>()
  const open = conflicts.filter((conflict) => !choices.has(conflict.path)).length
  const isAboutDrafts = decision.unstored.size > 0
  const proposal = isAboutDrafts ? `Change ${branch} as decided` : `Merge ${branch}`

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    if (open > 0 || isBusy) return
    setBusy(true)
    const words = message.trim() === '' ? proposal : message.trim()
    const result = await session.resolve(decision, choices, words)
    setBusy(false)
    setProblem(result.state === 'failed' ? result.reason : undefined)
    if (result.state === 'failed' || result.state === 'conflict') return
    navigate({ view: 'files' })
    focusMain()
  }

  return (
    <form class="decision" onSubmit={(event) => void submit(event)}>
      <h2>
        Two changes on <bdi>{branch}</bdi> contradict each other
      </h2>
      <p>
        “Mine” was made in this browser, “theirs” was there first. Both stay in the history,
        whatever you choose.
      </p>
      {conflicts.map((conflict) => (
        <ConflictItem
          key={conflict.path}
          session={session}
          decision={decision}
          conflict={conflict}
          choice={choices.get(conflict.path)}
          onChoose={(choice) =>
            setChoices((before) => {
              const others = [...before].filter(([path]) => path !== conflict.path)
              return new Map(choice === undefined ? others : [...others, [conflict.path, choice]])
            })
          }
        />
      ))}
      <Field
        label="Message of the merge"
        value={message}
        placeholder={proposal}
        onInput={setMessage}
      />
      {problem !== undefined && (
        <p class="problem" role="alert">
          Not resolved: {problem}
        </p>
      )}
      <div class="actions">
        <button type="submit" class="primary" disabled={open > 0 || isBusy}>
          Resolve and commit
        </button>
        {isAboutDrafts && (
          <button type="button" onClick={() => session.putOff(decision)}>
            Decide later
          </button>
        )}
      </div>
      {open > 0 && <p class="hint">{open === 1 ? 'One file is open' : `${open} files are open`}</p>}
    </form>
  )
}

function ConflictItem(props: {
  readonly session: Session
  readonly decision: ConflictDecision
  readonly conflict: Conflict
  readonly choice: Resolution | undefined
  /** `undefined` while values are open. */
  readonly onChoose: (choice: Resolution | undefined) => void
}): JSX.Element {
  const { session, decision, conflict, choice } = props
  const { path, base, ours, theirs } = conflict
  const { keys, reason } = useKeys(session, decision, conflict)
  const [kept, setKept] = useState<readonly KeyDecision[]>()
  const onChoose = (whole: WholeResolution): void => {
    setKept(undefined)
    props.onChoose(whole)
  }
  const keep = (decisions: readonly KeyDecision[]): void => {
    setKept(decisions)
    props.onChoose(decisions.length === keys.length ? { keys: decisions } : undefined)
  }
  const isByHand = typeof choice === 'object' && 'bytes' in choice
  const canEdit = [ours, theirs].some(isFile) && conflict.kind !== 'file/directory'
  const edit = async (): Promise<void> => {
    const side = isFile(ours) ? ours : theirs
    if (side === undefined) return
    onChoose({ bytes: await session.readBlob(side.oid), mode: side.mode })
  }
  const option = (label: string, isChosen: boolean, choose: () => void): JSX.Element => (
    <Option group={path} isChosen={isChosen} onChoose={choose}>
      {label}
    </Option>
  )
  return (
    <fieldset class="conflict">
      <legend>
        <bdi>{path}</bdi>
      </legend>
      <p class="hint">
        {kinds[conflict.kind]}
        {keys.length > 0 &&
          `; ${keys.length === 1 ? 'one value was changed in two ways' : `${keys.length} values were changed in two ways`}`}
      </p>
      {reason !== undefined && <p class="hint">{reason}</p>}
      <div class="options">
        {option(sideLabel('Keep mine', ours), choice === 'ours', () => onChoose('ours'))}
        {option(sideLabel('Take theirs', theirs), choice === 'theirs', () => onChoose('theirs'))}
        {base !== undefined &&
          option('As it was before', choice === 'base', () => onChoose('base'))}
        {keys.length > 0 && option('Value by value', kept !== undefined, () => keep([]))}
        {canEdit && option('Edit by hand', isByHand, () => void edit())}
        {option('Delete', choice === 'remove', () => onChoose('remove'))}
      </div>
      {kept !== undefined && <KeyChoices path={path} keys={keys} kept={kept} onKeep={keep} />}
      {isByHand && <HandEdit path={path} choice={choice} onChoose={onChoose} />}
      <Side title="What I changed" session={session} before={base} after={ours} />
      <Side title="What they changed" session={session} before={base} after={theirs} />
      <details>
        <summary>Before, mine and theirs in full</summary>
        <Whole title="Before" session={session} side={base} />
        <Whole title="Mine" session={session} side={ours} />
        <Whole title="Theirs" session={session} side={theirs} />
      </details>
    </fieldset>
  )
}

/** Edits the bytes of a choice; the text that the editor began with stays its own. */
function HandEdit(props: {
  readonly path: string
  readonly choice: Exclude<WholeResolution, string>
  readonly onChoose: (choice: WholeResolution) => void
}): JSX.Element {
  const { path, choice } = props
  const bytes =
    typeof choice.bytes === 'string' ? new TextEncoder().encode(choice.bytes) : choice.bytes
  const [file] = useState(() => decodeText(bytes))
  if (file.kind === 'binary') return <p class="problem">{file.reason}: choose a side</p>
  const type = (read: () => string): void => {
    props.onChoose({ ...choice, bytes: encodeText(read(), file satisfies TextFile) })
  }
  return (
    <div class="hand-edit">
      <EditorPane
        text={file.text}
        lineBreak={file.lineBreak}
        name={nameOf(path)}
        label={`Resolved text of ${path}`}
        isBehind={() => false}
        onType={type}
      />
    </div>
  )
}

function Side(props: {
  readonly title: string
  readonly session: Session
  readonly before: FileSide | undefined
  readonly after: FileSide | undefined
}): JSX.Element {
  const { before, after } = props
  return (
    <section class="side">
      <h3>{props.title}</h3>
      {after === undefined ? (
        <p class="hint">Deleted</p>
      ) : isFile(after) ? (
        <StoredDiff
          session={props.session}
          before={isFile(before) ? before : undefined}
          after={after}
        />
      ) : (
        <p class="hint">{describeSide(after)}</p>
      )}
    </section>
  )
}

function Whole(props: {
  readonly title: string
  readonly session: Session
  readonly side: FileSide | undefined
}): JSX.Element {
  const { title, side, session } = props
  const loaded = useLoaded(
    async () => (isFile(side) && side !== undefined ? session.readBlob(side.oid) : undefined),
    [session, side?.oid],
  )
  const file = loaded.value === undefined ? undefined : decodeText(loaded.value)
  const text = file?.kind === 'text' ? file.text : undefined
  return (
    <section class="side">
      <h3>{title}</h3>
      {text === undefined ? (
        <p class="hint">
          {file === undefined
            ? describeSide(side)
            : `Not text, ${formatSize(loaded.value?.length ?? 0)}`}
        </p>
      ) : (
        <pre class="plain" tabIndex={0} aria-label={title}>
          {text}
        </pre>
      )}
    </section>
  )
}

function SplitForm(props: {
  readonly session: Session
  readonly decision: SplitDecision
}): JSX.Element {
  const { session, decision } = props
  const id = useId()
  const day = new Date().toISOString().slice(0, 10)
  const [name, setName] = useState(`${decision.branch}-mine-${day}`)
  const [isGivingUp, setGivingUp] = useState(false)
  const [problem, setProblem] = useState<string>()
  const settle = async (keepMineAs: string | undefined): Promise<void> => {
    const result = await session.settle(decision, keepMineAs)
    setProblem(result.state === 'failed' ? result.reason : undefined)
    if (result.state === 'failed') return
    navigate({ view: 'files' })
    focusMain()
  }
  const submit = (event: Event): void => {
    event.preventDefault()
    void settle(name.trim())
  }
  return (
    <form class="decision" onSubmit={submit} aria-labelledby={id}>
      <h2 id={id}>
        <bdi>{decision.branch}</bdi>{' '}
        {decision.kind === 'rewritten'
          ? 'was rewritten on the server'
          : 'on the server has another history'}
      </h2>
      <p>{whySplit[decision.kind]}</p>
      <Field
        label="Keep mine under this name"
        value={name}
        onInput={setName}
        hint="The name of a branch"
      />
      {problem !== undefined && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <div class="actions">
        <button type="submit" class="primary">
          Keep mine as a branch and take the server’s
        </button>
        {isGivingUp ? (
          <button type="button" onClick={() => void settle(undefined)}>
            Really give up my commits
          </button>
        ) : (
          <button type="button" onClick={() => setGivingUp(true)}>
            Give mine up and take the server’s
          </button>
        )}
      </div>
    </form>
  )
}

const whySplit: Readonly<Record<SplitDecision['kind'], string>> = {
  unrelated:
    'What is on this device and what is on the server never had a commit in common: somebody else created a repository of this name, or the server’s was replaced. Nothing is sent until you decide.',
  rewritten:
    'Somebody took commits off this branch on the server, and you have newer ones that are made on them. Merging would bring back what was taken off, so nothing is sent until you decide. A branch that you keep is sent to the server with all its commits.',
}

function ReplacedForm({ session }: { readonly session: Session }): JSX.Element {
  const goOn = async (): Promise<void> => {
    await session.syncing.acceptOther()
    focusMain()
  }
  return (
    <section class="decision">
      <h2>The server has another repository under this name</h2>
      <p>
        It was made by somebody else, made anew, or put back from a backup. Nothing is sent until
        you decide. When you go on, branches whose histories have nothing in common are asked about
        one by one, and what is only on this device stays.
      </p>
      <button type="button" class="primary" onClick={() => void goOn()}>
        Go on with the server’s repository
      </button>
    </section>
  )
}

function isFile(side: FileSide | undefined): boolean {
  return side !== undefined && side.mode !== 0o40000 && side.mode !== 0o160000
}

function sideLabel(verb: string, side: FileSide | undefined): string {
  return side === undefined ? `${verb} (deleted)` : verb
}

function describeSide(side: FileSide | undefined): string {
  if (side === undefined) return 'Nothing is there'
  if (side.mode === 0o40000) return 'A directory'
  return side.mode === 0o160000 ? `A submodule at ${side.oid}` : 'Loading…'
}
