/**
 * TOML: a file is a list of keys and tables, and each table belongs to the file or to an item of an array of tables.
 *
 * Tables are members of the file under their whole name (`[a.b]` is the member `a.b`), as keys with dots are, so that what is
 * written in one place is merged in one place. The items of an array of tables hold their own tables. Numbers and dates are
 * compared as they are written, strings by what they say.
 *
 * Spec: https://toml.io/en/v1.0.0
 *
 * @module
 */
import { parseTOML, type AST } from 'toml-eslint-parser'
import {
  checkBrackets,
  lineAt,
  MAX_DEPTH,
  MAX_TOKENS,
  TooLongError,
  UnreadableError,
  type Document,
  type Format,
} from './document.ts'
import { HASHES } from './gap.ts'
import {
  findSeparator,
  restOfLineEnd,
  SourceContainer,
  SourceScalar,
  type Form,
  type SourceItem,
  type SourceNode,
} from './source.ts'
import { proveRemovals } from './toml-removals.ts'

/** How TOML is read. */
export const tomlFormat: Format = {
  name: 'TOML',
  read: readToml,
  commentsIn,
  prove: proveRemovals,
}

/** What tokens end with, roughly counted: in strings and comments, too. */
const TOKEN_ENDS = /[\n,.=[\]{}]/g
const MAYBE_COMMENT = /(?<=^|\s)#[^\r\n]*/g
const ARRAY: Form = { style: 'array', comments: HASHES, separator: ',', gap: ' ' }
const INLINE: Form = { ...ARRAY, style: 'inline' }
const BYTE_ORDER_MARK = '\uFEFF'

/** Keys and tables, in the order of the file. */
type Entries = readonly (AST.TOMLKeyValue | AST.TOMLTable)[]

function readToml(text: string): Document {
  checkBrackets(text)
  if ((text.match(TOKEN_ENDS)?.length ?? 0) > MAX_TOKENS) throw new TooLongError('TOML')
  const program = parse(text)
  const root = new TomlReader(text).readFile(program.body[0].body)
  return { root, comments: program.comments.map(({ value }) => `#${value}`.trimEnd()) }
}

