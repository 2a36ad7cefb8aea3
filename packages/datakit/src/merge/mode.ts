/**
 * Modes of what is merged.
 *
 * @module
 */
import { kindOfMode } from '@datakit/git/tree-entry'
import type { Side } from './conflict.ts'

/** Modes as Git takes them: of a file, only whether its owner may execute it counts. */
export function canonicalMode(mode: number): number {
  if (kindOfMode(mode) !== 'file') return mode & 0o170000
  return (mode & 0o100) === 0 ? 0o100644 : 0o100755
}

/** Whether it is a file, and no link and no submodule. */
export function isRegular({ mode }: Side): boolean {
  return kindOfMode(mode) === 'file'
}
