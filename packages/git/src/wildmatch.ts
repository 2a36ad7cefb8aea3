/**
 * Wildmatch: the patterns of Git, as for branches, paths and attributes.
 *
 * `*` stands for any bytes, `?` for one, `[a-z]`, `[!a-z]` and `[[:digit:]]` for one of a set; a backslash takes its meaning
 * from what follows. Where the pattern is one of paths, none of these matches a slash, but a step that is `**` stands for
 * any number of directories.
 *
 * Spec: https://git-scm.com/docs/gitignore#_pattern_format
 *
 * @module
 */
import { encodeName } from './bytes.ts'

/** How a pattern is read. */
export interface WildmatchOptions {
  /** Whether slashes part directories, which only `**` crosses. */
  readonly isPath: boolean
}

/** One step of a pattern: a byte out of a set, or any number of bytes. */
type Token =
  | { readonly kind: 'one'; readonly accepts: (byte: number) => boolean }
  | {
      readonly kind: 'many'
      readonly crossesSlashes: boolean
      /** Whether it and the token behind it, a slash, may stand for nothing. */
      readonly isOptional: boolean
    }

const SLASH = 47
const STAR = 42
const BACKSLASH = 92
const BRACKET = 91
const END = 93
const DASH = 45
const COLON = 58

/**
 * Tells of a text whether the whole of it matches the pattern. In time that grows with the product of both lengths.
 *
 * @throws TypeError when the pattern is no text
 */
export function wildmatch(pattern: string, options: WildmatchOptions): (text: string) => boolean {
  if (typeof pattern !== 'string') throw new TypeError(`Not a pattern: ${pattern}; give a text`)
  const tokens = new PatternReader(encodeName(pattern), options.isPath).read()
  return (text) => matches(tokens, encodeName(text))
}

function matches(tokens: readonly Token[], text: Uint8Array): boolean {
  // What did not match once is not tried again: without that, a few stars take exponential time.
  const failed = new Set<number>()
  const match = (at: number, from: number): boolean => {
    const token = tokens[at]
    if (token === undefined) return from === text.length
    const key = at * (text.length + 1) + from
    if (failed.has(key)) return false
    const isMatch =
      token.kind === 'one'
        ? from < text.length && token.accepts(text[from] ?? 0) && match(at + 1, from + 1)
        : matchMany(token, at, from)
    if (!isMatch) failed.add(key)
    return isMatch
  }
  const matchMany = (
    { crossesSlashes, isOptional }: Extract<Token, { kind: 'many' }>,
    at: number,
    from: number,
  ): boolean => {
    if (isOptional && match(at + 2, from)) return true
    for (let i = from; ; i++) {
      if (match(at + 1, i)) return true
      if (i >= text.length || (!crossesSlashes && text[i] === SLASH)) return false
    }
  }
  return match(0, 0)
}

/** Reads a pattern into tokens. One that is cut inside of brackets, or names a set that there is not, matches nothing. */
class PatternReader {
  readonly #bytes: Uint8Array
  readonly #isPath: boolean
  readonly #tokens: Token[] = []
  #at = 0

  constructor(bytes: Uint8Array, isPath: boolean) {
    this.#bytes = bytes
    this.#isPath = isPath
  }

  read(): readonly Token[] {
    for (let byte = this.#take(); byte !== undefined; byte = this.#take()) {
      if (byte === STAR) this.#readStars()
      else if (byte === BRACKET) this.#readSet()
      else if (byte === 63) this.#one(() => true)
      else if (byte === BACKSLASH) this.#literal(this.#take())
      else this.#literal(byte)
    }
    return this.#tokens
  }

