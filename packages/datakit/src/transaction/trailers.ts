/**
 * Trailers: the lines `Name: value` at the end of a commit's message, as Git finds and writes them.
 *
 * They are the last paragraph of a message, and never its first. Other lines may stand among them if there is one that Git
 * itself writes (`Signed-off-by: `, `(cherry picked from commit `) and at least a quarter of the lines are trailers.
 *
 * Spec: https://git-scm.com/docs/git-interpret-trailers
 *
 * @module
 */
import { check, listOf, text, type Rule } from '../argument.ts'

/** One trailer. */
export interface Trailer {
  /** As in `Reviewed-by`: letters, digits and dashes. */
  readonly name: string
  /** On one line: what was folded is joined by spaces. */
  readonly value: string
}

/** The trailers of a message, in order. */
export function parseTrailers(message: string): Trailer[] {
  check('message', message, text)
  const lines = message.split(/(?<=\n)/)
  const { start, end } = findBlock(lines)
  const folded: string[] = []
  let isTrailer = false
  for (const line of lines.slice(start, end)) {
    if (isTrailer && isSpace(line[0])) {
      folded.push(`${folded.pop() ?? ''}${line}`)
      continue
    }
    isTrailer = separatorOf(line) >= 1
    if (isTrailer) folded.push(line)
  }
  return folded.map((line) => {
    const at = separatorOf(line)
    const value = trim(line.slice(at + 1)).replaceAll(/\n[ \t\r\n]*/g, ' ')
    return { name: trim(line.slice(0, at)), value }
  })
}

/**
 * The message with more trailers, behind those that it has; ended by a line end. One that is the same as the last one there
 * is not repeated.
 *
 * @throws RangeError when a name is not one of a trailer; ArgumentError for what are none
 */
export function addTrailers(message: string, trailers: readonly Trailer[]): string {
  check('message', message, text)
  check('trailers', trailers, listOf(trailerRule))
  const lines = closeLine(message).split(/(?<=\n)/)
  const { start, end } = findBlock(lines)
  let last = parseTrailers(message).at(-1)
  const added: string[] = []
  for (const trailer of trailers) {
    const line = formatTrailer(trailer)
    const [read] = parseTrailers(`-\n\n${line}`)
    if (read?.name === last?.name && read?.value === last?.value) continue
    added.push(line)
    last = read
  }
  let at = end
  // Spaces behind the last trailer, comments among them, would part the new one from it.
  const isIdle = (line = ''): boolean => isBlank(line) || isComment(line)
  while (at > start && isIdle(lines[at - 1])) at--
  const before = lines.slice(0, at)
  if (added.length > 0 && start === end && !isBlank(before.at(-1) ?? 'x')) added.unshift('\n')
  return [...before, ...added, ...lines.slice(at)].join('')
}

const trailerRule: Rule = {
  fits: (value) =>
    value instanceof Object &&
    text.fits(Reflect.get(value, 'name')) &&
    text.fits(Reflect.get(value, 'value')),
  wanted: 'a `name` and a `value`, both texts',
}

function formatTrailer({ name, value }: Trailer): string {
  if (!/^[A-Za-z0-9-]+$/.test(name)) {
    throw new RangeError(
      `Not the name of a trailer: "${name}"; it may have letters, digits and dashes`,
    )
  }
  return `${name}: ${trim(value).replaceAll(/[ \t\r]*\n[ \t\r\n]*/g, '\n ')}\n`
}

/** Where the trailers are among the lines: empty, and at the end of what people wrote, when there are none. */
function findBlock(lines: readonly string[]): { readonly start: number; readonly end: number } {
  const end = endOfText(lines)
  const body = lines.slice(0, end)
  const title = body.findIndex((line) => !isComment(line) && isBlank(line))
  const counts = { trailers: 0, others: 0, spaced: 0, isOfGit: false }
  let isSpaceOnly = true
  for (let i = end - 1; i >= 0 && title >= 0 && i >= title; i--) {
    const line = body[i] ?? ''
    if (isComment(line)) {
      counts.others += counts.spaced
      counts.spaced = 0
    } else if (!isBlank(line)) {
      isSpaceOnly = false
      countLine(counts, line)
    } else if (!isSpaceOnly) {
      const others = counts.others + counts.spaced
      const isMostly = counts.isOfGit && counts.trailers * 3 >= others
      return isMostly || (counts.trailers > 0 && others === 0)
        ? { start: i + 1, end }
        : { start: end, end }
    }
  }
  return { start: end, end }
}

/** What the lines from the end on have been. */
interface Counts {
  trailers: number
  others: number
  /** Lines that begin with a space, as far as they may go on with a trailer that is to come. */
  spaced: number
  /** Whether there is a line that Git writes. */
  isOfGit: boolean
}

function countLine(counts: Counts, line: string): void {
  const isOfGit =
    line.startsWith('Signed-off-by: ') || line.startsWith('(cherry picked from commit ')
  if (isOfGit || (separatorOf(line) >= 1 && !isSpace(line[0]))) {
    counts.trailers++
    counts.spaced = 0
    counts.isOfGit ||= isOfGit
  } else if (isSpace(line[0])) counts.spaced++
  else {
    counts.others += 1 + counts.spaced
    counts.spaced = 0
  }
}

/** Where the comments and the empty lines at the end begin, and the list of conflicts that old Git left there. */
function endOfText(lines: readonly string[]): number {
  let end: number | undefined
  let isConflicts = false
  for (const [i, line] of lines.entries()) {
    if (isComment(line) || line === '\n') end ??= i
    else if (line === 'Conflicts:\n') {
      isConflicts = true
      end ??= i
    } else if (!(isConflicts && line.startsWith('\t'))) {
      end = undefined
      isConflicts = false
    }
  }
  return end ?? lines.length
}

/** Where the colon of a trailer is; below 1 when the line is none. */
function separatorOf(line: string): number {
  return /^[A-Za-z0-9-]*(?:(?<=.)[ \t]+)?:/.exec(line)?.[0].lastIndexOf(':') ?? -1
}

function closeLine(message: string): string {
  return message === '' || message.endsWith('\n') ? message : `${message}\n`
}

function isComment(line: string): boolean {
  return line.startsWith('#')
}

function isBlank(line: string): boolean {
  return /^[ \t\r\n]*$/.test(line)
}

function isSpace(character: string | undefined): boolean {
  return character !== undefined && ' \t\r\n'.includes(character)
}

function trim(text: string): string {
  return text.replaceAll(/^[ \t\r\n]+|[ \t\r\n]+$/g, '')
}
