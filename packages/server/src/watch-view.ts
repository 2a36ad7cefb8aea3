/**
 * Watch views: what some listeners see of a repository, and what differs from what one of them saw last.
 *
 * Listeners with one filter and the same rights share a view. It has the refs as they are and the last changes, within
 * bounds: a listener is remembered by the id that it saw last and nothing else, so a slow one costs no memory.
 *
 * The id is a digest of what can be seen, and of nothing else. So it stays the same while hidden refs move or packs are
 * merged, any isolate knows the current one, and nobody learns from it what he may not see.
 *
 * @module
 */
import { decodeCommit } from '@datakit/git/commit'
import { toHex, utf8 } from '@datakit/git/bytes'
import type { Objects } from '@datakit/git/objects'
import type { Oid } from '@datakit/git/oid'
import type { State, Version } from '@datakit/git/place'
import type { PathMove, RefMove, WatchedEntry, WatchMessage } from '@datakit/git/protocol/watch'
import { decodeTag } from '@datakit/git/tag'
import type { Readable } from '@datakit/git/transport/reach'
import { PathFinder } from '@datakit/datakit/watch-path'
import { ProblemError } from './problem.ts'
import type { WatchFilter } from './watch-filter.ts'

/** A ref as it is seen, with what is at the paths that were asked for, in their order. */
interface Sight {
  readonly oid: Oid
  readonly entries: readonly (WatchedEntry | undefined)[]
}

type Sights = ReadonlyMap<string, Sight>

/** One change, between two ids. */
interface Change {
  readonly from: string
  readonly moves: readonly RefMove[]
}

/** Most refs of a view. */
const MAX_REFS = 20_000
/** Changes that are remembered, and rows in all of them together. */
const MAX_CHANGES = 256
const MAX_ROWS = 4096
/** Tags that are followed to what they are about. */
const MAX_TAGS = 16

/** What listeners with one filter see. */
export class WatchView {
  readonly #filter: WatchFilter
  readonly #readable: Readable
  readonly #finders = new Map<string, readonly PathFinder[]>()
  readonly #changes: Change[] = []
  #rows = 0
  #sights: Sights = new Map()
  #id = ''
  #repository = ''
  #version: Version | undefined

  constructor(filter: WatchFilter, readable: Readable) {
    this.#filter = filter
    this.#readable = readable
  }

  /** Whether this is the view at a state. */
  isAt(state: State): boolean {
    return this.#version === state.version && this.#repository === state.repository
  }

