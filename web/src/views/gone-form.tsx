/**
 * What only a person can decide about a branch that is gone on the server.
 *
 * @module
 */
import type { JSX } from 'preact'
import { useId, useState } from 'preact/hooks'
import { navigate } from '../app-state.ts'
import type { GoneDecision } from '../data.ts'
import type { Session } from '../session.ts'
import { focusMain } from './focus.ts'

/** Sends the branch again, or gives up what is here. */
export function GoneForm(props: {
  readonly session: Session
  readonly decision: GoneDecision
}): JSX.Element {
  const { session, decision } = props
  const { branch } = decision
  const id = useId()
  const [isGivingUp, setGivingUp] = useState(false)
  const [problem, setProblem] = useState<string>()
  const restore = async (event: Event): Promise<void> => {
    event.preventDefault()
    await session.syncing.restore(branch)
    focusMain()
  }
  const giveUp = async (): Promise<void> => {
    const result = await session.settle(decision, undefined)
    setProblem(result.state === 'failed' ? result.reason : undefined)
    if (result.state === 'failed') return
    navigate({ view: 'files' })
    focusMain()
  }
  return (
    <form class="decision" onSubmit={(event) => void restore(event)} aria-labelledby={id}>
      <h2 id={id}>
        <bdi>{branch}</bdi> is gone on the server
      </h2>
      <p>
        Somebody deleted it there, or the server has lost it. There are commits on this device that
        the server has not got; they stay here, and nothing is sent until you decide.
      </p>
      {problem !== undefined && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <div class="actions">
        <button type="submit" class="primary">
          Send it to the server again
        </button>
        <button type="button" onClick={() => (isGivingUp ? void giveUp() : setGivingUp(true))}>
          {isGivingUp ? 'Really delete it with my commits' : 'Delete it here, too'}
        </button>
      </div>
    </form>
  )
}
