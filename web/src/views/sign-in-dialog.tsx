/**
 * Asks for the token that the server wants.
 *
 * @module
 */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { giveToken, isSignInNeeded, postponeSignIn } from '../sign-in.ts'
import { explainProblem } from '../status.ts'
import { Dialog, Field } from './dialog.tsx'

/** The dialog, when the server wants a token; nothing otherwise. */
export function SignInDialog(): JSX.Element | undefined {
  return isSignInNeeded.value ? <TokenForm /> : undefined
}

function TokenForm(): JSX.Element {
  const [token, setToken] = useState('')
  const [problem, setProblem] = useState<string>()
  const submit = (): void => {
    if (token.trim() === '') return setProblem('Type the token that you were given')
    giveToken(token.trim()).catch((error: unknown) => setProblem(explainProblem(error)))
  }
  return (
    <Dialog title="Sign in" onClose={postponeSignIn} onSubmit={submit}>
      <p>
        The server wants a token. What you commit meanwhile stays on this device, and is sent
        afterwards.
      </p>
      <Field
        label="Token"
        isSecret
        autocomplete="current-password"
        value={token}
        onInput={setToken}
        problem={problem}
      />
      <div class="actions end">
        <button type="button" onClick={postponeSignIn}>
          Later
        </button>
        <button type="submit" class="primary">
          Sign in
        </button>
      </div>
    </Dialog>
  )
}
