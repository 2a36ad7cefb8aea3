/**
 * Files of lines: an item each, or a key and a value each.
 *
 * @module
 */
import { lineAt, UnreadableError, type Document, type Format } from './document.ts'
import { HASHES, type CommentStyle } from './gap.ts'
import { SourceContainer, SourceScalar, type Form, type SourceItem } from './source.ts'

/** Each line that is not blank is an item. */
export const linesFormat: Format = { name: 'lines', read: readLines, commentsIn: () => [] }

/** Each line is a key, `=` and a value; or blank, or a comment that begins with `#` or `;`. */
export const keysFormat: Format = { name: 'keys and values', read: readKeys, commentsIn }

const LINE = /[^\r\n]*[^\s]/g
const COMMENT = /^[ \t]*[#;][^\r\n]*/gm
const KEY = /^(\s*)([^\s=][^=]*?)[ \t]*=[ \t]*/
/** Nothing on the line of an item is a comment. */
const NO_COMMENTS: CommentStyle = { restOfLine: /^[ \t]*(?=\r?\n|$)/ }

function readLines(text: string): Document {
  const items = [...text.matchAll(LINE)].map(({ 0: line, index }): SourceItem => {
    const extent = { start: index, end: index + line.length }
    const node = new SourceScalar(text, extent, `"${line}"`)
    return { key: '', node, start: index, separatorAt: -1 }
  })
  return { root: container(text, 'list', items), comments: [] }
}

function readKeys(text: string): Document {
  const keys = new Set<string>()
  const items = [...text.matchAll(LINE)].flatMap(({ 0: line, index }): SourceItem[] => {
    if (/^\s*[#;]/.test(line.replace('\uFEFF', ''))) return []
    const item = readKey(text, line, index)
    if (keys.has(item.key))
      throw new UnreadableError(`the key "${item.key}" is there twice (${lineAt(text, index)})`)
    keys.add(item.key)
    return [item]
  })
  return { root: container(text, 'map', items), comments: commentsIn(text) }
}

function readKey(text: string, line: string, index: number): SourceItem {
  const [label, blanks = '', key] = KEY.exec(line) ?? []
  if (label === undefined || key === undefined)
    throw new UnreadableError(`a line without "=" (${lineAt(text, index)})`)
  const value = line.slice(label.length)
  const quote = /^["'`]/.exec(value)?.[0]
  const isOpen = quote !== undefined && !value.includes(quote, 1)
  if (isOpen || value.endsWith('\\'))
    throw new UnreadableError(`a value that goes on in the next line (${lineAt(text, index)})`)
  const start = index + label.length
  const node = new SourceScalar(text, { start, end: index + line.length })
  return { key, node, start: index + blanks.length, separatorAt: -1 }
}

function container(
  text: string,
  kind: 'map' | 'list',
  items: readonly SourceItem[],
): SourceContainer {
  const gap = text.includes('\r\n') ? '\r\n' : '\n'
  const comments = kind === 'map' ? HASHES : NO_COMMENTS
  const form: Form = { style: 'lines', comments, separator: '', gap }
  const extent = { start: 0, innerStart: 0, innerEnd: text.length, end: text.length }
  return new SourceContainer(text, extent, form, { kind, items })
}

function commentsIn(text: string): string[] {
  return text.match(COMMENT)?.map((comment) => comment.trim()) ?? []
}
