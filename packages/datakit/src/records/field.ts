/**
 * Fields of a configuration record: what a file's text means, and how a value is written.
 *
 * Text is what people edit and Git merges, so every kind reads what a person would write: blanks around a value do not
 * matter, a file ends with a line end. A text that is no value of its field is a problem to be told, never an error.
 *
 * @module
 */
import { FieldError } from './field-error.ts'

/** What a text means: a value, or why it is none. */
export type Parsed<T> = { readonly value: T } | { readonly problem: string }

/** One kind of values. `T` has `undefined` in it where there is no default. */
export interface Field<T> {
  readonly kind: 'string' | 'int' | 'bool' | 'enum' | 'json'
  /** What holds where no layer has a value, or the one that wins is none. */
  readonly fallback: T
  /** Reads what a file says. */
  parse(text: string): Parsed<Exclude<T, undefined>>
  /** What a file shall say, without the line end. @throws FieldError `invalid-value` for what is no value of the field */
  format(value: Exclude<T, undefined>): string
  /** Whether two values are the same to whoever uses the field. */
  isEqual(a: T, b: T): boolean
}

const isEqual = (a: unknown, b: unknown): boolean => a === b

/** A text. Blanks and line ends around it do not count, unless it is `exact`: then only the line feed at the end of the file does not. */
export function string(
  fallback?: undefined,
  options?: { readonly exact?: boolean },
): Field<string | undefined>
export function string(fallback: string, options?: { readonly exact?: boolean }): Field<string>
export function string(
  fallback?: string,
  { exact = false }: { readonly exact?: boolean } = {},
): Field<string | undefined> {
  const strip = (text: string): string => (exact ? text.replace(/\n$/, '') : text.trim())
  return {
    kind: 'string',
    fallback,
    parse: (text) => ({ value: strip(text) }),
    format(value) {
      if (typeof value !== 'string' || /\p{Surrogate}/u.test(value)) throw invalid(value, 'a text')
      if (!exact && value !== value.trim())
        throw invalid(value, 'a text without blanks around it; make the field exact to keep them')
      return value
    },
    isEqual,
  }
}

/** Bounds of a number, both included. */
export interface IntOptions {
  readonly min?: number
  readonly max?: number
}

/** A whole number that JavaScript can tell from its neighbours: up to 2^53. */
export function int(fallback?: undefined, options?: IntOptions): Field<number | undefined>
export function int(fallback: number, options?: IntOptions): Field<number>
export function int(fallback?: number, options: IntOptions = {}): Field<number | undefined> {
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = options
  const isGood = (value: unknown): boolean =>
    Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max
  const expected = `a whole number from ${min} to ${max}`
  return {
    kind: 'int',
    fallback,
    parse(text) {
      const word = text.trim()
      const value = /^[+-]?\d+$/.test(word) ? Number(word) : NaN
      // There is no minus zero among whole numbers.
      return isGood(value) ? { value: value + 0 } : notA(word, expected)
    },
    format(value) {
      if (!isGood(value)) throw invalid(value, expected)
      return String(value + 0)
    },
    isEqual,
  }
}

/** The spellings that programs of Go, from which these records come, take for a bool. */
const TRUE: ReadonlySet<string> = new Set(['1', 't', 'T', 'true', 'TRUE', 'True'])
const FALSE: ReadonlySet<string> = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False'])

/** Yes or no, written `true` and `false`; `1`, `t`, `0`, `f` and the like are read too. */
export function bool(fallback?: undefined): Field<boolean | undefined>
export function bool(fallback: boolean): Field<boolean>
export function bool(fallback?: boolean): Field<boolean | undefined> {
  return {
    kind: 'bool',
    fallback,
    parse(text) {
      const word = text.trim()
      if (TRUE.has(word)) return { value: true }
      return FALSE.has(word) ? { value: false } : notA(word, '"true" or "false"')
    },
    format(value) {
      if (typeof value !== 'boolean') throw invalid(value, 'true or false')
      return String(value)
    },
    isEqual,
  }
}

/** One of some words. */
export function oneOf<const Word extends string>(
  words: readonly Word[],
  fallback?: undefined,
): Field<Word | undefined>
export function oneOf<const Word extends string>(
  words: readonly Word[],
  fallback: NoInfer<Word>,
): Field<Word>
export function oneOf<const Word extends string>(
  words: readonly Word[],
  fallback?: Word,
): Field<Word | undefined> {
  const expected = `one of "${words.join('", "')}"`
  return {
    kind: 'enum',
    fallback,
    parse(text) {
      const value = words.find((word) => word === text.trim())
      return value === undefined ? notA(text.trim(), expected) : { value }
    },
    format(value) {
      if (!words.includes(value)) throw invalid(value, expected)
      return value
    },
    isEqual,
  }
}

/** Tells which values of JSON a field takes. What it throws is why one is none. */
export type Check<T> = (value: unknown) => value is T

/** Any value of JSON that `check` takes, written with two blanks a level. The order of keys does not matter. */
export function json<T>(check: Check<T>, fallback?: undefined): Field<T | undefined>
export function json<T>(check: Check<T>, fallback: T): Field<T>
export function json<T>(check: Check<T>, fallback?: T): Field<T | undefined> {
  const expected = 'a value of JSON that the field takes'
  return {
    kind: 'json',
    fallback,
    parse(text) {
      try {
        const value = JSON.parse(text.trim()) as unknown
        // No value of JSON is `undefined`.
        return check(value) ? { value: value as Exclude<T, undefined> } : notA(text, expected)
      } catch (error) {
        return { problem: error instanceof Error ? error.message : String(error) }
      }
    },
    format(value) {
      const text = toJson(value)
      if (text === undefined) throw invalid(value, expected)
      const parsed = this.parse(text)
      if ('problem' in parsed) throw invalid(value, `${expected}: ${parsed.problem}`)
      return text
    },
    isEqual: (a, b) => toJson(sorted(a)) === toJson(sorted(b)),
  }
}

/** The same value with the keys of its objects in order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || !value) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, sorted(each)]),
  )
}

/** JSON gives nothing for functions and the like, and throws for circles. */
function toJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value, undefined, 2) as string | undefined
  } catch {
    return undefined
  }
}

function notA(word: string, expected: string): { readonly problem: string } {
  return { problem: `"${word.slice(0, 60)}" is not ${expected}` }
}

function invalid(value: unknown, expected: string): FieldError {
  const shown = (toJson(value) ?? String(value)).slice(0, 60)
  return new FieldError('invalid-value', `Cannot keep ${shown} in a field: expected ${expected}`)
}