  #take(): number | undefined {
    return this.#bytes[this.#at++]
  }

  #peek(ahead = 0): number | undefined {
    return this.#bytes[this.#at + ahead]
  }

  /** `undefined` for a backslash at the end, which matches nothing. */
  #literal(byte: number | undefined): void {
    this.#tokens.push({ kind: 'one', accepts: (found) => found === byte })
  }

  #one(accepts: (byte: number) => boolean): void {
    const isPath = this.#isPath
    this.#tokens.push({
      kind: 'one',
      accepts: (byte) => !(isPath && byte === SLASH) && accepts(byte),
    })
  }

  #readStars(): void {
    const before = this.#bytes[this.#at - 2]
    const isStep = this.#at < 2 || before === SLASH
    const isDouble = this.#peek() === STAR
    while (this.#peek() === STAR) this.#at++
    const next = this.#peek()
    const endsStep =
      next === undefined || next === SLASH || (next === BACKSLASH && this.#peek(1) === SLASH)
    const isDirectories = isDouble && isStep && endsStep
    this.#tokens.push({
      kind: 'many',
      crossesSlashes: !this.#isPath || isDirectories,
      isOptional: this.#isPath && isDirectories && next === SLASH,
    })
  }

  #readSet(): void {
    const isNegated = this.#peek() === 33 || this.#peek() === 94
    if (isNegated) this.#at++
    const parts: ((byte: number) => boolean)[] = []
    let low: number | undefined
    // The first one may be a bracket that means itself.
    for (let isFirst = true; isFirst || this.#peek() !== END; isFirst = false) {
      const byte = this.#take()
      const isRange = byte === DASH && low !== undefined && this.#peek() !== END
      const name = byte === BRACKET && this.#peek() === COLON ? this.#takeName() : undefined
      const value = isRange || byte === BACKSLASH ? this.#takeValue(isRange) : byte
      const named = name === undefined ? undefined : NAMED_SETS.get(name)
      if (value === undefined || (name !== undefined && named === undefined)) {
        this.#literal(undefined)
        this.#at = this.#bytes.length
        return
      }
      const from = isRange && low !== undefined ? low : value
      parts.push(named ?? ((found) => found >= from && found <= value))
      low = isRange || named ? undefined : value
    }
    this.#at++
    this.#one((byte) => parts.some((accepts) => accepts(byte)) !== isNegated)
  }

  /** The end of a range, or what follows a backslash. */
  #takeValue(isRange: boolean): number | undefined {
    const byte = this.#take()
    return isRange && byte === BACKSLASH ? this.#take() : byte
  }

  /** The name in `[:name:]`; `undefined` where the bracket is one that means itself. */
  #takeName(): string | undefined {
    const end = this.#bytes.indexOf(END, this.#at + 1)
    // Without any end, the set is cut: it is read on and found to be so.
    if (end < 0 || end < this.#at + 2 || this.#bytes[end - 1] !== COLON) return undefined
    const name = String.fromCharCode(...this.#bytes.subarray(this.#at + 1, end - 1))
    this.#at = end + 1
    return name
  }
}

const isBetween =
  (low: number, high: number) =>
  (byte: number): boolean =>
    byte >= low && byte <= high
const isDigit = isBetween(48, 57)
const isUpper = isBetween(65, 90)
const isLower = isBetween(97, 122)
const isGraph = isBetween(33, 126)
const isAlpha = (byte: number): boolean => isUpper(byte) || isLower(byte)
const isAlnum = (byte: number): boolean => isAlpha(byte) || isDigit(byte)
const isBlank = (byte: number): boolean => byte === 32 || byte === 9

/** The sets that have names, for ASCII. */
const NAMED_SETS: ReadonlyMap<string, (byte: number) => boolean> = new Map([
  ['alnum', isAlnum],
  ['alpha', isAlpha],
  ['blank', isBlank],
  ['cntrl', (byte) => byte < 32 || byte === 127],
  ['digit', isDigit],
  ['graph', isGraph],
  ['lower', isLower],
  ['print', isBetween(32, 126)],
  ['punct', (byte) => isGraph(byte) && !isAlnum(byte)],
  ['space', (byte) => byte === 32 || (byte >= 9 && byte <= 13)],
  ['upper', isUpper],
  ['xdigit', (byte) => isDigit(byte) || isBetween(65, 70)(byte) || isBetween(97, 102)(byte)],
])
