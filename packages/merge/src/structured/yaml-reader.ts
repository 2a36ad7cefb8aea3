/**
 * From the documents of the library `yaml` to values that know how they are written.
 *
 * @module
 */
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type CST,
  type Document as YamlDocument,
  type Pair,
  type ParsedNode,
  type Scalar,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml'
import { lineAt, MAX_DEPTH, UnreadableError } from './document.ts'
import { HASHES } from './gap.ts'
import { checkReferences } from './yaml-aliases.ts'
import {
  findSeparator,
  restOfLineEnd,
  SourceContainer,
  SourceScalar,
  type Form,
  type SourceItem,
  type SourceNode,
} from './source.ts'

const FLOW: Form = { style: 'flow', comments: HASHES, separator: ',', gap: ' ' }
/** Plain scalars that some schema takes for something else than a string. */
const NOT_SURELY_STRING = /^(?:[-+.~<=\d].*|y|yes|n|no|on|off|true|false|null|)$/i

type Tokens = readonly CST.SourceToken[]

/** A value's place: where its label ends, and the anchor and the tag in front of it. */
interface Place {
  /** Behind the indicator that the value belongs to. */
  readonly from: number
  readonly props: Tokens
}

/** Reads the documents of one text. */
export class YamlReader {
  readonly #text: string
  readonly #lineEnd: string
  #depth = 0

  constructor(text: string) {
    this.#text = text
    this.#lineEnd = text.includes('\r\n') ? '\r\n' : '\n'
  }

  /**
   * A document as an item of its stream; its label is the marker `---`, where it has one.
   *
   * @throws {UnreadableError} when it has what cannot be merged by key
   */
  read(document: YamlDocument.Parsed, token: CST.Document, isFirst: boolean): SourceItem {
    const marker = token.start.find(({ type }) => type === 'doc-start')
    const from = marker ? marker.offset + 3 : isFirst ? 0 : token.offset
    const node = this.#readNode(document.contents, { from, props: propsOf(token.start) })
    checkReferences(node)
    return { key: '', node, start: marker?.offset ?? node.start, separatorAt: -1 }
  }

  #readNode(node: ParsedNode | null, place: Place): SourceNode {
    if (++this.#depth > MAX_DEPTH) this.#fail(`more than ${MAX_DEPTH} levels`, place.from)
    const read = this.#readAny(node, place)
    this.#depth--
    return read
  }

  #readAny(node: ParsedNode | null, place: Place): SourceNode {
    const [first] = place.props
    if (node === null) {
      const start = first?.offset ?? place.from
      const end = endOf(place.props.at(-1)) ?? place.from
      const meta = this.#metaOf(place)
      return new SourceScalar(this.#text, { start, end }, meta === '' ? '' : `${meta} `)
    }
    if (isMap(node) || isSeq(node)) return this.#readContainer(node, place)
    // Where there is no value, the library says so at a place that may be far behind.
    const isEmpty = isScalar(node) && node.range[0] === node.range[1]
    const at = isEmpty ? (endOf(place.props.at(-1)) ?? place.from) : node.range[0]
    const extent = { start: first?.offset ?? at, end: isEmpty ? at : this.#endOfScalar(node) }
    const value = isAlias(node) ? `*${node.source}` : this.#valueOf(node, at)
    const meta = this.#metaOf(place)
    return new SourceScalar(this.#text, extent, meta === '' ? value : `${meta} ${value}`)
  }

  /** A string in quotes if it is one in every schema; else as it is written. */
  #valueOf({ value, type, range }: Scalar.Parsed, start: number): string {
    const isPlain = type === 'PLAIN'
    if (isPlain && (typeof value !== 'string' || NOT_SURELY_STRING.test(value)))
      return range[0] === range[1] ? '' : this.#text.slice(start, range[1])
    return `"${String(value)}"`
  }

  /** Where a scalar ends, without the line end and the empty lines behind a block scalar that mean nothing. */
  #endOfScalar(node: ParsedNode): number {
    const [start, end] = node.range
    if (!isScalar(node) || (node.type !== 'BLOCK_LITERAL' && node.type !== 'BLOCK_FOLDED'))
      return end
    const text = this.#text.slice(start, end)
    const isKept = /^[|>][-+0-9]*\+/.test(text)
    return start + (isKept ? text.replace(/\r?\n$/, '') : text.trimEnd()).length
  }

