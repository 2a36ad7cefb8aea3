/**
 * What can be done about the storage of this browser: take everything out, make room, keep what is here, begin anew.
 *
 * @module
 */
import type { WitnessedMove } from '@datakit/storage/indexeddb/witness'
import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { cloneAgain, reopen } from '../app-state.ts'
import { lastSeen } from '../local-repositories.ts'
import { exportBundle, findRemovable, makeRoom, removeCopy, repair } from '../recovery.ts'
import { explainProblem } from '../status.ts'
import { askToKeep } from '../storage-watch.ts'
import type { Trouble } from '../trouble.ts'
import { downloadDrafts, type TroubleProps } from './trouble-notice.tsx'

const what: Readonly<Record<Trouble, string>> = {
  full: 'The storage of this browser is full. A commit that did not fit changed nothing, and what you typed stays in this page as long as it is open.',
  gone: 'This browser has deleted what was kept here, as browsers do to make room, or after a long time without a visit.',
  newer:
    'A newer version of this page has been here. This one cannot write any more; what is here can still be taken out.',
  older: 'Another tab runs an older version of this page. Close it, or reload it.',
  broken:
    'The database of this browser fails again and again. Nothing is saved; what you typed stays in this page as long as it is open.',
  blocked:
    'This browser lets the page keep nothing. A private window, or a setting, is the reason.',
  damaged: 'What is kept here is not what was written: the disk or the browser has damaged it.',
}

/** What an action of a panel is about, and what came of it. */
interface Done {
  readonly isBusy: boolean
  readonly said: string | undefined
  readonly isProblem: boolean
}

/** The panel for a trouble. */
export function TroubleDetails(props: TroubleProps): JSX.Element {
  const { trouble, name, session } = props
  const [done, setDone] = useState<Done>({ isBusy: false, said: undefined, isProblem: false })
  const act = (work: () => Promise<string | undefined>): void => {
    setDone({ isBusy: true, said: undefined, isProblem: false })
    work().then(
      (said) => setDone({ isBusy: false, said, isProblem: false }),
      (error: unknown) => setDone({ isBusy: false, said: explainProblem(error), isProblem: true }),
    )
  }
  const mend = async (): Promise<string> => {
    const said = await repair(name)
    if (session === undefined) reopen()
    else await session.retry()
    return said
  }
  const again = async (): Promise<string | undefined> => {
    await session?.retry()
    return session?.trouble.value === undefined ? undefined : 'It is still so'
  }
  return (
    <>
      <p>{what[trouble]}</p>
      {trouble === 'gone' && <Lost name={name} />}
      <div class="actions" role="group" aria-label="What can be done" aria-busy={done.isBusy}>
        {session !== undefined && trouble !== 'gone' && (
          <button type="button" onClick={() => act(again)}>
            Try again
          </button>
        )}
        {trouble === 'damaged' && (
          <button type="button" onClick={() => act(mend)}>
            Repair
          </button>
        )}
        {trouble === 'newer' && (
          <button type="button" onClick={() => location.reload()}>
            Reload
          </button>
        )}
        {session !== undefined && session.keeper.drafts.value.size > 0 && (
          <button
            type="button"
            onClick={() => act(async () => downloadDrafts(session).then(nothing))}
          >
            Download drafts
          </button>
        )}
        {session !== undefined && trouble !== 'gone' && (
          <button type="button" onClick={() => act(async () => exportBundle(session.store))}>
            Export everything
          </button>
        )}
        {trouble === 'full' && session !== undefined && (
          <button type="button" onClick={() => act(async () => makeRoom(session))}>
            Free space
          </button>
        )}
        {trouble === 'full' && <Keep onAct={act} />}
      </div>
      {trouble === 'full' && session !== undefined && <Removable {...props} onAct={act} />}
      {(trouble === 'gone' || trouble === 'broken' || trouble === 'damaged') && (
        <CloneAgain name={name} trouble={trouble} onAct={act} />
      )}
      <p role="status" class={done.isProblem ? 'problem' : 'hint'}>
        {done.isBusy ? 'Working…' : done.said}
      </p>
    </>
  )
}

