/**
 * Fields: what decoded JSON holds, checked as it is taken.
 *
 * @module
 */
import { MalformedError } from '@datakit/git/error'
import { isOid, type Oid } from '@datakit/git/oid'

/** Takes values out of one JSON text; every method throws `MalformedError` when the value is of another kind. */
export class Fields {
  readonly #what: string

  /** `what` is the thing that is read, for messages: `a root`. */
  constructor(what: string) {
    this.#what = what
  }

  /** The value that UTF-8 JSON bytes stand for. */
  decode(bytes: Uint8Array): unknown {
    try {
      return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
    } catch (cause) {
      throw new MalformedError(this.#what, 'it is not JSON in UTF-8', { cause })
    }
  }

  /** The members of an object. */
  record(value: unknown): Record<string, unknown> {
    // A value of type object that is neither null nor an array has string keys and unknown values.
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>
    throw this.#wrong('an object', value)
  }

  /** The elements of an array; none when it was left out. */
  list(value: unknown): unknown[] {
    if (value === undefined) return []
    if (Array.isArray(value)) return value
    throw this.#wrong('a list', value)
  }

  text(value: unknown): string {
    if (typeof value === 'string') return value
    throw this.#wrong('a text', value)
  }

  /** Thirty-two hexadecimal digits. */
  id(value: unknown): string {
    if (typeof value === 'string' && /^[0-9a-f]{32}$/.test(value)) return value
    throw this.#wrong('an id', value)
  }

  /** A whole number that is not negative. */
  count(value: unknown): number {
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
    throw this.#wrong('a number', value)
  }

  oid(value: unknown): Oid {
    if (typeof value === 'string' && isOid(value)) return value
    throw this.#wrong('an oid', value)
  }

  /** What `read` makes of a value that is there; JSON says 0 or nothing for one that is not. */
  optional<T>(value: unknown, read: (value: unknown) => T): T | undefined {
    return value === undefined || value === 0 ? undefined : read(value)
  }

  #wrong(expected: string, value: unknown): MalformedError {
    const found = JSON.stringify(value)?.slice(0, 60) ?? 'nothing'
    return new MalformedError(this.#what, `expected ${expected}, found ${found}`)
  }
}
