/**
 * Ref conflicts: which refs cannot live side by side.
 *
 * @module
 */
import { RefusedError } from '@datakit/git/error'
import type { RefUpdate } from '@datakit/git/place'

/** Refs of one moment, as {@link checkRefConflicts} asks for them. */
export interface RefNames {
  has(name: string): boolean
  /** Every name that begins with `prefix`, in any order; no more than needed are taken. */
  under(prefix: string): Iterable<string>
}

/**
 * Refuses refs that would have to be both a file and a directory in a Git directory: `a` beside `a/b`.
 *
 * @throws RefusedError `ref-conflict`
 */
export function checkRefConflicts(updates: readonly RefUpdate[], before: RefNames): void {
  const deleted = new Set<string>()
  const created = new Set<string>()
  for (const { name, from, to } of updates) {
    if (to === undefined) deleted.add(name)
    else if (from === undefined) created.add(name)
  }
  const exists = (name: string) => created.has(name) || (before.has(name) && !deleted.has(name))
  for (const name of created) {
    const parent = parentNames(name).find(exists)
    if (parent !== undefined) throw refConflict(name, parent)
    for (const child of before.under(`${name}/`)) if (exists(child)) throw refConflict(name, child)
  }
}

/** The names that a ref would have as directories: `refs` and `refs/heads` for `refs/heads/main`. */
export function parentNames(name: string): string[] {
  const parents: string[] = []
  for (let i = name.indexOf('/'); i >= 0; i = name.indexOf('/', i + 1))
    parents.push(name.slice(0, i))
  return parents
}

function refConflict(name: string, other: string): RefusedError {
  return new RefusedError('ref-conflict', `Cannot create "${name}": "${other}" exists`)
}
