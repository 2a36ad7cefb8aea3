/**
 * YAML: streams of documents in block and in flow style.
 *
 * The library `yaml` says what a text means and where its tokens are. What a plain scalar is depends on whose schema reads it
 * (`no`, `012`, `1:30`), so one that is not beyond doubt a string is compared as it is written. Anchors and tags belong to the
 * values that they are on; an alias is a value of its own, and `yaml-aliases.ts` looks at what it stands for.
 *
 * Spec: https://yaml.org/spec/1.2.2/
 *
 * @module
 */
import { Composer, Lexer, Parser, type CST } from 'yaml'
import {
  checkBrackets,
  lineAt,
  MAX_TOKENS,
  STREAM,
  TooLongError,
  UnreadableError,
  type Document,
  type Format,
} from './document.ts'
import { HASHES } from './gap.ts'
import { SourceContainer, type Form } from './source.ts'
import { proveAliases } from './yaml-aliases.ts'
import { YamlReader } from './yaml-reader.ts'

/** How YAML is read. */
export const yamlFormat: Format = { name: 'YAML', read: readYaml, commentsIn, prove: proveAliases }

// Within a block scalar it finds what is none: then a text is compared that the value has anyway.
const MAYBE_COMMENT = /(?<=^|\s)#[^\r\n]*/g
const FILE: Form = { style: STREAM, comments: HASHES, separator: '', gap: '\n' }

function readYaml(text: string): Document {
  checkDepth(text)
  const tokens = parse(text)
  const comments: string[] = []
  if (text.includes('#')) for (const token of tokens) collectComments(token, comments)
  const items = compose(text, tokens)
  const extent = { start: 0, innerStart: 0, innerEnd: text.length, end: text.length }
  return { root: new SourceContainer(text, extent, FILE, { kind: 'list', items }), comments }
}

function parse(text: string): CST.Token[] {
  const parser = new Parser()
  const tokens: CST.Token[] = []
  let count = 0
  for (const lexeme of new Lexer().lex(text)) {
    if (++count > MAX_TOKENS) throw new TooLongError('YAML')
    for (const token of parser.next(lexeme)) tokens.push(token)
  }
  for (const token of parser.end()) tokens.push(token)
  const directive = tokens.find(({ type }) => type === 'directive')
  if (directive === undefined) return tokens
  throw new UnreadableError(`a directive (${lineAt(text, directive.offset)})`)
}

function compose(text: string, tokens: readonly CST.Token[]): ReturnType<YamlReader['read']>[] {
  const options = {
    keepSourceTokens: true,
    prettyErrors: false,
    resolveKnownTags: false,
    // The library compares each key with all in front of it; the reader looks itself.
    uniqueKeys: false,
  } as const
  const documents = [...new Composer(options).compose(tokens)]
  const starts = tokens.filter(({ type }) => type === 'document')
  const reader = new YamlReader(text)
  return documents.map((document, i) => {
    const [error] = document.errors
    if (error) throw new UnreadableError(`${error.message} (${lineAt(text, error.pos[0])})`)
    const start = starts[i]
    if (start?.type !== 'document') throw new UnreadableError('a document without a beginning')
    return reader.read(document, start, i === 0)
  })
}

function commentsIn(text: string): string[] {
  return text.match(MAYBE_COMMENT)?.map((comment) => comment.trimEnd()) ?? []
}

function collectComments(token: CST.Token, comments: string[]): void {
  if (token.type === 'comment') comments.push(token.source.trimEnd())
  const parts = token as Partial<
    Record<'start' | 'sep' | 'props' | 'end', readonly CST.Token[] | CST.Token> & {
      key: CST.Token | null
      value: CST.Token
      items: readonly CST.CollectionItem[]
    }
  >
  for (const list of [parts.start, parts.sep, parts.props, parts.end])
    if (Array.isArray(list)) for (const inner of list) collectComments(inner, comments)
  for (const inner of [parts.key, parts.value]) if (inner) collectComments(inner, comments)
  for (const item of parts.items ?? []) collectComments(item as unknown as CST.Token, comments)
}

/** @throws {UnreadableError} when brackets, or indicators of a block on one line, are in each other more than is readable */
function checkDepth(text: string): void {
  checkBrackets(text)
  const deep = /(?:[-?:][ \t]+){1000}/.exec(text)
  if (deep) throw new UnreadableError(`too many levels (${lineAt(text, deep.index)})`)
}
