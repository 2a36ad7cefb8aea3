/**
 * Entries of trees as values: what kind they are of, and how Git orders them.
 *
 * @module
 */
import {
  compareKeys,
  cursorAt,
  encodeEntry,
  MODES,
  TYPE_BITS,
  type Mode,
  type TreeEntry,
} from './tree.ts'

/** What an entry is, whatever its permission bits. */
export type EntryKind = 'file' | 'symlink' | 'tree' | 'gitlink'

/** What the mode says the entry is. Git takes anything but the three special types for a file. */
export function kindOfMode(mode: Mode): EntryKind {
  if ((mode & TYPE_BITS) === MODES.tree) return 'tree'
  if ((mode & TYPE_BITS) === MODES.symlink) return 'symlink'
  return (mode & TYPE_BITS) === MODES.gitlink ? 'gitlink' : 'file'
}

/** Git's order of entries: negative, zero or positive. */
export function compareEntries(a: TreeEntry, b: TreeEntry): number {
  return compareKeys(cursorAt(encodeEntry(a)), cursorAt(encodeEntry(b)))
}
