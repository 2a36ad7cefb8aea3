/**
 * Filters of paths, for a walk over files.
 *
 * @module
 */
import { Glob } from '../files/glob.ts'

/**
 * A filter for the paths that match a pattern as `glob.ts` has it (`config/*.json`, `services/**`). Directories in which
 * nothing can match are passed over, unread.
 *
 * @throws TypeError when it is no pattern: a step is empty, `.` or `..`
 */
export function globFilter(pattern: string): (path: string, isDirectory: boolean) => boolean {
  const glob = new Glob(pattern)
  return (path, isDirectory) => {
    const steps = path.split('/')
    const name = steps.pop() ?? ''
    let state = glob.start
    for (const step of steps) state = glob.enter(state, step)
    return isDirectory ? glob.enter(state, name).length > 0 : glob.matches(state, name)
  }
}
