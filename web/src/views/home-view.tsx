/**
 * The repositories that can be opened, and a form for a new one.
 *
 * @module
 */
import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { navigate } from '../app-state.ts'
import {
  explainName,
  listAll,
  listLocal,
  type RepositoryEntry,
  type RepositoryList,
} from '../repositories.ts'
import { formatRoute, HOME } from '../route.ts'
import { onSignIn } from '../sign-in.ts'
import { explainProblem } from '../status.ts'
import { Field } from './dialog.tsx'

/** The first page. */
export function HomeView(): JSX.Element {
  const [list, setList] = useState<RepositoryList>()
  const [isAsking, setAsking] = useState(true)
  const [problem, setProblem] = useState<string>()

  useEffect(() => {
    let isWanted = true
    const fail = (error: unknown): void => {
      if (isWanted) setProblem(explainProblem(error))
    }
    const load = (): void => {
      setAsking(true)
      listAll()
        .then((found) => isWanted && setList(found), fail)
        .finally(() => setAsking(false))
    }
    // What is here is shown before the server has answered.
    listLocal().then((found) => isWanted && setList((before) => before ?? found), fail)
    load()
    window.addEventListener('online', load)
    const stop = onSignIn(load)
    return () => {
      isWanted = false
      window.removeEventListener('online', load)
      stop()
    }
  }, [])

  return (
    <main id="main" class="home scroll" tabIndex={-1}>
      <h1 tabIndex={-1}>Repositories</h1>
      {problem !== undefined && (
        <p class="problem" role="alert">
          What is on this device cannot be read: {problem}
        </p>
      )}
      <ul class="repositories">
        {(list?.entries ?? []).map((entry) => (
          <li key={entry.name}>
            <RepositoryLink entry={entry} />
          </li>
        ))}
      </ul>
      {!isAsking && list?.entries.length === 0 && <p>There are none yet.</p>}
      <p class="hint">{isAsking ? 'Asking the server…' : list?.serverProblem}</p>
      <OpenForm />
    </main>
  )
}

function RepositoryLink({ entry }: { readonly entry: RepositoryEntry }): JSX.Element {
  const { name, isHere, isOnServer, isLost, refused } = entry
  if (refused !== undefined && !isHere) {
    return (
      <>
        <bdi>{name}</bdi> <span class="note">not offered: {refused}</span>
      </>
    )
  }
  const where = isHere
    ? isOnServer
      ? 'on this device and on the server'
      : 'on this device'
    : isOnServer
      ? 'on the server'
      : 'nowhere that is known'
  return (
    <>
      <a href={formatRoute({ ...HOME, repository: name })}>
        <bdi>{name}</bdi>
      </a>{' '}
      <span class="note">{where}</span>
      {isLost && <span class="badge bad">deleted by this browser</span>}
    </>
  )
}

function OpenForm(): JSX.Element {
  const [name, setName] = useState('')
  const [problem, setProblem] = useState<string>()
  const open = (event: Event): void => {
    event.preventDefault()
    const wanted = name.trim().replace(/\.git$/, '')
    const reason = explainName(wanted)
    setProblem(reason)
    if (reason === undefined) navigate({ ...HOME, repository: wanted })
  }
  return (
    <form class="open-form" onSubmit={open}>
      <h2>Open or create</h2>
      <Field
        label="Name"
        value={name}
        onInput={setName}
        problem={problem}
        hint="A repository that does not exist is created by its first commit"
      />
      <button type="submit" class="primary">
        Open
      </button>
    </form>
  )
}