  #metaOf({ props }: Place): string {
    return props
      .map(({ source }) => source)
      .toSorted()
      .join(' ')
  }

  #readContainer(node: YAMLMap.Parsed | YAMLSeq.Parsed, place: Place): SourceContainer {
    const isFlow = node.flow === true
    const items = isMap(node) ? this.#readMembers(node, isFlow) : this.#readItems(node, isFlow)
    const kind = isMap(node) ? 'map' : 'list'
    const value = { kind, items, meta: this.#metaOf(place) } as const
    const start = place.props[0]?.offset ?? (isFlow ? node.range[0] : place.from)
    if (isFlow) {
      const end = node.range[1]
      const extent = { start, innerStart: node.range[0] + 1, innerEnd: end - 1, end }
      return new SourceContainer(this.#text, extent, FLOW, value)
    }
    const innerStart = endOf(place.props.at(-1)) ?? start
    const last = items.at(-1)?.node.end ?? innerStart
    // A comment on the line of the last item is in the container.
    const end = restOfLineEnd(this.#text, last, HASHES)
    const extent = { start, innerStart, innerEnd: end, end }
    return new SourceContainer(this.#text, extent, this.#blockForm(items), value)
  }

  #blockForm([first]: readonly SourceItem[]): Form {
    const at = first?.start ?? 0
    const column = at - (this.#text.lastIndexOf('\n', at - 1) + 1)
    const gap = this.#lineEnd + ' '.repeat(column)
    return { style: 'block', comments: HASHES, separator: '', gap }
  }

  #readMembers(node: YAMLMap.Parsed, isFlow: boolean): SourceItem[] {
    const keys = new Set<unknown>()
    return node.items.map((pair, i) => {
      const item = this.#readMember(pair)
      // `1` and `0x1` are one key, and so are, for some, `1` and `"1"`.
      const names = [item.key, isScalar(pair.key) ? pair.key.value : undefined]
      if (names.some((name) => keys.has(name)))
        this.#fail(`the key "${item.key}" is there twice`, item.start)
      for (const name of names) keys.add(name)
      return isFlow
        ? this.#withComma(item, node.items[i + 1]?.key.range[0] ?? node.range[1] - 1)
        : item
    })
  }

  #readMember(pair: Pair<ParsedNode, ParsedNode | null>): SourceItem {
    const token = pair.srcToken as CST.CollectionItem | undefined
    const { key, value } = pair
    const at = key.range[0]
    if (!isScalar(key)) return this.#fail('a key that is no scalar', at)
    if (token === undefined || propsOf(token.start).length > 0)
      return this.#fail('a key with an anchor or a tag', at)
    const separator = token.sep?.find(({ type }) => type === 'map-value-ind')
    if (key.range[0] === key.range[1] && key.type === 'PLAIN') return this.#fail('an empty key', at)
    const name = this.#valueOf(key, at)
    const explicit = token.start.find(({ type }) => type === 'explicit-key-ind')
    const from = endOf(separator) ?? key.range[1]
    const node = this.#readNode(value, { from, props: propsOf(token.sep ?? []) })
    return {
      key: name.startsWith('"') ? name.slice(1, -1) : name,
      node,
      start: explicit?.offset ?? at,
      separatorAt: -1,
    }
  }

  #readItems(node: YAMLSeq.Parsed, isFlow: boolean): SourceItem[] {
    const tokens = itemTokens(node)
    return node.items.map((item, i) => {
      const token = tokens[i]
      if (token === undefined) return this.#fail('an item that is not understood', node.range[0])
      const props = propsOf(token.start)
      if (!isFlow) {
        const dash = token.start.find(({ type }) => type === 'seq-item-ind')
        if (dash === undefined) return this.#fail('an item without a dash', node.range[0])
        const read = this.#readNode(item, { from: dash.offset + 1, props })
        return { key: '', node: read, start: dash.offset, separatorAt: -1 }
      }
      const at = props[0]?.offset ?? item.range[0]
      if (isMap(item) && this.#text[item.range[0]] !== '{')
        return this.#fail('a pair without braces in a list', at)
      const read = this.#readNode(item, { from: at, props })
      const next = node.items[i + 1]?.range[0] ?? node.range[1] - 1
      return this.#withComma({ key: '', node: read, start: at, separatorAt: -1 }, next)
    })
  }

  /** The item with the place of the comma behind it, if there is one up to `until`. */
  #withComma(item: SourceItem, until: number): SourceItem {
    return { ...item, separatorAt: findSeparator(this.#text, item.node.end, until) }
  }

  #fail(problem: string, at: number): never {
    throw new UnreadableError(`${problem} (${lineAt(this.#text, at)})`)
  }
}

function propsOf(tokens: Tokens): Tokens {
  return tokens.filter(({ type }) => type === 'anchor' || type === 'tag')
}

function endOf(token: CST.SourceToken | undefined): number | undefined {
  return token && token.offset + token.source.length
}

/** The tokens of a list's items, without those that hold but blanks and comments. */
function itemTokens(node: YAMLSeq.Parsed): readonly CST.CollectionItem[] {
  const token = node.srcToken
  if (token?.type === 'block-seq')
    return token.items.filter(({ start }) => start.some(({ type }) => type === 'seq-item-ind'))
  if (token?.type !== 'flow-collection') return []
  return token.items.filter(
    ({ start, key, sep, value }) => key || sep || value || propsOf(start).length > 0,
  )
}
