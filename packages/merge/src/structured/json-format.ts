/**
 * JSON, with the comments and trailing commas of JSONC where a version has them.
 *
 * Numbers are compared as they are written: `1.0` is another number than `1`, and none is rounded. Strings are compared by what
 * they say, keys too, so that an escape is no change of meaning.
 *
 * Spec: https://www.rfc-editor.org/rfc/rfc8259
 *
 * @module
 */
import {
  lineAt,
  MAX_DEPTH,
  STREAM,
  UnreadableError,
  type Document,
  type Format,
} from './document.ts'
import { SLASHES } from './gap.ts'
import {
  SourceContainer,
  SourceScalar,
  type Form,
  type SourceItem,
  type SourceNode,
} from './source.ts'

/** How JSON and JSONC are read. */
export const jsonFormat: Format = { name: 'JSON', read: readJson, commentsIn }

const COMMENT = /\/\/[^\r\n]*|\/\*[^]*?\*\//y
const NUMBER_OR_WORD = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null/y
const BYTE_ORDER_MARK = '\uFEFF'

/** Members up to which looking for a key twice among all is faster than a set. */
const FEW = 8

const BRACKETS: Form = { style: 'brackets', comments: SLASHES, separator: ',', gap: ' ' }
const FILE: Form = { ...BRACKETS, style: STREAM }

function readJson(text: string): Document {
  return new JsonReader(text).read()
}

function commentsIn(text: string): string[] {
  const comments: string[] = []
  const first = /["/]/g
  while (first.test(text)) {
    const start = first.lastIndex - 1
    COMMENT.lastIndex = start
    const comment = COMMENT.exec(text)?.[0]
    if (comment !== undefined) comments.push(comment)
    if (comment !== undefined) first.lastIndex = start + comment.length
    else if (text[start] === '"') first.lastIndex = endOfString(text, start)
  }
  return comments
}

/** Where a string ends. Not by an expression: those run out of stack where a string is long. */
function endOfString(text: string, start: number): number {
  let at = start + 1
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

class JsonReader {
  readonly #text: string
  readonly #comments: string[] = []
  #at = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
  }

  read(): Document {
    if (this.#text.startsWith(BYTE_ORDER_MARK)) this.#at = 1
    this.#skipBlanks()
    const start = this.#at
    const node = this.#readValue()
    this.#skipBlanks()
    const end = this.#text.length
    if (this.#at < end) this.#fail('something follows the value')
    const items = [{ key: '', node, start, separatorAt: -1 }]
    const extent = { start: 0, innerStart: 0, innerEnd: end, end }
    const root = new SourceContainer(this.#text, extent, FILE, { kind: 'list', items })
    return { root, comments: this.#comments }
  }

  #readValue(): SourceNode {
    const start = this.#at
    const first = this.#text.charCodeAt(start)
    if (first === 0x7b) return this.#readContainer('map', '}')
    if (first === 0x5b) return this.#readContainer('list', ']')
    if (first !== 0x22) return this.#readWord()
    const said = this.#readString()
    const extent = { start, end: this.#at }
    return new SourceScalar(this.#text, extent, said === undefined ? undefined : `"${said}"`)
  }

  #readWord(): SourceScalar {
    const start = this.#at
    NUMBER_OR_WORD.lastIndex = start
    if (!NUMBER_OR_WORD.test(this.#text)) return this.#fail('no value is there')
    this.#at = NUMBER_OR_WORD.lastIndex
    return new SourceScalar(this.#text, { start, end: this.#at })
  }

  #readContainer(kind: 'map' | 'list', close: string): SourceContainer {
    const start = this.#at++
    if (++this.#depth > MAX_DEPTH) this.#fail(`more than ${MAX_DEPTH} levels`)
    this.#skipBlanks()
    const items: SourceItem[] = []
    const isTaken = kind === 'map' ? keyTest(items) : undefined
    while (this.#text[this.#at] !== close) {
      const item = this.#readItem(isTaken)
      items.push(item)
      if (item.separatorAt < 0) break
    }
    if (this.#text[this.#at] !== close) this.#fail(`a comma or "${close}" is missing`)
    const innerEnd = this.#at++
    this.#depth--
    const extent = { start, innerStart: start + 1, innerEnd, end: this.#at }
    return new SourceContainer(this.#text, extent, BRACKETS, { kind, items })
  }

  /** Reads an item, the comma behind it, and what is before the next. */
  #readItem(isTaken: ((key: string) => boolean) | undefined): SourceItem {
    const start = this.#at
    const key = isTaken ? this.#readKey(isTaken) : ''
    const node = this.#readValue()
    this.#skipBlanks()
    if (this.#text[this.#at] !== ',') return { key, node, start, separatorAt: -1 }
    const separatorAt = this.#at++
    this.#skipBlanks()
    return { key, node, start, separatorAt }
  }

  #readKey(isTaken: (key: string) => boolean): string {
    const start = this.#at
    if (this.#text[start] !== '"') this.#fail('a key in quotes is missing')
    const key = this.#readString() ?? this.#text.slice(start + 1, this.#at - 1)
    if (isTaken(key)) {
      this.#at = start
      this.#fail(`the key ${JSON.stringify(key)} is there twice`)
    }
    this.#skipBlanks()
    if (this.#text[this.#at] !== ':') this.#fail('a colon is missing')
    this.#at++
    this.#skipBlanks()
    return key
  }

  /** Reads a string; gives what it says where that is not what is written between the quotes. */
  #readString(): string | undefined {
    const start = this.#at
    let isPlain = true
    for (let at = start + 1; at < this.#text.length; at++) {
      const code = this.#text.charCodeAt(at)
      if (code === 0x22) {
        this.#at = at + 1
        return isPlain ? undefined : this.#unescape(start)
      }
      if (code < 0x20) break
      if (code !== 0x5c) continue
      isPlain = false
      at++
    }
    return this.#fail('a string does not end')
  }

  #unescape(start: number): string {
    try {
      return String(JSON.parse(this.#text.slice(start, this.#at)))
    } catch {
      this.#at = start
      return this.#fail('a string has an escape that JSON does not know')
    }
  }

  #skipBlanks(): void {
    const text = this.#text
    for (;;) {
      const code = text.charCodeAt(this.#at)
      if (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) this.#at++
      else if (code !== 0x2f || !this.#skipComment()) return
    }
  }

  #skipComment(): boolean {
    COMMENT.lastIndex = this.#at
    const comment = COMMENT.exec(this.#text)?.[0]
    if (comment === undefined) return false
    this.#at += comment.length
    this.#comments.push(comment)
    return true
  }

  #fail(problem: string): never {
    throw new UnreadableError(`${problem} (${lineAt(this.#text, this.#at)})`)
  }
}

/** Tells whether a key is among the items so far; each key must be asked for just before its item is added. */
function keyTest(items: readonly SourceItem[]): (key: string) => boolean {
  let keys: Set<string> | undefined
  return (key) => {
    if (items.length < FEW) return items.some((item) => item.key === key)
    keys ??= new Set(items.map((item) => item.key))
    const isTaken = keys.has(key)
    keys.add(key)
    return isTaken
  }
}
