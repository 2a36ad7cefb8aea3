/**
 * Refspecs: which refs go where, as Git writes it: `+refs/heads/*:refs/remotes/origin/*`.
 *
 * Spec: https://git-scm.com/docs/gitglossary#def_refspec
 *
 * @module
 */

/** One refspec. In patterns `*` stands for the same on both sides. */
export interface Refspec {
  /** Whether the ref moves whatever it was: written with `+`. */
  readonly force: boolean
  /** Empty where something is to be deleted. */
  readonly source: string
  /** `undefined` where nothing is said of it. */
  readonly target: string | undefined
}

/** Takes a refspec apart. @throws RangeError when it is none, or a pattern on one side only */
export function parseRefspec(text: string): Refspec {
  const force = text.startsWith('+')
  const [source = '', target, ...more] = text.slice(force ? 1 : 0).split(':')
  const stars = [source, target ?? source].map((side) => side.split('*').length - 1)
  const isPair = stars[0] === stars[1] && (stars[0] ?? 0) <= 1
  const isEmpty = source === '' && (target ?? '') === ''
  if (more.length === 0 && isPair && !isEmpty) return { force, source, target }
  throw new RangeError(`Not a refspec: "${text}"`)
}

/** What `name` becomes by the first of the refspecs that fits; `undefined` when none does, or it has no target. */
export function targetOf(
  specs: readonly Refspec[],
  name: string,
): { readonly name: string; readonly force: boolean } | undefined {
  for (const { source, target, force } of specs) {
    const middle = matchPattern(source, name)
    if (middle === undefined || target === undefined || target === '') continue
    return { name: target.replace('*', () => middle), force }
  }
  return undefined
}

/** What has become `name` by one of the refspecs: {@link targetOf} the other way round. */
export function sourceOf(specs: readonly Refspec[], name: string): string | undefined {
  for (const { source, target } of specs) {
    const middle = matchPattern(target ?? '', name)
    if (middle !== undefined) return source.replace('*', () => middle)
  }
  return undefined
}

/** What `*` stands for when the pattern is to mean `name`, empty for a pattern without; `undefined` when it does not. */
export function matchPattern(pattern: string, name: string): string | undefined {
  const [before = '', after] = pattern.split('*')
  if (after === undefined) return pattern === name ? '' : undefined
  const isLong = name.length >= before.length + after.length
  if (!isLong || !name.startsWith(before) || !name.endsWith(after)) return undefined
  return name.slice(before.length, name.length - after.length)
}
