/**
 * Filter: which objects a partial clone does without, in the words of `git clone --filter`.
 *
 * Spec: https://git-scm.com/docs/git-rev-list#Documentation/git-rev-list.txt---filterfilter-spec
 *
 * @module
 */
import { MalformedError, RefusedError } from '../error.ts'
import type { ObjectType } from '../object.ts'

/** What is left out. Objects that are wanted by name are sent all the same. */
export interface ObjectFilter {
  /** Blobs of so many bytes and more are left out; `Infinity`: none for its size. */
  readonly blobLimit: number
  /** Trees and blobs so far below a commit and farther are left out, its tree being at 0; `Infinity`: none. */
  readonly treeDepth: number
  /** Types that are sent; `undefined`: all. */
  readonly types: ReadonlySet<ObjectType> | undefined
}

/** One kind of filter that a specification uses. */
export interface FilterUse {
  /** As `uploadpackfilter.NAME.allow` calls it. */
  readonly name: string
  /** Of `tree:DEPTH`. */
  readonly depth: number | undefined
}

/** Which filters a server applies. */
export interface FilterRules {
  /** Whether kinds are allowed that `kinds` does not name. */
  readonly others: boolean
  readonly kinds: ReadonlyMap<string, boolean>
  /** The largest depth of `tree:DEPTH`. */
  readonly maxTreeDepth: number
}

/** Every filter that we can apply. */
export const ALL_FILTERS: FilterRules = { others: true, kinds: new Map(), maxTreeDepth: Infinity }

interface Parsed {
  readonly filter: ObjectFilter
  readonly uses: readonly FilterUse[]
}

const everything: ObjectFilter = { blobLimit: Infinity, treeDepth: Infinity, types: undefined }

/** How deep `combine:` may be nested: each level is written with more percent signs than the one above. */
const MAX_NESTING = 8

/**
 * The filter of a specification.
 *
 * @throws MalformedError when it is none, in Git's words
 * @throws RefusedError `unsupported` when the rules forbid it, or when it is one of `sparse:`
 */
export function parseFilter(spec: string, rules: FilterRules): ObjectFilter {
  const { filter, uses } = parse(spec, 0)
  for (const use of uses) checkUse(use, rules)
  return filter
}

function checkUse({ name, depth }: FilterUse, rules: FilterRules): void {
  const isAllowed = rules.kinds.get(name) ?? rules.others
  if (!isAllowed || name === 'sparse:oid')
    throw new RefusedError('unsupported', `filter '${name}' not supported`)
  if (depth !== undefined && depth > rules.maxTreeDepth) {
    throw new RefusedError(
      'unsupported',
      `tree filter allows max depth ${rules.maxTreeDepth}, but got ${depth}`,
    )
  }
}

function parse(spec: string, nesting: number): Parsed {
  if (spec === 'blob:none') return one({ ...everything, blobLimit: 0 }, 'blob:none')
  if (spec.startsWith('combine:')) return parseCombined(spec.slice('combine:'.length), nesting)
  if (spec.startsWith('blob:limit=')) {
    const blobLimit = parseSize(spec.slice('blob:limit='.length))
    if (blobLimit !== undefined) return one({ ...everything, blobLimit }, 'blob:limit')
  }
  if (spec.startsWith('tree:')) {
    const treeDepth = parseSize(spec.slice('tree:'.length))
    if (treeDepth === undefined) throw malformed("expected 'tree:<depth>'")
    return one({ ...everything, treeDepth }, 'tree', treeDepth)
  }
  if (spec.startsWith('object:type=')) {
    const types = new Set([parseType(spec.slice('object:type='.length))])
    return one({ ...everything, types }, 'object:type')
  }
  if (spec.startsWith('sparse:oid=')) return one(everything, 'sparse:oid')
  if (spec.startsWith('sparse:path='))
    throw malformed('sparse:path filters support has been dropped')
  throw malformed(`invalid filter-spec '${spec.slice(0, 80)}'`)
}

function one(filter: ObjectFilter, name: string, depth?: number): Parsed {
  return { filter, uses: [{ name, depth }] }
}

/** What all of the filters let pass. */
function parseCombined(specs: string, nesting: number): Parsed {
  if (specs === '') throw malformed('expected something after combine:')
  if (nesting === MAX_NESTING) throw malformed('its combinations are nested too deep')
  const parts = specs.split('+').map((part) => parse(unescape(part), nesting + 1))
  return {
    filter: parts.map(({ filter }) => filter).reduce(both),
    uses: [{ name: 'combine', depth: undefined }, ...parts.flatMap(({ uses }) => uses)],
  }
}

function both(a: ObjectFilter, b: ObjectFilter): ObjectFilter {
  const types =
    a.types !== undefined && b.types !== undefined
      ? new Set([...a.types].filter((type) => b.types?.has(type)))
      : (a.types ?? b.types)
  return {
    blobLimit: Math.min(a.blobLimit, b.blobLimit),
    treeDepth: Math.min(a.treeDepth, b.treeDepth),
    types,
  }
}

function unescape(part: string): string {
  const reserved = /[\0- ~`!@#$^&*()[\]{}\\;'",<>?]/.exec(part)?.[0]
  if (reserved !== undefined) throw malformed(`must escape char in sub-filter-spec: '${reserved}'`)
  return part.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
}

/** A number as Git's configuration has them: `k`, `m` and `g` multiplied out. */
function parseSize(text: string): number | undefined {
  const match = /^(\d{1,15}|0x[0-9a-f]{1,12})([kmg]?)$/i.exec(text)
  if (match === null) return undefined
  const [, digits = '', unit = ''] = match
  const isOctal = /^0\d/.test(digits)
  if (isOctal && /[89]/.test(digits)) return undefined
  const number = isOctal ? Number.parseInt(digits, 8) : Number(digits)
  return number * 1024 ** ['', 'k', 'm', 'g'].indexOf(unit.toLowerCase())
}

function parseType(text: string): ObjectType {
  if (text === 'commit' || text === 'tree' || text === 'blob' || text === 'tag') return text
  throw malformed(`'${text.slice(0, 40)}' for 'object:type=<type>' is not a valid object type`)
}

function malformed(problem: string): MalformedError {
  return new MalformedError('a filter', problem)
}
