/**
 * Ref patterns: which refs a person means by a name.
 *
 * @module
 */

/** Something that has the full name of a ref, or `HEAD`. */
export interface Named {
  readonly name: string
}

/** Refs in which a repository keeps what it knows of others: they are nobody else's business. */
const KNOWN = ['refs/remotes/', 'refs/datakit/']

/** Whether the ref is the repository's own: not what it knows of others. */
export function isOwnName(name: string): boolean {
  return !KNOWN.some((prefix) => name.startsWith(prefix))
}

/**
 * Those of `all` that the patterns mean, each once, in their order; and the patterns that mean none.
 *
 * A pattern is `HEAD`, a full name, a prefix with `/*` behind it, or the short name of a tag or a branch, a tag before a
 * branch as in Git. Everything where there are none.
 */
export function matchNames<Ref extends Named>(
  all: readonly Ref[],
  patterns: readonly string[] | undefined,
): { readonly found: readonly Ref[]; readonly missing: readonly string[] } {
  if (patterns === undefined) return { found: all, missing: [] }
  const names = new Set(all.map(({ name }) => name))
  const missing: string[] = []
  const chosen = new Set<string>()
  for (const pattern of patterns) {
    const meant = meaning(names, pattern)
    if (meant.length === 0) missing.push(pattern)
    for (const name of meant) chosen.add(name)
  }
  return { found: all.filter(({ name }) => chosen.has(name)), missing }
}

function meaning(names: ReadonlySet<string>, pattern: string): string[] {
  if (pattern.endsWith('/*')) {
    const prefix = pattern.slice(0, -1)
    return [...names].filter((name) => name.startsWith(prefix))
  }
  const full = [pattern, `refs/${pattern}`, `refs/tags/${pattern}`, `refs/heads/${pattern}`]
  return full.filter((name) => names.has(name)).slice(0, 1)
}
