/**
 * Messages of commits as people read them.
 *
 * @module
 */
import { encodeName } from './bytes.ts'
import type { Commit } from './commit.ts'

/** The message as people can read it, by the encoding that the commit names; U+FFFD for what is in no encoding. */
export function messageText(commit: Commit): string {
  const bytes = encodeName(commit.message)
  try {
    return new TextDecoder(commit.encoding ?? 'utf-8', { fatal: false, ignoreBOM: true }).decode(
      bytes,
    )
  } catch {
    // An encoding that nobody here knows.
    return new TextDecoder('utf-8', { fatal: false, ignoreBOM: true }).decode(bytes)
  }
}
