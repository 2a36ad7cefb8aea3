/**
 * Edits as people make them, line by line: a value changed, a line added, removed, moved or explained.
 *
 * @module
 */

/** Numbers from 0 up to 1. */
export type Random = () => number

/** What the lines of a format look like. */
export interface LineFormat {
  /** What begins a comment. */
  readonly comment: string
  /** Whether the text is a document; edits that make something else of it are not kept. */
  isValid(text: string): boolean
}

/** A whole number from 0 up to `below`. */
export function integer(random: Random, below: number): number {
  return Math.floor(random() * below)
}

/** The text after some edits that leave it a document. */
export function editLines(text: string, format: LineFormat, random: Random): string {
  let edited = text
  const wanted = 1 + integer(random, 4)
  for (let done = 0, tries = 0; done < wanted && tries < 30; tries++) {
    const next = editOnce(edited, format, random)
    if (next === edited || !format.isValid(next)) continue
    edited = next
    done++
  }
  return edited
}

function editOnce(text: string, { comment }: LineFormat, random: Random): string {
  const end = text.includes('\r\n') ? '\r\n' : '\n'
  const lines = text.split(end)
  const at = integer(random, lines.length)
  const line = lines[at] ?? ''
  const indent = /^\s*/.exec(line)?.[0] ?? ''
  const kind = integer(random, 24)
  if (kind < 8) lines[at] = changeValue(line, random)
  else if (kind < 11) lines.splice(at, 1)
  else if (kind < 15) lines.splice(at + integer(random, 2), 0, renameKey(line, random))
  else if (kind < 17) lines.splice(at, 2, lines[at + 1] ?? '', line)
  else if (kind < 19) lines.splice(at, 0, `${indent}${comment} note ${integer(random, 1000)}`)
  else if (kind < 21) lines[at] = `${line} ${comment} remark ${integer(random, 1000)}`
  else if (kind < 22) lines.splice(at, 0, '')
  else if (kind < 23)
    lines[at] = line.trim().startsWith(comment) ? '' : line.replace(/ {2}/g, '    ')
  else return random() < 0.5 ? text.replaceAll(/\r?\n/g, '\r\n') : text.replaceAll('\n  ', '\n    ')
  return lines.join(end)
}

function changeValue(line: string, random: Random): string {
  const values = [...line.matchAll(/\d+|true|false|[a-z]{3,}/g)]
  const found = values[integer(random, values.length)]
  if (found === undefined) return line
  const [word] = found
  const other = /\d/.test(word)
    ? String(integer(random, 1000))
    : word === 'true'
      ? 'false'
      : word === 'false'
        ? 'true'
        : `${word}${integer(random, 100)}`
  return line.slice(0, found.index) + other + line.slice(found.index + word.length)
}

function renameKey(line: string, random: Random): string {
  return line.replace(/[A-Za-z][\w.-]*/, (word) => `${word}-${integer(random, 30)}`)
}