  /**
   * Goes over to a state. Several may do so at once: the first one wins, and the others have done it for nothing.
   *
   * @returns how many refs had their paths looked up
   * @throws ProblemError `too-large` when there are more refs than are watched at once
   */
  async advance(objects: Objects, state: State): Promise<number> {
    const before = this.#sights
    const { sights, opened } = await this.#look(objects, state)
    if (this.#sights !== before) return opened
    const id = idOf(objects, state, sights)
    const isNew = this.#repository !== state.repository
    if (isNew) this.#forget()
    else if (id !== this.#id) this.#remember(this.#id, compare(before, sights, this.#filter.paths))
    this.#sights = sights
    this.#id = id
    this.#version = state.version
    this.#repository = state.repository
    return opened
  }

  /** What somebody has to hear who saw `id` last, or nothing yet; `undefined` when he has seen it all. */
  newsSince(
    id: string | undefined,
  ): Extract<WatchMessage, { kind: 'snapshot' | 'change' }> | undefined {
    if (id === this.#id) return undefined
    const refs = id === undefined ? undefined : this.#movesSince(id)
    if (refs !== undefined) return { kind: 'change', id: this.#id, refs }
    const sights = this.#sights
    const { paths } = this.#filter
    return {
      kind: 'snapshot',
      id: this.#id,
      repository: this.#repository,
      refs: snapshot(sights, paths),
    }
  }

  async #look(
    objects: Objects,
    state: State,
  ): Promise<{ readonly sights: Sights; readonly opened: number }> {
    const before = this.#repository === state.repository ? this.#sights : new Map<string, Sight>()
    const sights = new Map<string, Sight>()
    let opened = 0
    for await (const { name, oid } of this.#refs(state)) {
      const known = before.get(name)
      const isKnown = known?.oid === oid
      if (!isKnown && this.#filter.paths.length > 0) opened++
      sights.set(name, isKnown ? known : { oid, entries: await this.#find(objects, name, oid) })
      if (sights.size > MAX_REFS)
        throw new ProblemError(
          'too-large',
          `There are more than ${MAX_REFS} refs to watch; name those that matter, as ?ref=refs/heads/main`,
        )
    }
    return { sights, opened }
  }

  async *#refs(state: State): AsyncGenerator<{ readonly name: string; readonly oid: Oid }> {
    const { names, prefixes } = this.#filter
    for (const name of names ?? []) {
      const oid = this.#readable.includes(name) ? await state.ref(name) : undefined
      if (oid !== undefined) yield { name, oid }
    }
    if (names !== undefined) return
    // One that is in two patterns is put twice under one name.
    for (const prefix of prefixes) {
      for await (const { name, oid } of state.refs(prefix)) {
        const isMeant = prefix === '' || prefix.endsWith('/') || name === prefix
        if (isMeant && this.#readable.includes(name)) yield { name, oid }
      }
    }
  }

  async #find(
    objects: Objects,
    name: string,
    oid: Oid,
  ): Promise<readonly (WatchedEntry | undefined)[]> {
    const { paths } = this.#filter
    if (paths.length === 0) return []
    const finders = this.#finders.get(name) ?? paths.map((path) => new PathFinder(path))
    this.#finders.set(name, finders)
    const tree = await treeOf(objects, oid)
    const entries: (WatchedEntry | undefined)[] = []
    for (const finder of finders) entries.push(await finder.find(objects, tree))
    return entries
  }

  #remember(from: string, moves: readonly RefMove[]): void {
    this.#changes.push({ from, moves })
    this.#rows += moves.length
    while (this.#changes.length > MAX_CHANGES || this.#rows > MAX_ROWS)
      this.#rows -= this.#changes.shift()?.moves.length ?? 0
  }

  #forget(): void {
    this.#changes.length = 0
    this.#rows = 0
  }

  /** All changes since an id as one; `undefined` when that is longer ago than is remembered. */
  #movesSince(id: string): readonly RefMove[] | undefined {
    const start = this.#changes.findLastIndex(({ from }) => from === id)
    if (start < 0) return undefined
    const moves = new Map<string, RefMove>()
    for (const change of this.#changes.slice(start))
      for (const move of change.moves) moves.set(move.name, joined(moves.get(move.name), move))
    return [...moves.values()].filter((move) => isNews(move, this.#filter.paths.length > 0))
  }
}

function idOf(objects: Objects, state: State, sights: Sights): string {
  let text = ''
  for (const [name, { oid, entries }] of sights) {
    // Where paths are asked for, they alone matter.
    const what =
      entries.length === 0 ? oid : entries.map((entry) => entry && `${entry.mode} ${entry.oid}`)
    text += `${JSON.stringify([name, what])}\n`
  }
  return `${state.repository}:${toHex(objects.runtime.sha1(utf8(text)))}`
}

function* snapshot(sights: Sights, paths: readonly string[]): Generator<RefMove> {
  for (const [name, { oid, entries }] of sights) {
    const moves = paths.map((path, i) => ({ path, from: undefined, to: entries[i] }))
    yield { name, from: undefined, to: oid, paths: moves }
  }
}

function compare(before: Sights, after: Sights, paths: readonly string[]): RefMove[] {
  const moves: RefMove[] = []
  for (const name of new Set([...before.keys(), ...after.keys()])) {
    const [a, b] = [before.get(name), after.get(name)]
    if (a === b) continue
    const differing = paths.flatMap((path, i): PathMove[] => {
      const [from, to] = [a?.entries[i], b?.entries[i]]
      return isSameEntry(from, to) ? [] : [{ path, from, to }]
    })
    const move = { name, from: a?.oid, to: b?.oid, paths: differing }
    if (isNews(move, paths.length > 0)) moves.push(move)
  }
  return moves
}

/** Where paths are asked for, they alone matter; but a ref that comes or goes is told of in any case. */
function isNews({ from, to, paths }: RefMove, hasPaths: boolean): boolean {
  if (paths.length > 0 || (from === undefined) !== (to === undefined)) return true
  return !hasPaths && from !== to
}

/** Two moves of one ref, one after the other. */
function joined(first: RefMove | undefined, then: RefMove): RefMove {
  if (first === undefined) return then
  const paths = new Map(first.paths.map((move) => [move.path, move]))
  for (const { path, from, to } of then.paths) {
    const known = paths.get(path)
    paths.set(path, { path, from: known === undefined ? from : known.from, to })
  }
  const differing = [...paths.values()].filter(({ from, to }) => !isSameEntry(from, to))
  return { name: then.name, from: first.from, to: then.to, paths: differing }
}

function isSameEntry(a: WatchedEntry | undefined, b: WatchedEntry | undefined): boolean {
  return a?.oid === b?.oid && a?.mode === b?.mode
}

/** The tree that a ref leads to; `undefined` for a blob. */
async function treeOf(objects: Objects, oid: Oid): Promise<Oid | undefined> {
  let at = oid
  for (let tags = 0; tags < MAX_TAGS; tags++) {
    const { type, body } = await objects.read(at)
    if (type === 'tree') return at
    if (type === 'commit') return decodeCommit(body).tree
    if (type === 'blob') return undefined
    at = decodeTag(body).target
  }
  return undefined
}
