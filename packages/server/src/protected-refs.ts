/**
 * Protected refs: patterns of refs that only move forward and are not deleted.
 *
 * `main` is the branch of that name, `refs/tags` every ref below; `*` stands for any characters, slashes too:
 * `release/*`, `refs/tags/v*`.
 *
 * @module
 */

/** Whether a ref is one of those that the patterns name; `undefined` where there are no patterns. */
export function protectedRefs(
  patterns: readonly string[],
): ((name: string) => boolean) | undefined {
  const rules = patterns.flatMap((pattern) => pattern.split(/[\s,]+/)).filter((rule) => rule !== '')
  if (rules.length === 0) return undefined
  const expressions = rules.map(expressionOf)
  return (name) => expressions.some((expression) => expression.test(name))
}

function expressionOf(pattern: string): RegExp {
  const full = pattern.startsWith('refs/') ? pattern : `refs/heads/${pattern}`
  const words = full.replace(/\/+$/, '').split(/\*+/).map(escape)
  return new RegExp(`^${words.join('.*')}(?:/.*)?$`, 's')
}

function escape(text: string): string {
  return text.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&')
}
