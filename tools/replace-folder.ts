/**
 * Replaces a folder by another one as a whole, whoever else does the same at the same time.
 *
 * @module
 */
import { mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'

/** How often others may be faster. */
const ATTEMPTS = 100

/**
 * Puts the folder `fresh` where `target` is, by renaming: `target` holds all of one or all of the other, save for a
 * moment in which it is not there. Both are on one file system.
 */
export function replaceFolder(fresh: string, target: string): void {
  mkdirSync(dirname(target), { recursive: true })
  const old = `${fresh}.old`
  for (let attempt = 0; ; attempt++) {
    if (attempt === ATTEMPTS) throw new Error(`Cannot replace "${target}": it is in use`)
    rename(target, old)
    // Another process may have put its own there in between.
    if (rename(fresh, target)) break
    rmSync(old, { recursive: true, force: true })
  }
  rmSync(old, { recursive: true, force: true })
}

/** Whether it was done: not where there is nothing to move, or something where it should go. */
function rename(from: string, to: string): boolean {
  try {
    renameSync(from, to)
    return true
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    // Windows says EPERM to a folder that is there.
    if (code === 'ENOENT' || code === 'ENOTEMPTY' || code === 'EEXIST' || code === 'EPERM')
      return false
    throw error
  }
}
