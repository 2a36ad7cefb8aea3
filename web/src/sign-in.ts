/**
 * The token of this browser for this server, and when to ask for it.
 *
 * @module
 */
import { signal, type ReadonlySignal } from '@preact/signals'
import { keepSetting, readSetting } from './app-database.ts'

const needed = signal(false)
let token: string | undefined
const waiting = new Set<() => void>()

/** Whether the server wants a token that it has not been given. */
export const isSignInNeeded: ReadonlySignal<boolean> = needed

/** Reads the token that was given earlier. */
export async function loadToken(): Promise<void> {
  token = await readSetting('token').catch(() => undefined)
}

/** The token to send; `undefined` while there is none. */
export function currentToken(): string | undefined {
  return token
}

/** Says that the server did not take what it was sent. */
export function askForToken(): void {
  needed.value = true
}

/** Takes the token that a person typed, and tells those who wait for it. */
export async function giveToken(given: string): Promise<void> {
  token = given === '' ? undefined : given
  needed.value = false
  for (const listener of waiting) listener()
  await keepSetting('token', given)
}

/** Puts the question off: until something asks the server again. */
export function postponeSignIn(): void {
  needed.value = false
}

/** Calls the listener when a token was given. Returns how to stop. */
export function onSignIn(listener: () => void): () => void {
  waiting.add(listener)
  return () => waiting.delete(listener)
}