function nothing(): undefined {}

interface Acting {
  readonly onAct: (work: () => Promise<string | undefined>) => void
}

function Keep({ onAct }: Acting): JSX.Element {
  const ask = async (): Promise<string> => {
    const isKept = await askToKeep({ byPerson: true })
    return isKept
      ? 'The browser promises not to delete what is here'
      : 'The browser does not promise it. Installing this page, or visiting it often, may help'
  }
  return (
    <button type="button" onClick={() => onAct(ask)}>
      Ask the browser to keep everything
    </button>
  )
}

/** What is known of what is gone. */
function Lost({ name }: { readonly name: string }): JSX.Element {
  const was = lastSeen(name)
  if (was === undefined) return <p>Nothing is known of what was in it.</p>
  const onServer = was.branches.filter(({ remote }) => remote !== undefined)
  return (
    <>
      <p>
        It was last here on {new Date(was.at).toLocaleString()}.{' '}
        {was.waiting.length === 0
          ? 'All of it was on the server then.'
          : 'What the server had not got then is lost, unless you exported it or another tab still has it:'}
      </p>
      <Moves moves={was.waiting} />
      {onServer.length > 0 && (
        <p class="hint">
          On the server then:{' '}
          {onServer
            .map(({ name: branch, remote }) => `${branch} at ${remote?.slice(0, 7)}`)
            .join(', ')}
        </p>
      )}
    </>
  )
}

function Moves({ moves }: { readonly moves: readonly WitnessedMove[] }): JSX.Element {
  return (
    <ul class="moves">
      {moves.map(({ branch, to, why }) => (
        <li key={to}>
          <code>{to.slice(0, 7)}</code> <bdi>{why.replace(/^\w+: /, '')}</bdi>{' '}
          <span class="note">
            on <bdi>{branch}</bdi>
          </span>
        </li>
      ))}
    </ul>
  )
}

/** Deletes what is left and takes the server's; says first what that costs. */
function CloneAgain(
  props: Acting & { readonly name: string; readonly trouble: Trouble },
): JSX.Element {
  const { name, trouble, onAct } = props
  const waiting = trouble === 'gone' ? [] : (lastSeen(name)?.waiting ?? [])
  const [isSure, setSure] = useState(false)
  const begin = async (): Promise<undefined> => {
    await cloneAgain(name, { deletes: trouble !== 'gone' })
  }
  return (
    <div class="again">
      {waiting.length > 0 && (
        <>
          <p>These were not on the server when last seen. Cloning again gives them up:</p>
          <Moves moves={waiting} />
          <label>
            <input
              type="checkbox"
              checked={isSure}
              onChange={(event) => setSure(event.currentTarget.checked)}
            />{' '}
            Give them up
          </label>
        </>
      )}
      <button
        type="button"
        class="primary"
        disabled={waiting.length > 0 && !isSure}
        onClick={() => onAct(begin)}
      >
        Clone again from the server
      </button>
    </div>
  )
}

/** Other repositories of this browser that the server has all of. */
function Removable({ name, session, onAct }: TroubleProps & Acting): JSX.Element {
  const [names, setNames] = useState<readonly string[]>([])
  useEffect(() => {
    let isWanted = true
    const show = (found: readonly string[]): void => void (isWanted && setNames(found))
    findRemovable(name).then(show, () => show([]))
    return () => {
      isWanted = false
    }
  }, [name])
  const remove = async (other: string): Promise<string | undefined> => {
    await removeCopy(other)
    setNames((before) => before.filter((each) => each !== other))
    await session?.retry()
    return `“${other}” is on the server only`
  }
  return (
    <ul class="removable">
      {names.map((other) => (
        <li key={other}>
          <button type="button" onClick={() => onAct(() => remove(other))}>
            Remove “{other}” from this device
          </button>{' '}
          <span class="note">all of it is on the server</span>
        </li>
      ))}
    </ul>
  )
}
