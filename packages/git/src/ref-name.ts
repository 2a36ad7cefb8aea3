/**
 * Ref names: what a branch, a tag or any ref may be called.
 *
 * Spec: https://git-scm.com/docs/git-check-ref-format
 *
 * @module
 */
import { compareBytes, encodeName } from './bytes.ts'

// Control characters and space, DEL, and what has a meaning in a revision or a pattern.
// oxlint-disable-next-line no-control-regex
const FORBIDDEN = /[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{/

/** Whether `git check-ref-format` takes the name: two steps or more, as `heads/main`. */
export function isRefName(name: string): boolean {
  return name.includes('/') && hasRefForm(name)
}

/** Whether `name` can be a branch, as in `main`. Not those that a command line takes for an option, and not `HEAD`. */
export function isBranchName(name: string): boolean {
  return !name.startsWith('-') && name !== 'HEAD' && isRefName(`refs/heads/${name}`)
}

/** Whether a ref may be pushed under this name: `refs/`, and two steps or more behind it. */
export function isPushableRefName(name: string): boolean {
  return name.startsWith('refs/') && isRefName(name.slice('refs/'.length))
}

function hasRefForm(name: string): boolean {
  if (FORBIDDEN.test(name) || name.endsWith('.')) return false
  return name
    .split('/')
    .every((step) => step !== '' && !step.startsWith('.') && !step.endsWith('.lock'))
}

/** Orders names as Git orders refs: by their bytes. */
export function compareNames(a: string, b: string): number {
  // Without surrogates the order of UTF-16 is that of UTF-8.
  if (!/[\uD800-\uDFFF]/.test(a + b)) return a < b ? -1 : a > b ? 1 : 0
  return compareBytes(encodeName(a), encodeName(b))
}
