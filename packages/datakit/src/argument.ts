/**
 * Arguments that cannot be: what a program passed, what was expected in its place. Types say most of it at compile time; this is for
 * programs without them, and for values that come from outside.
 *
 * What is checked here is checked before anything is done. Loaded later, or by what is.
 *
 * @module
 */
import { isOid } from '@datakit/git/oid'

/** An argument that cannot be what it is for; nothing was done. */
export class ArgumentError extends TypeError {
  override readonly name = 'ArgumentError'
  readonly code = 'bad-argument'
  /** What it was for, as in `limit`. */
  readonly argument: string

  constructor(argument: string, value: unknown, wanted: string) {
    super(`Cannot use ${show(value)} for "${argument}": give ${wanted}`)
    this.argument = argument
  }
}

/** What an argument may be. */
export interface Rule {
  readonly fits: (value: unknown) => boolean
  /** To follow "give". */
  readonly wanted: string
}

/** A text, the empty one too. */
export const text: Rule = { fits: (value) => typeof value === 'string', wanted: 'a text' }
/** A yes or no. */
export const flag: Rule = {
  fits: (value) => typeof value === 'boolean',
  wanted: 'true or false, or leave it out',
}
/** How many, or how long: from 0 on; `Infinity` is one. */
export const count: Rule = {
  fits: (value) => typeof value === 'number' && value >= 0,
  wanted: 'a number from 0 on, or leave it out',
}
/** A length of time, or how often: above 0. */
export const positive: Rule = {
  fits: (value) => typeof value === 'number' && value > 0,
  wanted: 'a number above 0, or leave it out',
}
/** A moment by the clocks of those who committed. */
export const time: Rule = {
  fits: (value) => typeof value === 'number' && !Number.isNaN(value),
  wanted: 'seconds since 1970, or leave it out',
}
/** An oid in Git's own spelling. */
export const oid: Rule = {
  fits: (value) => typeof value === 'string' && isOid(value),
  wanted: 'the oid of a commit: forty lower-case hexadecimal digits',
}
/** A signal that ends what is under way. */
export const signal: Rule = {
  // One of another realm is no AbortSignal of this one.
  fits: (value) => value instanceof Object && 'throwIfAborted' in value,
  wanted: 'the signal of an AbortController, or leave it out',
}
/** A function of the program. */
export const action: Rule = {
  fits: (value) => typeof value === 'function',
  wanted: 'a function',
}

/** One of some words. */
export function oneOf(...words: readonly (string | number)[]): Rule {
  return {
    fits: (value) => words.some((word) => word === value),
    wanted: words.map((word) => JSON.stringify(word)).join(' or '),
  }
}

/** A list of what fits another rule. */
export function listOf({ fits, wanted }: Rule): Rule {
  return {
    fits: (value) => Array.isArray(value) && value.every((each) => fits(each)),
    wanted: `a list, and in it ${wanted}`,
  }
}

/** @throws ArgumentError when the value does not fit */
export function check(argument: string, value: unknown, { fits, wanted }: Rule): void {
  if (!fits(value)) throw new ArgumentError(argument, value, wanted)
}

/** Checks the fields of `options` that are there; others are not looked at. @throws ArgumentError */
export function checkOptions(options: unknown, rules: Readonly<Record<string, Rule>>): void {
  if (typeof options !== 'object' || options === null)
    throw new ArgumentError('options', options, 'an object, or leave it out')
  for (const [name, rule] of Object.entries(rules)) {
    const value: unknown = Reflect.get(options, name)
    if (value !== undefined) check(name, value, rule)
  }
}

/** The value as it can stand in a message. */
function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 60))
  if (typeof value === 'object' && value !== null)
    return Array.isArray(value) ? 'a list' : 'an object'
  return typeof value === 'function' ? 'a function' : String(value)
}
