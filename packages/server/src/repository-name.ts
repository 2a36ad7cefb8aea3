/**
 * Names of repositories, as they stand in URLs: one or more segments, `/NAME.git`.
 *
 * The rule is what every place can keep safely: a segment becomes a folder on disk and a part of a key in a bucket.
 *
 * @module
 */
import { RefusedError } from '@datakit/git/error'

/** Longest name, in UTF-8 bytes: keys in R2 end at 1,024, and a name may grow threefold when it is escaped. */
export const MAX_NAME_BYTES = 250

// Control characters, and what one of the common file systems cannot have in a name.
const forbidden = /[\u0000-\u001f\u007f\\:*?"<>|\ud800-\udfff]/u

/**
 * The name, when it can be one.
 *
 * @throws RefusedError `bad-name`, saying what is wrong with it
 */
export function checkRepositoryName(name: string): string {
  const problem = problemOfName(name)
  if (problem === undefined) return name
  throw new RefusedError('bad-name', `Not a repository name: "${name}" ${problem}`)
}

function problemOfName(name: string): string | undefined {
  if (new TextEncoder().encode(name).length > MAX_NAME_BYTES)
    return `is longer than ${MAX_NAME_BYTES} bytes`
  if (forbidden.test(name)) return 'has a character that a folder or a URL cannot have'
  return name
    .split('/')
    .map(problemOfSegment)
    .find((problem) => problem !== undefined)
}

function problemOfSegment(segment: string): string | undefined {
  if (segment === '') return 'has an empty segment'
  if (segment.startsWith('.') || segment.startsWith('-'))
    return 'has a segment that begins with a dot or a dash'
  if (/[. ]$/.test(segment)) return 'has a segment that ends with a dot or a space'
  if (/\.(git|lock)$/i.test(segment)) return 'has a segment that ends with ".git" or ".lock"'
  return undefined
}
