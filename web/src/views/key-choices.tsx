/**
 * A file in conflict that is merged by key: which values contradict each other, and one choice for each.
 *
 * @module
 */
import type { JSX } from 'preact'
import type { Conflict, KeyDecision } from '@datakit/datakit/conflict'
import type { KeyConflict } from '@datakit/merge/driver'
import type { ConflictDecision } from '../data.ts'
import type { Session } from '../session.ts'
import { Option } from './option.tsx'
import { useLoaded } from './use-loaded.ts'

/** What the driver of a file says of its conflict. */
export interface ExplainedKeys {
  /** The values in conflict; empty where the file is not merged by key. */
  readonly keys: readonly KeyConflict[]
  /** Why it is not, where the driver says so. */
  readonly reason: string | undefined
}

const NONE: ExplainedKeys = { keys: [], reason: undefined }

/** Asks the driver when the conflict is shown. */
export function useKeys(
  session: Session,
  decision: ConflictDecision,
  conflict: Conflict,
): ExplainedKeys {
  const { ours, theirs } = conflict
  const loaded = useLoaded(async () => {
    const outcome = ours && theirs && (await session.store.explain(decision, conflict))
    if (outcome?.state !== 'conflict') return NONE
    return { keys: outcome.keys ?? [], reason: outcome.reason }
  }, [session, decision, conflict])
  return loaded.value ?? NONE
}

/** One choice for each value in conflict. */
export function KeyChoices(props: {
  readonly path: string
  readonly keys: readonly KeyConflict[]
  readonly kept: readonly KeyDecision[]
  readonly onKeep: (kept: readonly KeyDecision[]) => void
}): JSX.Element {
  const { path, keys, kept, onKeep } = props
  const keep = (key: KeyDecision['key'], side: KeyDecision['keep']): void => {
    const others = kept.filter((decision) => nameOf(decision) !== nameOf({ key }))
    onKeep([...others, { key, keep: side }])
  }
  const open = keys.length - kept.length
  return (
    <div class="keys">
      {keys.map(({ key, base, ours, theirs }) => {
        const name = nameOf({ key })
        const chosen = kept.find((decision) => nameOf(decision) === name)?.keep
        const option = (side: KeyDecision['keep'], label: string, text: string | undefined) => (
          <Option
            group={`${path} ${name}`}
            isChosen={chosen === side}
            onChoose={() => keep(key, side)}
          >
            <span>{label}</span>
            <ValueText text={text} />
          </Option>
        )
        return (
          <fieldset class="key" key={name}>
            <legend>
              <bdi>{key.length === 0 ? 'The whole file' : key.join(' › ')}</bdi>
            </legend>
            {option('ours', 'Mine', ours)}
            {option('theirs', 'Theirs', theirs)}
            {base !== undefined && option('base', 'Before', base)}
          </fieldset>
        )
      })}
      <p class="hint" role="status">
        {open === 0
          ? 'All values are decided; everything else in the file is merged'
          : open === 1
            ? 'One value is open'
            : `${open} values are open`}
      </p>
    </div>
  )
}

/** A value as it is written. */
function ValueText({ text }: { readonly text: string | undefined }): JSX.Element {
  if (text === undefined) return <em class="hint">not there</em>
  return <code class="value">{text.trim() === '' ? '(nothing)' : text.trim()}</code>
}

function nameOf({ key }: Pick<KeyDecision, 'key'>): string {
  return JSON.stringify(key)
}
