/**
 * Deepen: how a client asks for a history that is cut off, and what it is told of where the cuts are.
 *
 * A *shallow* commit is one that a repository has without its parents. A client names those that it has; the server says
 * which are shallow besides, and which are *unshallow* again because what lies behind them comes along.
 *
 * The lines are the same in all versions of the protocol; `deepen-relative` is an argument in version 2 and a capability
 * before.
 *
 * Spec: https://git-scm.com/docs/gitprotocol-v2#_fetch, https://git-scm.com/docs/gitprotocol-pack#_packfile_negotiation
 *
 * @module
 */
import { MalformedError } from '../error.ts'
import { parseOid, type Oid } from '../oid.ts'

/** How far a history goes back. */
export type Deepening =
  | {
      readonly kind: 'depth'
      /** Commits from the wanted ones on, or with `relative` from the client's shallow ones: 1 or more. */
      readonly depth: number
      readonly relative: boolean
    }
  | {
      readonly kind: 'history'
      /** Seconds since 1970: what is older stays away, with all that lies behind it. */
      readonly since: number | undefined
      /** Refs, as a person writes them: what they reach stays away. */
      readonly not: readonly string[]
    }

/** A depth that no history has: everything, which is how `--unshallow` is said. */
export const INFINITE_DEPTH = 0x7fffffff

/** Refs that one request may cut a history at. */
const MOST_NAMES = 1000

/** What a request says about cuts. */
export interface ShallowWish {
  /** Commits that the client has without their parents. */
  readonly shallow: readonly Oid[]
  readonly deepen: Deepening | undefined
}

/** Collects the lines of a request that are about cuts. */
export class ShallowLines {
  readonly #shallow: Oid[] = []
  readonly #not: string[] = []
  #depth: number | undefined
  #since: number | undefined

  /** Takes a line, if it is about cuts. @throws MalformedError when it is, and cannot be read */
  take(line: string): boolean {
    const cut = line.indexOf(' ')
    const value = line.slice(cut + 1)
    const word = cut < 0 ? '' : line.slice(0, cut)
    if (word === 'shallow') this.#shallow.push(parseOid(value))
    else if (word === 'deepen') this.#depth = parseDepth(value)
    else if (word === 'deepen-since') this.#since = parseNumber(line, value)
    else if (word === 'deepen-not') this.#not.push(value)
    else return false
    if (this.#not.length > MOST_NAMES)
      throw new MalformedError('a fetch', `it has more than ${MOST_NAMES} lines of deepen-not`)
    return true
  }

  /** What the lines say together. @throws MalformedError when they contradict each other */
  wish(relative: boolean): ShallowWish {
    const isHistory = this.#since !== undefined || this.#not.length > 0
    if (this.#depth !== undefined && isHistory) {
      throw new MalformedError(
        'a fetch',
        'deepen and deepen-since (or deepen-not) cannot be used together',
      )
    }
    const shallow = [...new Set(this.#shallow)]
    if (this.#depth !== undefined)
      return { shallow, deepen: { kind: 'depth', depth: this.#depth, relative } }
    const history = { kind: 'history', since: this.#since, not: this.#not } as const
    return { shallow, deepen: isHistory ? history : undefined }
  }
}

/** Commits that a client has to take for shallow from now on, and those that are so no longer. */
export interface ShallowChange {
  readonly shallow: readonly Oid[]
  readonly unshallow: readonly Oid[]
}

/** The lines of a request that say the same as the wish. `relative` is said elsewhere. */
export function deepenLines({ shallow, deepen }: ShallowWish): string[] {
  const lines = shallow.map((oid) => `shallow ${oid}`)
  if (deepen?.kind === 'depth') lines.push(`deepen ${deepen.depth}`)
  if (deepen?.kind !== 'history') return lines
  if (deepen.since !== undefined) lines.push(`deepen-since ${deepen.since}`)
  return [...lines, ...deepen.not.map((name) => `deepen-not ${name}`)]
}

/** What {@link shallowInfo} tells. @throws MalformedError for any other line */
export function parseShallowInfo(lines: Iterable<string>): ShallowChange {
  const [shallow, unshallow]: [Oid[], Oid[]] = [[], []]
  for (const line of lines) {
    if (line.startsWith('shallow ')) shallow.push(parseOid(line.slice(8)))
    else if (line.startsWith('unshallow ')) unshallow.push(parseOid(line.slice(10)))
    else throw new MalformedError('an answer to fetch', `found "${line.slice(0, 80)}"`)
  }
  return { shallow, unshallow }
}

function parseDepth(value: string): number {
  const depth = parseNumber(`deepen ${value}`, value)
  if (depth > 0) return Math.min(depth, INFINITE_DEPTH)
  throw new MalformedError('a fetch', `invalid deepen: ${value.slice(0, 40)}`)
}

function parseNumber(line: string, value: string): number {
  if (/^\d{1,15}$/.test(value)) return Number(value)
  throw new MalformedError('a fetch', `expected a number in "${line.slice(0, 80)}"`)
}

/** The lines that tell a client of its cuts. */
export function shallowInfo(cuts: ShallowChange): string[] {
  return [
    ...cuts.shallow.map((oid) => `shallow ${oid}`),
    ...cuts.unshallow.map((oid) => `unshallow ${oid}`),
  ]
}
