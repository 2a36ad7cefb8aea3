/**
 * Ref clashes: which names cannot be side by side.
 *
 * @module
 */

/** Whether one of the two would be a file and a directory at once, as `refs/heads/a` and `refs/heads/a/b`. */
export function refNamesCollide(a: string, b: string): boolean {
  return a.startsWith(`${b}/`) || b.startsWith(`${a}/`)
}