function parse(text: string): AST.TOMLProgram {
  try {
    // The library takes the mark for a character; a blank keeps all places as they are.
    return parseTOML(text.startsWith(BYTE_ORDER_MARK) ? ` ${text.slice(1)}` : text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    const at = 'index' in error && typeof error.index === 'number' ? error.index : 0
    throw new UnreadableError(`${error.message} (${lineAt(text, at)})`)
  }
}

function commentsIn(text: string): string[] {
  return text.match(MAYBE_COMMENT)?.map((comment) => comment.trimEnd()) ?? []
}

class TomlReader {
  readonly #text: string
  readonly #lines: Form
  readonly #tables: Form
  #depth = 0
  /** Arrays of tables around what is being read. */
  #arrays = 0

  constructor(text: string) {
    this.#text = text
    const end = text.includes('\r\n') ? '\r\n' : '\n'
    this.#lines = { style: 'lines', comments: HASHES, separator: '', gap: end }
    this.#tables = { ...this.#lines, style: 'array of tables', gap: end + end, isSection: true }
  }

  readFile(entries: Entries): SourceContainer {
    const end = this.#text.length
    const items = this.#readEntries(entries, 0)
    const extent = { start: 0, innerStart: 0, innerEnd: end, end }
    return new SourceContainer(this.#text, extent, this.#lines, { kind: 'map', items })
  }

  /** The members of the file, or of an item of an array of tables, whose name has `depth` keys. */
  #readEntries(entries: Entries, depth: number): SourceItem[] {
    const items: SourceItem[] = []
    for (let i = 0; i < entries.length;) {
      const entry = entries[i]
      if (entry === undefined) break
      if (entry.type === 'TOMLKeyValue') items.push(this.#readKeyValue(entry))
      else if (entry.kind === 'standard') {
        this.#checkArrays(entry)
        items.push(this.#readTable(entry, [], depth))
      }
      if (entry.type === 'TOMLKeyValue' || entry.kind === 'standard') {
        i++
        continue
      }
      const end = endOfArray(entries, i, namesOf(entry.key))
      items.push(this.#readArrayOfTables(entries.slice(i, end), entry, depth))
      i = end
    }
    this.#checkKeys(items)
    return items
  }

  #readKeyValue({ key, value, range }: AST.TOMLKeyValue): SourceItem {
    const node = this.#readValue(value)
    return { key: formatKey(namesOf(key)), node, start: range[0], separatorAt: -1 }
  }

  /** A table as a member: its header is the label, and it goes on with the tables in it. */
  #readTable(table: AST.TOMLTable, inside: Entries, depth: number): SourceItem {
    const names = namesOf(table.key)
    const brackets = table.kind === 'array' ? ']]' : ']'
    const start = this.#text.indexOf(brackets, table.key.range[1]) + brackets.length
    const items = this.#readEntries([...table.body, ...inside], names.length)
    const end = restOfLineEnd(this.#text, items.at(-1)?.node.end ?? start, HASHES)
    const extent = { start, innerStart: start, innerEnd: end, end }
    const form = { ...this.#lines, style: 'table', isSection: true }
    const node = new SourceContainer(this.#text, extent, form, { kind: 'map', items })
    return { key: formatKey(names.slice(depth)), node, start: table.range[0], separatorAt: -1 }
  }

  #readArrayOfTables(entries: Entries, first: AST.TOMLTable, depth: number): SourceItem {
    const names = namesOf(first.key)
    const isItem = (entry: Entries[number]): entry is AST.TOMLTable =>
      entry.type === 'TOMLTable' && entry.kind === 'array' && isEqual(namesOf(entry.key), names)
    const starts = entries.flatMap((entry, i) => (isItem(entry) ? [{ entry, i }] : []))
    this.#arrays++
    this.#checkArrays(first)
    const items = starts.map(({ entry, i }, n) => ({
      ...this.#readTable(entry, entries.slice(i + 1, starts[n + 1]?.i), depth),
      key: '',
    }))
    this.#arrays--
    const start = first.range[0]
    const end = items.at(-1)?.node.end ?? start
    const extent = { start, innerStart: start, innerEnd: end, end }
    const node = new SourceContainer(this.#text, extent, this.#tables, { kind: 'list', items })
    return { key: formatKey(names.slice(depth)), node, start, separatorAt: -1 }
  }

  #readValue(value: AST.TOMLContentNode): SourceNode {
    if (++this.#depth > MAX_DEPTH) this.#fail(`more than ${MAX_DEPTH} levels`, value.range[0])
    const read = this.#readAny(value)
    this.#depth--
    return read
  }

  #readAny(value: AST.TOMLContentNode): SourceNode {
    const [start, end] = value.range
    if (value.type === 'TOMLValue') {
      const isString = value.kind === 'string'
      return new SourceScalar(this.#text, { start, end }, isString ? `"${value.value}"` : undefined)
    }
    const extent = { start, innerStart: start + 1, innerEnd: end - 1, end }
    const elements =
      value.type === 'TOMLArray'
        ? value.elements.map((element) => this.#readElement(element))
        : value.body.map((entry) => this.#readKeyValue(entry))
    this.#checkKeys(value.type === 'TOMLArray' ? [] : elements)
    const items = elements.map((item, i) => {
      const until = elements[i + 1]?.start ?? end - 1
      return { ...item, separatorAt: findSeparator(this.#text, item.node.end, until) }
    })
    return value.type === 'TOMLArray'
      ? new SourceContainer(this.#text, extent, ARRAY, { kind: 'list', items })
      : new SourceContainer(this.#text, extent, INLINE, { kind: 'map', items })
  }

  #readElement(element: AST.TOMLContentNode): SourceItem {
    return { key: '', node: this.#readValue(element), start: element.range[0], separatorAt: -1 }
  }

  /** @throws {UnreadableError} when two members have one name, which happens where tables of one array are apart */
  #checkKeys(items: readonly SourceItem[]): void {
    const keys = new Set<string>()
    for (const { key, start } of items) {
      if (keys.has(key)) this.#fail(`"${key}" is there in two places`, start)
      keys.add(key)
    }
  }

  /** @throws {UnreadableError} when a table is in an item of an array of tables, and other tables are in between */
  #checkArrays({ resolvedKey, range }: AST.TOMLTable): void {
    const arrays = resolvedKey.filter((key) => typeof key === 'number').length
    if (arrays !== this.#arrays) this.#fail('a table apart from the array that it is in', range[0])
  }

  #fail(problem: string, at: number): never {
    throw new UnreadableError(`${problem} (${lineAt(this.#text, at)})`)
  }
}

/** Where an array of tables ends that an entry begins: behind all whose names begin with its name. */
function endOfArray(entries: Entries, from: number, names: readonly string[]): number {
  for (let i = from; i < entries.length; i++) {
    const entry = entries[i]
    const isInside =
      entry?.type === 'TOMLTable' && isEqual(namesOf(entry.key).slice(0, names.length), names)
    if (!isInside) return i
  }
  return entries.length
}

function namesOf(key: AST.TOMLKey): string[] {
  return key.keys.map((part) => (part.type === 'TOMLBare' ? part.name : part.value))
}

/** A key as TOML writes it. */
function formatKey(names: readonly string[]): string {
  return names
    .map((name) => (/^[A-Za-z0-9_-]+$/.test(name) ? name : JSON.stringify(name)))
    .join('.')
}

function isEqual(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, i) => name === b[i])
}
