/**
 * Branches by a pattern of their names.
 *
 * @module
 */
import { wildmatch } from '@datakit/git/wildmatch'

/** Those whose names match as `git branch --list` takes it: a star also stands for slashes. */
export function matching<T extends { readonly name: string }>(
  branches: readonly T[],
  pattern: string,
): T[] {
  const matches = wildmatch(pattern, { isPath: false })
  return branches.filter(({ name }) => matches(name))
}
