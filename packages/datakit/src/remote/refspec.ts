/**
 * Refspecs: which refs go where, as Git writes it: `+refs/heads/*:refs/remotes/origin/*`.
 *
 * Spec: https://git-scm.com/docs/gitglossary#def_refspec
 *
 * @module
 */

/** One refspec. In patterns `*` stands for the same on both sides. */
export interface Refspec {
  /** Whether what the source means is left out, whatever others say of it: written with `^`. */
  readonly isNegative: boolean
  /** Whether the ref moves whatever it was: written with `+`. */
  readonly force: boolean
  /** Empty where something is to be deleted. */
  readonly source: string
  /** `undefined` where nothing is said of it. */
  readonly target: string | undefined
}

/** Takes a refspec apart. @throws RangeError when it is none, or a pattern on one side only */
export function parseRefspec(text: string): Refspec {
  const isNegative = text.startsWith('^')
  const force = text.startsWith('+')
  const [source = '', target, ...more] = text.slice(force || isNegative ? 1 : 0).split(':')
  const stars = [source, target ?? source].map((side) => side.split('*').length - 1)
  const isPair = stars[0] === stars[1] && (stars[0] ?? 0) <= 1
  const isEmpty = source === '' && (target ?? '') === ''
  const isNegation = !isNegative || (target === undefined && source.startsWith('refs/'))
  if (more.length === 0 && isPair && !isEmpty && isNegation)
    return { isNegative, force, source, target }
  throw new RangeError(`Not a refspec: "${text}"`)
}

/** What `name` becomes by the first of the refspecs that fits; `undefined` when none does, it has no target, or one leaves it out. */
export function targetOf(
  specs: readonly Refspec[],
  name: string,
): { readonly name: string; readonly force: boolean } | undefined {
  if (isLeftOut(specs, name)) return undefined
  for (const { isNegative, source, target, force } of specs) {
    const middle = isNegative ? undefined : matchPattern(source, name)
    if (middle === undefined || target === undefined || target === '') continue
    return { name: target.replace('*', () => middle), force }
  }
  return undefined
}

/** What has become `name` by one of the refspecs: {@link targetOf} the other way round. */
export function sourceOf(specs: readonly Refspec[], name: string): string | undefined {
  for (const { isNegative, source, target } of specs) {
    const middle = isNegative ? undefined : matchPattern(target ?? '', name)
    const found = middle === undefined ? undefined : source.replace('*', () => middle)
    if (found !== undefined) return isLeftOut(specs, found) ? undefined : found
  }
  return undefined
}

/** Whether a negative refspec leaves out the name of a source. */
export function isLeftOut(specs: readonly Refspec[], name: string): boolean {
  return specs.some(
    ({ isNegative, source }) => isNegative && matchPattern(source, name) !== undefined,
  )
}

/** What `*` stands for when the pattern is to mean `name`, empty for a pattern without; `undefined` when it does not. */
export function matchPattern(pattern: string, name: string): string | undefined {
  const [before = '', after] = pattern.split('*')
  if (after === undefined) return pattern === name ? '' : undefined
  const isLong = name.length >= before.length + after.length
  if (!isLong || !name.startsWith(before) || !name.endsWith(after)) return undefined
  return name.slice(before.length, name.length - after.length)
}
