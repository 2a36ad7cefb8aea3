/**
 * Watching all files of a branch that a pattern fits.
 *
 * What was found is kept as a tree of the directories in which something can match, and a directory with the oid of the look
 * before is taken over as it was, with everything below. So a look costs the directories that changed.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import { decodeTree, isTreeMode } from '@datakit/git/tree'
import { checkOptions } from '../argument.ts'
import type { Side } from '../merge/conflict.ts'
import type { Change } from '../history/diff.ts'
import { Glob, type GlobState } from '../files/glob.ts'
import { readTreeBody, type ObjectSource } from '../files/object-source.ts'
import { joinPath } from '../files/path.ts'
import type { Repository } from '../repository.ts'
import type { Snapshot } from '../files/snapshot.ts'
import { isSameSide, readHead, WATCHING } from './watch-path.ts'
import { watchPlace, type WatchOptions } from './watch.ts'

/** What is watched. */
export interface BranchPattern {
  /** The branch by its short name; it need not exist. */
  readonly branch: string
  /** A pattern as in `glob.ts`: `config/*.json`, `services/**`. */
  readonly pattern: string
}

/** The files that a pattern fits, at one moment. */
export interface GlobValue {
  readonly pattern: string
  /** Files, links and submodules by path, ordered as Git orders them. */
  readonly files: ReadonlyMap<string, Side>
  /** What differs from the value before; the first one adds all. Ordered by path. */
  readonly changes: readonly Change[]
  /** The head of the branch when this was seen, to read from; `undefined` while it has no commit. */
  readonly head: Snapshot | undefined
}

/**
 * The files that fit now, and whenever one of them differs, comes or goes. Changes elsewhere give nothing.
 *
 * @throws RangeError for what is no name of a branch, TypeError for what is no pattern
 */
export function watchGlob(
  repository: Repository,
  at: BranchPattern,
  options: WatchOptions = {},
): AsyncIterableIterator<GlobValue, void, undefined> {
  checkOptions(options, WATCHING)
  checkOptions(at, {})
  const { branch, pattern } = at
  const { store } = repository
  const { ref } = repository.branch(branch)
  const finder = new GlobFinder(pattern)
  let given = new Map<string, Side>()
  const read = async (): Promise<Look> => {
    const head = await readHead(store, ref)
    return { head, found: await finder.find(store, head?.tree) }
  }
  const toValue = ({ head, found }: Look): GlobValue => {
    const files = new Map(filesOf(found, ''))
    const changes = compareFiles(given, files)
    given = files
    return { pattern, head, files, changes }
  }
  const isEqual = (a: Look, b: Look): boolean => a.found === b.found
  const looks = watchPlace(store.place, read, { ...options, isEqual })
  return mapped(looks, toValue)
}

interface Look {
  readonly head: Snapshot | undefined
  readonly found: Found | undefined
}

/** What fits in one directory, and the directories below it in which something does. */
interface Found {
  readonly tree: Oid
  readonly files: ReadonlyMap<string, Side>
  readonly directories: ReadonlyMap<string, Found>
  /** Names in Git's order; a name is a file or a directory. */
  readonly names: readonly string[]
}

/** Finds what a pattern fits in one tree after the other, and reads only the trees that differ. */
class GlobFinder {
  readonly #glob: Glob
  /** The trees that were read last, those too in which nothing fits. */
  #last: Visited | undefined

  constructor(pattern: string) {
    this.#glob = new Glob(pattern)
  }

  /** What fits; the very same value as before when nothing of it differs, `undefined` when nothing fits. */
  async find(source: ObjectSource, root: Oid | undefined): Promise<Found | undefined> {
    const at = { path: '', state: this.#glob.start, before: this.#last }
    this.#last = root && (await this.#visit(source, root, at))
    return this.#last?.found
  }

  async #visit(source: ObjectSource, tree: Oid, { path, state, before }: Visit): Promise<Visited> {
    if (before?.tree === tree) return before
    const below = new Map<string, Visited>()
    const [files, directories] = [new Map<string, Side>(), new Map<string, Found>()]
    const names: string[] = []
    for (const { name, mode, oid } of decodeTree(await readTreeBody(source, tree, path))) {
      if (!isTreeMode(mode)) {
        if (!this.#glob.matches(state, name)) continue
        files.set(name, { mode, oid })
        names.push(name)
        continue
      }
      const inside = this.#glob.enter(state, name)
      if (inside.length === 0) continue
      const visited = await this.#visit(source, oid, {
        path: joinPath(path, name),
        state: inside,
        before: before?.below.get(name),
      })
      below.set(name, visited)
      if (visited.found === undefined) continue
      directories.set(name, visited.found)
      names.push(name)
    }
    const found = names.length === 0 ? undefined : { tree, files, directories, names }
    return { tree, below, found: isSameFound(before?.found, found) ? before?.found : found }
  }
}

/** A directory that is opened, what of the pattern is left in it, and what it was. */
interface Visit {
  readonly path: string
  readonly state: GlobState
  readonly before: Visited | undefined
}

/** A directory that was opened. */
interface Visited {
  readonly tree: Oid
  readonly below: ReadonlyMap<string, Visited>
  readonly found: Found | undefined
}

/** Whether the same fits, though the directories differ in something else. */
function isSameFound(a: Found | undefined, b: Found | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return (
    a.files.size === b.files.size &&
    a.directories.size === b.directories.size &&
    [...a.files].every(([name, side]) => isSameSide(side, b.files.get(name))) &&
    // A directory below in which nothing differs is the very same value.
    [...a.directories].every(([name, found]) => b.directories.get(name) === found)
  )
}

function* filesOf(found: Found | undefined, parent: string): Generator<[string, Side]> {
  for (const name of found?.names ?? []) {
    const path = joinPath(parent, name)
    const side = found?.files.get(name)
    if (side === undefined) yield* filesOf(found?.directories.get(name), path)
    else yield [path, side]
  }
}

function compareFiles(
  before: ReadonlyMap<string, Side>,
  after: ReadonlyMap<string, Side>,
): Change[] {
  const changes: Change[] = []
  for (const path of new Set([...before.keys(), ...after.keys()])) {
    const [a, b] = [before.get(path), after.get(path)]
    if (isSameSide(a, b)) continue
    const kind = a === undefined ? 'added' : b ? 'changed' : 'removed'
    changes.push({ path, kind, before: a, after: b })
  }
  return changes.sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** The same iterator, each value turned into another one as it is given. */
function mapped<From, To>(
  source: AsyncIterableIterator<From, void, undefined>,
  turn: (value: From) => To,
): AsyncIterableIterator<To, void, undefined> {
  const turned = async (
    next: Promise<IteratorResult<From, void>>,
  ): Promise<IteratorResult<To, void>> => {
    const { done, value } = await next
    return done === true ? { done, value: undefined } : { done: false, value: turn(value) }
  }
  return {
    next: () => turned(source.next()),
    return: () => turned(source.return?.() ?? Promise.resolve({ done: true, value: undefined })),
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
